"""From the arguments of `simulate` to one checked run."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import PyTree

from sde_momentum.ensembles._arguments import check_count, choose_block_size, choose_covariance
from sde_momentum.ensembles._block_moments import MomentPlan
from sde_momentum.ensembles._fingerprint import fingerprint
from sde_momentum.ensembles._grid import TimeGrid, time_grid
from sde_momentum.ensembles._observables import (
    Observable,
    default_observables,
    resolve_histograms,
    resolve_observables,
)
from sde_momentum.ensembles._provenance import package_version
from sde_momentum.ensembles._run import Clock, Run
from sde_momentum.ensembles._sde_block import substeps
from sde_momentum.ensembles._start import check_step, is_chain, start_state, to_device
from sde_momentum.solvers import AbstractIncrements, Seed
from sde_momentum.solvers._seed import seed_words

_MAX_STEPS_FLOAT32 = 2**20


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked, apart from how the answer is computed: the arguments that determine the result."""

    t1: float
    num_paths: int
    seed: Seed
    dt: float | None
    solver: dfx.AbstractSolver | None
    increments: AbstractIncrements | None
    saves: int | Sequence[float] | None
    observables: Mapping[str, Observable] | None
    histograms: Mapping[str, Sequence[float]] | None
    covariance: bool | None
    block_size: int | None
    replica_block: int | None
    dtype: DTypeLike | None
    drop_diverged: bool


@dataclasses.dataclass(frozen=True)
class Job:
    """A run, its time grid, and its configuration in plain data."""

    run: Run
    grid: TimeGrid
    configuration: dict[str, Any]

    @property
    def blocks(self) -> int:
        """Blocks of paths in the ensemble."""
        return -(-int(self.run.num_paths) // self.run.block_size)

    def path_steps(self, blocks: range) -> int:
        """Steps of all paths of some blocks, without the padding of the last."""
        size, number = self.run.block_size, int(self.run.num_paths)
        return (min(blocks.stop * size, number) - min(blocks.start * size, number)) * self.grid.save_steps[-1]

    @property
    def identity(self) -> dict[str, Any]:
        """The configuration and whatever else decides the bits of the result."""
        run = self.run
        parts = {"process": run.process, "start": run.start, "observables": run.observables, "solver": run.solver}
        machine = {"jax": package_version("jax"), "jaxlib": package_version("jaxlib"), "backend": jax.default_backend()}
        device = {"device": jax.local_devices()[0].device_kind, "moment_dtype": str(jnp.result_type(float))}
        prints = {f"{name}_fingerprint": fingerprint(part) for name, part in parts.items()}
        return self.configuration | prints | machine | device | {"xla_flags": _flags_of_code()}


def _flags_of_code() -> list[str]:
    """The flags that decide what XLA compiles, and with it the last bits; how many devices it shows does not."""
    flags = os.environ.get("XLA_FLAGS", "").split()
    return sorted(flag for flag in flags if not flag.startswith("--xla_force_host_platform_device_count"))


def prepare(process: Any, x0: PyTree[Any], question: Question) -> Job:
    """Check every argument and lay out the run; nothing is integrated yet."""
    num_paths = check_count(question.num_paths, "num_paths")
    chain = is_chain(process)
    grid = _grid(process, question, chain)
    process, start = start_state(process, x0, question.dtype)
    largest = check_step(process, start)
    solver = None if chain else question.solver or dfx.Euler()
    _check_solver(solver, grid, jax.tree.leaves(start)[0].dtype)
    functions = default_observables(process, start) if question.observables is None else question.observables
    observables = resolve_observables(functions, start)
    components = sum(observables.sizes)
    plan = MomentPlan(
        choose_covariance(question.covariance, components),
        bool(question.drop_diverged),
        resolve_histograms(question.histograms, observables),
    )
    numbers = max(largest, process.noise_dim if not chain else 1, *(leaf.size for leaf in jax.tree.leaves(start)))
    block_size = choose_block_size(question.block_size, question.replica_block, num_paths, numbers)
    dtype = jax.tree.leaves(start)[0].dtype
    clock = Clock(grid.times[-1], to_device(grid.save_steps, np.int32), grid.save_steps[0] == 0)
    seed = to_device(np.array(seed_words(question.seed)), np.uint32)
    run = Run(
        process=process,
        start=start,
        seed=seed,
        num_paths=to_device(num_paths, np.uint32),
        clock=clock,
        observables=observables,
        plan=plan,
        solver=solver,
        increments=question.increments,
        block_size=block_size,
        replica_block=question.replica_block,
    )
    return Job(run, grid, _configuration(run, grid, num_paths, str(dtype)))


def _grid(process: Any, question: Question, chain: bool) -> TimeGrid:
    if chain:
        if any(given is not None for given in (question.dt, question.solver, question.increments)):
            raise ValueError("dt, solver and increments are for an SDE; a chain has its own step_time and draw")
        return time_grid(question.t1, process.step_time, question.saves, "step_time")
    dt = question.dt if question.dt is not None else getattr(process, "step_time", None)
    if dt is None:
        raise ValueError("dt is missing: an SDE needs a step, for instance the learning rate or a fraction of it")
    return time_grid(question.t1, dt, question.saves)


def _check_solver(solver: Any, grid: TimeGrid, dtype: np.dtype) -> None:
    """Refuse what the grid of an SDE cannot do."""
    if solver is None:
        return
    if not isinstance(solver, dfx.AbstractItoSolver):
        raise ValueError(f"solver must be a diffrax solver for Itô equations, got {solver!r}")
    stride = substeps(solver)
    if any(step % stride for step in grid.save_steps):
        raise ValueError(f"solver takes {stride} steps at a time: saves and t1 must be multiples of {stride} dt")
    if dtype == np.float32 and grid.steps > _MAX_STEPS_FLOAT32:
        raise ValueError(
            f"{grid.steps} steps cannot be told apart in float32 (at most {_MAX_STEPS_FLOAT32}); pass dtype=float64"
        )


def _configuration(run: Run, grid: TimeGrid, num_paths: int, dtype: str) -> dict[str, Any]:
    """The arguments that determine the result, resolved, as JSON can hold them."""
    high, low = (int(word) for word in np.asarray(run.seed))
    return {
        "t1": grid.times[-1] if grid.save_steps[-1] == grid.steps else grid.t1,
        "dt": grid.dt,
        "steps": grid.steps,
        "saves": list(grid.times),
        "num_paths": num_paths,
        "seed": (high << 32) | low,
        "solver": None if run.solver is None else repr(run.solver),
        "increments": None if run.increments is None else repr(run.increments),
        "observables": list(run.observables.names),
        "histograms": {name: list(edges) for name, _, _, edges in run.plan.histograms},
        "covariance": run.plan.covariance,
        "block_size": run.block_size,
        "replica_block": run.replica_block,
        "dtype": dtype,
        "drop_diverged": run.plan.drop_diverged,
    }
