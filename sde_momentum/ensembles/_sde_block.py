"""One block of an SDE, in one diffrax solve."""

from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree, UInt32

from sde_momentum.ensembles._batched_terms import batched_terms
from sde_momentum.ensembles._batching import broadcast_state
from sde_momentum.ensembles._block_moments import Statistics
from sde_momentum.ensembles._run import Run
from sde_momentum.ensembles._uniform_steps import UniformSteps
from sde_momentum.solvers import CounterPath, MacroEuler


def substeps(solver: Any) -> int:
    """Grid steps in one step of a solver."""
    return solver.substeps if isinstance(solver, MacroEuler) else 1


def sde_block(run: Run, first: UInt32[Array, ""]) -> Statistics:
    """Moments at the save steps of the block that starts at a path.

    The step is fixed, the noise that of (seed, path, step), and moments are taken inside the solve: no state is stored.

    Args:
        run: The run.
        first: Global index of the block's first path.

    Returns:
        Statistics, leading axis the save steps.
    """
    path_index = run.path_index(first)
    start = broadcast_state(run.start, run.block_size)
    # The end is a constant of the program and the number of steps is not: diffrax computes with the end at length, and
    # that takes long to compile unless it is known.
    t1 = jnp.asarray(run.clock.t1, jax.tree.leaves(start)[0].dtype)
    steps = run.clock.save_steps[-1]

    def moments(t: Array, y: PyTree[Array], args: Any) -> Statistics:
        return run.measure(y, path_index)

    solution = dfx.diffeqsolve(
        batched_terms(run.process, run.solver, _noise(run, path_index, t1), run.replica_block),
        run.solver,
        jnp.zeros_like(t1),
        t1,
        None,
        start,
        saveat=_saveat(run, UniformSteps(t1, steps), moments),
        stepsize_controller=UniformSteps(t1, steps // substeps(run.solver)),
        # Nothing is differentiated here, and this is the adjoint whose loop is a plain one.
        adjoint=dfx.ForwardMode(),
        max_steps=None,
        throw=False,
    )
    return solution.ys


def _noise(run: Run, path_index: UInt32[Array, " paths"], t1: Array) -> CounterPath:
    """The block's noise; a scalar one has no component axis where consecutive steps can then share their hashes."""
    size = None if run.process.noise_dim == 1 and isinstance(run.solver, MacroEuler) else run.process.noise_dim
    dt = t1 / run.clock.save_steps[-1].astype(t1.dtype)
    law = {"dtype": t1.dtype, "increments": run.increments}
    # `UniformSteps` counts the steps, so that no time is off the grid.
    return CounterPath(0.0, run.clock.t1, dt, run.seed, path_index, size, check_times=False, **law)


def _saveat(run: Run, grid: UniformSteps, moments: Any) -> dfx.SaveAt:
    """Start and end apart, since only times between are found by comparing; these with the controller's arithmetic."""
    between = run.clock.save_steps[1 if run.clock.save_start else 0 : -1]
    return dfx.SaveAt(t0=run.clock.save_start, ts=grid.end(between) if between.size else None, t1=True, fn=moments)
