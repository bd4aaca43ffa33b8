"""What all blocks of one run share, as one pytree."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree, UInt32

from sde_momentum.ensembles._batching import finite_paths
from sde_momentum.ensembles._block_moments import MomentPlan, Statistics, block_moments
from sde_momentum.ensembles._observables import Observables


class Clock(eqx.Module):
    """The grid of steps as numbers of the compiled program: another step size needs no new compilation.

    Attributes:
        dt: Time per step, in the dtype of the state.
        save_steps: Steps after which moments are saved, ascending; the run ends with the last.
        save_start: Whether the first of them is the start itself.
    """

    dt: Float[Array, ""]
    save_steps: Int[Array, " saves"]
    save_start: bool = eqx.field(static=True)

    def stop_after(self, steps: int) -> "Clock":
        """The same program cut short, for measuring what a step costs."""
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
    block_size: int = eqx.field(static=True)
    replica_block: int | None = eqx.field(static=True)

    def path_index(self, first: UInt32[Array, ""]) -> UInt32[Array, " paths"]:
        """Global indices of a block's paths."""
        return first + jnp.arange(self.block_size, dtype=jnp.uint32)

    def measure(self, state: PyTree[Array], path_index: UInt32[Array, " paths"]) -> Statistics:
        """Moments of a block, leaving out the padding after the last path."""
        present: Bool[Array, " paths"] = path_index < self.num_paths
        return block_moments(self.plan, self.observables(state), finite_paths(state), present)
