"""An optimizer and its slow equation on the same noise."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PyTree

from sde_momentum.dynamics import Chain
from sde_momentum.manifold import SlowSDE

State = dict[str, PyTree[Array]]
LEVELS = 3


class SlowVariable(eqx.Module):
    r"""A chain that carries along the combination ℓ·z of its state that moves slowly; state `{"chain": …, "y": …}`.

    The weights are numbers of the process, not of the observables, so that every learning rate runs one program.

    Args:
        chain: the optimizer.
        weights: ℓ, one a state variable, the parameters first.
    """

    chain: Chain
    weights: Array

    @property
    def step_time(self) -> Any:
        """Slow time of one step."""
        return self.chain.step_time

    @property
    def draw(self):
        """What one step consumes."""
        return self.chain.draw

    def init(self, x0: PyTree[ArrayLike]) -> State:
        """The chain at x₀."""
        return self.combined(self.chain.init(x0))

    def step(self, k: ArrayLike, state: State, draw: PyTree[ArrayLike]) -> State:
        """One step of the chain."""
        return self.combined(self.chain.step(k, state["chain"], draw))

    def combined(self, state: State) -> State:
        """The chain's state beside ℓ·z."""
        weigh = lambda *leaves: sum(w.astype(leaf.dtype) * leaf for w, leaf in zip(self.weights, leaves, strict=True))
        return {"chain": state, "y": jax.tree.map(weigh, *(state[name] for name in self.chain.rule.state))}

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return self.chain.describe()


class FollowedOptimizer(eqx.Module):
    r"""A chain with Gaussian noise, and its slow equation driven by dW = −η Σ ξ_k at three solver steps.

    The slow equation moves when the sum over the chain's steps since its last move is due: 4m, 2m and m times over the
    run, so that Richardson's extrapolation removes the first-order bias of Euler's method and the third level measures
    what is left. State `{"chain": …, "y": …, "slow": …, "sum": …}`, the levels on the leading axis.

    Args:
        chain: the optimizer, drawing standard normals, on the clock τ = kη².
        slow: its slow equation.
        steps: number of the chain's steps in the run.
        moves: m.
        start: Φ(x₀).
    """

    chain: SlowVariable
    slow: SlowSDE
    steps: Array
    moves: int = eqx.field(static=True)
    start: PyTree[Array]

    @property
    def step_time(self) -> Any:
        """Slow time of one step, η²."""
        return self.chain.step_time

    @property
    def draw(self):
        """What one step of the chain consumes."""
        return self.chain.draw

    def init(self, x0: PyTree[ArrayLike]) -> State:
        """The chain at x₀, the slow equation at Φ(x₀)."""
        state = self.chain.init(x0)
        zero = jnp.zeros((LEVELS, self.slow.noise_dim), jnp.result_type(*jax.tree.leaves(state)))
        levels = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (LEVELS, *leaf.shape)), self.start)
        return {**state, "slow": levels, "sum": zero}

    def step(self, k: ArrayLike, state: State, draw: Array) -> State:
        """One step of the chain, and the moves of the slow equation that are due."""
        time = jnp.asarray(self.step_time, draw.dtype)
        total = state["sum"] - jnp.sqrt(time) * draw
        # Whole numbers only: the run has `steps` steps, and each level spreads its moves evenly over them.
        moves = self.moves * 2 ** jnp.arange(LEVELS - 1, -1, -1, dtype=jnp.int32)
        k = jnp.asarray(k, jnp.int32)
        number = (k * moves) // self.steps
        due = ((k + 1) * moves) // self.steps > number
        begun = -((-number * self.steps) // moves)
        elapsed = (k + 1 - begun).astype(draw.dtype) * time

        def move(slow: PyTree[Array], noise: Array) -> tuple[PyTree[Array], Array]:
            def one(current, dw, begin, dt, now):
                change = self.slow.increment(begin, {"x": current}, None, dt, dw)["x"]
                moved = jax.tree.map(lambda x, step: jnp.where(now, x + step, x), current, change)
                return moved, jnp.where(now, 0.0, dw)

            return jax.vmap(one)(slow, noise, begun.astype(draw.dtype) * time, elapsed, due)

        # Whenever a coarse level moves, the finest does: one branch, compiled once, serves all three.
        slow, total = jax.lax.cond(due[0], move, lambda *unmoved: unmoved, state["slow"], total)
        return {**self.chain.step(k, state, draw), "slow": slow, "sum": total}

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return {"kind": "chain and slow equation", "chain": self.chain.describe(), "moves": self.moves}


def against_slow(function: Callable[[PyTree[Array]], Array], value: Array, state: State) -> Array:
    """A chain's value minus the extrapolated slow equation's, bias of the extrapolation, and the two values."""
    fine, middle, coarse = jax.lax.map(function, state["slow"])
    best, before = 2 * fine - middle, 2 * middle - coarse
    # The extrapolation has an error of second order: that of the finer one is a third of the difference.
    return jnp.stack([value - best, (best - before) / 3, value, best])
