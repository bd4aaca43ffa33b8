"""One block of an SDE, in one diffrax solve."""

from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree, UInt32

from sde_momentum.ensembles._batched_terms import FusedTerm, separate_terms
from sde_momentum.ensembles._batching import broadcast_state
from sde_momentum.ensembles._block_moments import Statistics
from sde_momentum.ensembles._run import Run
from sde_momentum.solvers import CounterPath


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
    clock, dtype = run.clock, jax.tree.leaves(start)[0].dtype
    steps = clock.save_steps[-1]
    t1 = clock.dt * steps.astype(dtype)
    noise = CounterPath(0.0, t1, clock.dt, run.seed, path_index, run.process.noise_dim, dtype=dtype)

    def moments(t: Array, y: PyTree[Array], args: Any) -> Statistics:
        return run.measure(y, path_index)

    solution = dfx.diffeqsolve(
        terms(run, noise),
        run.solver,
        jnp.zeros((), dtype),
        t1,
        _first_step(t1, steps),
        start,
        saveat=_saveat(run, t1, moments),
        # Nothing is differentiated here, and this is the adjoint whose loop is a plain one.
        adjoint=dfx.ForwardMode(),
        max_steps=None,
        throw=False,
    )
    return solution.ys


def terms(run: Run, noise: CounterPath) -> dfx.AbstractTerm:
    """The terms that the solver of the run takes: one where it can do with one."""
    if type(run.solver) is dfx.Euler:
        return FusedTerm(run.process, noise, run.clock.dt, run.replica_block)
    return separate_terms(run.process, noise, run.replica_block)


def _first_step(t1: Array, steps: Array) -> Array:
    """A step that diffrax's controller, which counts ⌈t1 / dt⌉ steps, takes for the right number of them.

    It takes t1 / n for every other step; a few units in the last place keep rounding from adding a step.
    """
    return t1 / steps.astype(t1.dtype) * (1 + 4 * jnp.finfo(t1.dtype).eps)


def _saveat(run: Run, t1: Array, moments: Any) -> dfx.SaveAt:
    """Start and end apart, since only times between are found by comparing; these with the controller's arithmetic."""
    between = run.clock.save_steps[1 if run.clock.save_start else 0 : -1]
    ts = t1 * (between.astype(t1.dtype) / run.clock.save_steps[-1].astype(t1.dtype)) if between.size else None
    return dfx.SaveAt(t0=run.clock.save_start, ts=ts, t1=True, fn=moments)
