"""Blocks of paths spread over the devices of this process and over processes."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec

from sde_momentum.ensembles._block_moments import Statistics
from sde_momentum.ensembles._chain_block import chain_block
from sde_momentum.ensembles._distributed import gather
from sde_momentum.ensembles._merge import Moments, as_host
from sde_momentum.ensembles._run import Run
from sde_momentum.ensembles._sde_block import sde_block

# The default of 256 bits leaves half of an AVX-512 machine idle; other processors ignore it.
_CPU_OPTIONS = {"xla_cpu_prefer_vector_width": 512}
_IN_FLIGHT = 2


class Workers(eqx.Module):
    """The devices a run may use: `devices` of every process. They change how fast a result comes, not the result.

    Args:
        devices: Devices of each process.
    """

    devices: int = eqx.field(static=True)

    @property
    def number(self) -> int:
        """Blocks computed at a time."""
        return self.devices * jax.process_count()

    def rounds(self, run: Run, blocks: range) -> Iterator[list[Moments]]:
        """Compute blocks, `number` at a time, and yield each round's moments in the order of the blocks.

        Every process gets all moments. The next round is under way while one is handed over.
        """
        pending: deque[tuple[int, Statistics]] = deque()
        for first in range(blocks.start, blocks.stop, self.number):
            pending.append((min(self.number, blocks.stop - first), self.submit(run, first)))
            if len(pending) == _IN_FLIGHT:
                yield self._collect(*pending.popleft())
        while pending:
            yield self._collect(*pending.popleft())

    def submit(self, run: Run, first_block: int) -> Statistics:
        """Start this process's blocks of a round; those past the end of the ensemble are all padding."""
        mine = first_block + jax.process_index() * self.devices + np.arange(self.devices, dtype=np.int64)
        paths = np.minimum(mine * run.block_size, int(run.num_paths)).astype(np.uint32)
        return _program(jax.default_backend())(run, jnp.asarray(paths), self.devices)

    def _collect(self, number: int, statistics: Statistics) -> list[Moments]:
        wait(statistics)
        arrays = as_host(gather(jax.device_get(statistics)))
        return [{name: array[worker] for name, array in arrays.items()} for worker in range(number)]


def wait(statistics: Statistics) -> None:
    """Wait for a result in short sleeps, so that Ctrl-C is heard while a device is busy."""
    pause = 1e-4
    while not all(array.is_ready() for array in jax.tree.leaves(statistics)):
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def _program(backend: str) -> Callable[..., Statistics]:
    return _on_cpu if backend == "cpu" else _on_accelerator


def _blocks(run: Run, firsts: Any, devices: int) -> Statistics:
    """One block on each of this process's devices."""
    if devices == 1:
        return _one_block(run, firsts)
    mesh = Mesh(np.array(jax.local_devices()[:devices]), ("block",), axis_types=(AxisType.Auto,))
    arrays, static = eqx.partition(run, eqx.is_array)
    split, whole = PartitionSpec("block"), PartitionSpec()
    # diffrax's loops do not declare how their carry varies over a mesh, hence no check; nothing is exchanged in here.
    on_mesh = jax.shard_map(
        lambda arrays, firsts: _one_block(eqx.combine(arrays, static), firsts),
        mesh=mesh,
        in_specs=(whole, split),
        out_specs=split,
        check_vma=False,
    )
    return on_mesh(arrays, firsts)


def _one_block(run: Run, firsts: Any) -> Statistics:
    block = chain_block if run.solver is None else sde_block
    return {name: array[None] for name, array in block(run, firsts[0]).items()}


_on_cpu = eqx.filter_jit(_blocks, compiler_options=_CPU_OPTIONS)
_on_accelerator = eqx.filter_jit(_blocks)
