"""What all blocks of one run share, as one pytree."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree, UInt32

from sde_momentum.ensembles._batching import finite_paths
from sde_momentum.ensembles._block_moments import MomentPlan, Statistics, block_moments
from sde_momentum.ensembles._observables import Observables
from sde_momentum.solvers import AbstractIncrements


class Clock(eqx.Module):
    """The grid of steps. Their number is a number of the compiled program: another step size needs no new compilation.

    Attributes:
        t1: Time of the last save, where the run ends.
        save_steps: Steps after which moments are saved, ascending; the last is the number of steps.
        save_start: Whether the first of them is the start itself.
    """

    t1: float = eqx.field(static=True)
    save_steps: Int[Array, " saves"]
    save_start: bool = eqx.field(static=True)

    def in_steps(self, steps: int) -> "Clock":
        """The same program in fewer steps, for measuring what a step costs; its results mean nothing."""
        return eqx.tree_at(lambda clock: clock.save_steps, self, jnp.minimum(self.save_steps, steps))


class Run(eqx.Module):
    """One run.

    Attributes:
        process: An `SDE` or a `Chain`.
        start: State of one replica.
        seed: Two words.
        num_paths: Size of the ensemble.
        clock: Times.
        observables: What is measured.
        plan: What is accumulated.
        solver: A diffrax solver, or `None` for a chain.
        increments: Law of the noise increments of an SDE; `None` is Gaussian.
        block_size: Paths of one block, the unit of work; part of the configuration since moments are folded over them.
        replica_block: Replicas computed at a time inside a step.
    """

    process: Any
    start: PyTree[Array]
    seed: UInt32[Array, " 2"]
    num_paths: UInt32[Array, ""]
    clock: Clock
    observables: Observables
    plan: MomentPlan
    solver: Any
    increments: AbstractIncrements | None
    block_size: int = eqx.field(static=True)
    replica_block: int | None = eqx.field(static=True)

    def path_index(self, first: UInt32[Array, ""]) -> UInt32[Array, " paths"]:
        """Global indices of a block's paths."""
        return first + jnp.arange(self.block_size, dtype=jnp.uint32)

    def measure(self, state: PyTree[Array], path_index: UInt32[Array, " paths"]) -> Statistics:
        """Moments of a block, leaving out the padding after the last path."""
        present: Bool[Array, " paths"] = path_index < self.num_paths
        return block_moments(self.plan, self.observables(state), finite_paths(state), present)
