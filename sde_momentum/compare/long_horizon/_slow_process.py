"""Optimizers on the slow clock, alone and followed by their slow equation on the same noise."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, PyTree

from sde_momentum.dynamics import Chain
from sde_momentum.manifold import AdamSlowSDE, SlowSDE, flow_projection

State = dict[str, Any]
LEVELS = 3


class LinearIterates(eqx.Module):
    r"""A linear rule as its matrices, $z' = A z + b\,g(q\cdot z)$, with the combination $y = \ell\cdot z$ that is slow.

    All numbers are arrays, and rules with fewer variables are padded: one program serves every linear rule at every
    learning rate. State `{"z": (z_1, …), "y": …}`, the parameters first.

    Args:
        problem: loss and noise.
        transition: A, (n, n).
        response: b, (n,).
        look: q, (n,).
        weights: ℓ, (n,).
        begin: (n,), start of every variable as a multiple of x₀.
        step_time: slow time of one step.
    """

    problem: Any
    transition: Array
    response: Array
    look: Array
    weights: Array
    begin: Array
    step_time: Array

    @property
    def draw(self) -> Any:
        """What one step consumes."""
        return self.problem.draw

    def init(self, x0: PyTree[ArrayLike]) -> State:
        """Every variable at its multiple of x₀."""
        x = jax.tree.map(jnp.asarray, x0)
        return self._with_slow(
            tuple(jax.tree.map(lambda leaf, w=w: w.astype(leaf.dtype) * leaf, x) for w in self.begin)
        )

    def step(self, k: ArrayLike, state: State, draw: PyTree[ArrayLike]) -> State:
        """One step of the rule."""
        z = state["z"]
        gradient = self.problem.stochastic_gradient(_combined(self.look, z), draw, 1)
        rows = [jnp.append(row, b) for row, b in zip(self.transition, self.response, strict=True)]
        return self._with_slow(tuple(_combined(row, (*z, gradient)) for row in rows))

    def _with_slow(self, z: tuple[PyTree[Array], ...]) -> State:
        return {"z": z, "y": _combined(self.weights, z)}

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        names = ("transition", "response", "look", "weights", "begin", "step_time")
        return {"kind": "linear rule"} | {name: np.asarray(getattr(self, name)).tolist() for name in names}


def _combined(weights: Array, parts: tuple[PyTree[Array], ...]) -> PyTree[Array]:
    # Written out, not a product of matrices: it fuses with the step.
    add = lambda *leaves: sum(w.astype(leaf.dtype) * leaf for w, leaf in zip(weights, leaves, strict=True))
    return jax.tree.map(add, *parts)


class LinearFoot(eqx.Module):
    """Where the iterates of a linear rule stand on Γ: Φ of their slow combination, the problem's own Φ if it has one.

    Args:
        problem: loss, with or without `limit_map`.
        codimension: number of normal directions, when known.
    """

    problem: Any
    codimension: int | None = eqx.field(static=True)

    def parameters(self, state: State) -> PyTree[Array]:
        """The parameters themselves."""
        return state["z"][0]

    def __call__(self, state: State) -> PyTree[Array]:
        """Φ(y)."""
        own = getattr(self.problem, "limit_map", None)
        if own is not None:
            return own(state["y"])
        flat, unravel = ravel_pytree(state["y"])
        loss = lambda z: self.problem.loss(unravel(z))
        return unravel(flow_projection(loss, flat, codimension=self.codimension))


class AdaptiveIterates(eqx.Module):
    """Adam or RMSProp; without bias correction the second moments start at diag Σ, where training brings them.

    Args:
        chain: the optimizer on the slow clock.
        second: name of its second moments.
        counter: name of its counter of steps, with bias correction.
    """

    chain: Chain
    second: str = eqx.field(static=True)
    counter: str | None = eqx.field(static=True)

    @property
    def step_time(self) -> Any:
        """Slow time of one step."""
        return self.chain.step_time

    @property
    def draw(self) -> Any:
        """What one step consumes."""
        return self.chain.draw

    def init(self, x0: PyTree[ArrayLike]) -> State:
        """The chain at x₀."""
        state = self.chain.init(x0)
        if self.counter is not None:
            return {"chain": state}
        x, unravel = ravel_pytree(state[self.chain.rule.state[0]])
        return {"chain": {**state, self.second: unravel(jnp.diag(self.chain.problem.covariance(unravel(x))))}}

    def step(self, k: ArrayLike, state: State, draw: PyTree[ArrayLike]) -> State:
        """One step of the chain."""
        return {"chain": self.chain.step(k, state["chain"], draw)}

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return self.chain.describe()


class AdaptiveFoot(eqx.Module):
    """Where the iterates of an adaptive rule stand on Γ: Φ_S(x) with the preconditioner of the moment.

    Args:
        slow: the slow equation, which knows Φ_S.
        iterates: the process.
    """

    slow: AdamSlowSDE
    iterates: AdaptiveIterates

    def parameters(self, state: State) -> PyTree[Array]:
        """The parameters themselves."""
        return state["chain"][self.iterates.chain.rule.state[0]]

    def __call__(self, state: State) -> PyTree[Array]:
        """Φ_S(x)."""
        inner, counter = state["chain"], self.iterates.counter
        steps = 0.0 if counter is None else ravel_pytree(inner[counter])[0][0]
        time = steps * self.iterates.step_time
        return self.slow.project(time, {"x": self.parameters(state), "v": inner[self.iterates.second]})["x"]


class FollowedOptimizer(eqx.Module):
    r"""An optimizer with Gaussian noise, and its slow equation driven by dW = −η Σ ξ_k at three solver steps.

    The slow equation moves when the sum over the optimizer's steps since its last move is due: 4m, 2m and m times over
    the run, so that Richardson's extrapolation removes the first-order bias of Euler's method and the third level
    measures what is left. State: that of the iterates, with `"slow"` and `"sum"`, the levels on the leading axis.

    Args:
        iterates: the optimizer, drawing standard normals, on the clock τ = kη².
        slow: its slow equation.
        steps: number of the optimizer's steps in the run.
        moves: m.
        start: state of the slow equation at Φ(x₀).
    """

    iterates: LinearIterates | AdaptiveIterates
    slow: SlowSDE | AdamSlowSDE
    steps: Array
    moves: int = eqx.field(static=True)
    start: dict[str, PyTree[Array]]

    @property
    def step_time(self) -> Any:
        """Slow time of one step, η²."""
        return self.iterates.step_time

    @property
    def draw(self) -> Any:
        """What one step of the optimizer consumes."""
        return self.iterates.draw

    def init(self, x0: PyTree[ArrayLike]) -> State:
        """The optimizer at x₀, the slow equation at Φ(x₀)."""
        state = self.iterates.init(x0)
        zero = jnp.zeros((LEVELS, self.slow.noise_dim), jnp.result_type(*jax.tree.leaves(self.start)))
        levels = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (LEVELS, *leaf.shape)), self.start)
        return {**state, "slow": levels, "sum": zero}

    def step(self, k: ArrayLike, state: State, draw: Array) -> State:
        """One step of the optimizer, and the moves of the slow equation that are due."""
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
                change = self.slow.increment(begin, current, None, dt, dw)
                moved = jax.tree.map(lambda x, step: jnp.where(now, x + step, x), current, change)
                return moved, jnp.where(now, 0.0, dw)

            return jax.vmap(one)(slow, noise, begun.astype(draw.dtype) * time, elapsed, due)

        # Whenever a coarse level moves, the finest does: one branch, compiled once, serves all three.
        slow, total = jax.lax.cond(due[0], move, lambda *unmoved: unmoved, state["slow"], total)
        own = {name: value for name, value in state.items() if name not in ("slow", "sum")}
        return {**self.iterates.step(k, own, draw), "slow": slow, "sum": total}

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return {"kind": "optimizer and slow equation", "optimizer": self.iterates.describe(), "moves": self.moves}


def against_slow(function: Callable[[PyTree[Array]], Array], value: Array, state: State) -> Array:
    """An optimizer's value minus the extrapolated slow equation's, bias of the extrapolation, and the two values."""
    fine, middle, coarse = jax.lax.map(function, state["slow"]["x"])
    best, before = 2 * fine - middle, 2 * middle - coarse
    # The extrapolation has an error of second order: that of the finer one is a third of the difference.
    return jnp.stack([value - best, (best - before) / 3, value, best])
