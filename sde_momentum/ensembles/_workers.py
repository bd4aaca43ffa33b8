"""Blocks of paths spread over the devices of this process and over processes."""

import concurrent.futures
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np

from sde_momentum.ensembles._block_moments import Statistics
from sde_momentum.ensembles._chain_block import chain_block
from sde_momentum.ensembles._distributed import gather
from sde_momentum.ensembles._merge import Moments, as_host
from sde_momentum.ensembles._run import Run
from sde_momentum.ensembles._sde_block import sde_block

# The default of 256 bits leaves half of an AVX-512 machine idle; other processors ignore it.
_CPU_OPTIONS = {"xla_cpu_prefer_vector_width": 512}
_IN_FLIGHT = 2


class Workers:
    """The devices that compute a run: some of every process. They change how fast a result comes, not the result.

    Blocks need nothing from one another, so every device runs the same program of one block, and no program spans
    devices. A thread for each hands it out, which lets the devices compile at the same time.

    Args:
        run: The run.
        devices: How many devices of each process.
    """

    def __init__(self, run: Run, devices: int):
        self.run = run
        self.devices = jax.local_devices()[:devices]
        arrays, static = eqx.partition(run, eqx.is_array)
        self._copies = [eqx.combine(jax.device_put(arrays, device), static) for device in self.devices]

    @property
    def number(self) -> int:
        """Blocks computed at a time."""
        return len(self.devices) * jax.process_count()

    def rounds(self, blocks: range) -> Iterator[list[Moments]]:
        """Compute blocks, `number` at a time, and yield each round's moments in the order of the blocks.

        Every process gets all moments. The next round is under way while one is handed over.
        """
        pending: deque[tuple[int, list[Statistics]]] = deque()
        for first in range(blocks.start, blocks.stop, self.number):
            pending.append((min(self.number, blocks.stop - first), self._submit(self._copies, first)))
            if len(pending) == _IN_FLIGHT:
                yield self._collect(*pending.popleft())
        while pending:
            yield self._collect(*pending.popleft())

    def seconds(self, steps: int) -> float:
        """How long one round of blocks takes with so many steps."""
        short = [eqx.tree_at(lambda run: run.clock, copy, copy.clock.in_steps(steps)) for copy in self._copies]
        start = time.perf_counter()
        _wait(self._submit(short, 0))
        return time.perf_counter() - start

    def _submit(self, copies: list[Run], first_block: int) -> list[Statistics]:
        """Start this process's blocks of a round; those past the end of the ensemble are all padding."""
        first = first_block + jax.process_index() * len(copies)
        paths = [min((first + i) * self.run.block_size, int(self.run.num_paths)) for i in range(len(copies))]
        if len(copies) == 1:
            return [self._start(0, copies[0], paths[0])]
        with concurrent.futures.ThreadPoolExecutor(len(copies)) as pool:
            return list(pool.map(self._start, range(len(copies)), copies, paths))

    def _start(self, index: int, copy: Run, first_path: int) -> Statistics:
        return _program()(copy, jax.device_put(np.uint32(first_path), self.devices[index]))

    def _collect(self, number: int, statistics: list[Statistics]) -> list[Moments]:
        _wait(statistics)
        local = jax.device_get(statistics)
        arrays = as_host(gather({name: np.stack([block[name] for block in local]) for name in local[0]}))
        return [{name: array[worker] for name, array in arrays.items()} for worker in range(number)]


def _wait(statistics: list[Statistics]) -> None:
    """Wait for a result in short sleeps, so that Ctrl-C is heard while a device is busy."""
    pause = 1e-4
    while not all(array.is_ready() for array in jax.tree.leaves(statistics)):
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def _program() -> Callable[..., Statistics]:
    return _on_cpu if jax.default_backend() == "cpu" else _on_accelerator


def one_block(run: Run, first: Any) -> Statistics:
    """Moments of the block that starts at a path."""
    return chain_block(run, first) if run.solver is None else sde_block(run, first)


_on_cpu = eqx.filter_jit(one_block, compiler_options=_CPU_OPTIONS)
_on_accelerator = eqx.filter_jit(one_block)
