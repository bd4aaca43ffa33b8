"""Processes that share their noise: two optimizers, or an optimizer and its limit.

Both satisfy the protocol of a chain, so the ensemble runner takes them like any other; observables of the joint state
are differences, whose variance is orders of magnitude below that of independent runs.
"""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.dynamics import SDE, Chain
from sde_momentum.problems import NormalDraw
from sde_momentum.solvers import FusedTerm

State = PyTree[Array]


class PairedChains(eqx.Module):
    """Two optimizers on one problem that see the same draw at every step; state `{"first": …, "second": …}`.

    Args:
        first: an optimizer.
        second: another, with the same problem and time per step.

    Raises:
        ValueError: the clocks or the draws differ.

    Example:
        >>> from sde_momentum import optimizers, problems
        >>> from sde_momentum.dynamics import chain
        >>> problem = problems.double_well()
        >>> first = chain(optimizers.sgd(), problem, learning_rate=0.1)
        >>> pair = PairedChains(first, chain(optimizers.sgdm(), problem, learning_rate=0.1, momentum=0.9))
        >>> sorted(pair.init(0.5))
        ['first', 'second']
    """

    first: Chain
    second: Chain

    def __check_init__(self):
        if float(self.first.step_time) != float(self.second.step_time):
            raise ValueError(
                f"paired chains must share the time per step, got {float(self.first.step_time)} and "
                f"{float(self.second.step_time)}: choose learning rates that give one clock."
            )
        if self.first.draw != self.second.draw:
            raise ValueError("paired chains must consume the same draw: give both the same problem.")

    @property
    def step_time(self) -> Any:
        """Time per step."""
        return self.first.step_time

    @property
    def draw(self):
        """What one step consumes."""
        return self.first.draw

    def init(self, x0: PyTree[ArrayLike]) -> State:
        """Return both states from the same parameters."""
        return {"first": self.first.init(x0), "second": self.second.init(x0)}

    def step(self, k: ArrayLike, state: State, draw: PyTree[ArrayLike]) -> State:
        """Return both next states, from one draw."""
        return {name: getattr(self, name).step(k, state[name], draw) for name in ("first", "second")}

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return {"kind": "paired chains", "first": self.first.describe(), "second": self.second.describe()}


class CoupledLimit(eqx.Module):
    r"""An optimizer with Gaussian noise, and its limit driven by the same Brownian path at two solver steps.

    Over one optimizer step of length h the path has 2m increments; the chain consumes $\xi = \Delta W/\sqrt h$, the
    fine solution uses 2m solver steps and the coarse one m, so that the solver's bias is measured on the same paths.
    State `{"chain": …, "fine": …, "coarse": …}`.

    Args:
        chain: the optimizer; its problem draws standard normals.
        sde: the limit.
        solver: a diffrax solver for Itô equations that takes a fused term, such as `SmallNoise`.
        substeps: m, solver steps of the coarse solution in one optimizer step.
        orientation: −1 where the limit's noise enters with the sign opposite to the optimizer's (W and −W have one law,
            but only one of them is the optimizer's noise); `orientation_of` finds it.
    """

    chain: Chain
    sde: SDE
    solver: dfx.AbstractSolver
    substeps: int = eqx.field(static=True)
    orientation: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        if not isinstance(self.chain.draw, NormalDraw):
            raise ValueError("the coupled chain must have Gaussian noise; pass `problem.gaussian()`.")
        if float(self.chain.step_time) != float(self.sde.step_time):
            raise ValueError(
                f"rule and limit run on different clocks: {float(self.chain.step_time)} and "
                f"{float(self.sde.step_time)} time units a step; derive the limit under the regime of the chain."
            )

    @property
    def step_time(self) -> Any:
        """Time per step of the optimizer."""
        return self.chain.step_time

    @property
    def draw(self) -> NormalDraw:
        """All increments of one optimizer step."""
        inner = self.chain.draw
        return NormalDraw(2 * self.substeps * self.sde.noise_dim, inner.dtype, inner.stream)

    def init(self, x0: PyTree[ArrayLike]) -> State:
        """Return the three states from the same parameters."""
        return {"chain": self.chain.init(x0), "fine": self.sde.init(x0), "coarse": self.sde.init(x0)}

    def step(self, k: ArrayLike, state: State, draw: Float[Array, " size"]) -> State:
        """Return the three next states."""
        normals = draw.reshape(2 * self.substeps, -1)
        h = jnp.asarray(self.step_time, normals.dtype)
        own = normals[:, : self.chain.draw.size]  # a limit with noise of squared gradients has further components
        shared = self.orientation * jnp.sum(own, axis=0) / jnp.sqrt(2.0 * self.substeps).astype(normals.dtype)
        begin = jnp.asarray(k, normals.dtype) * h
        fine = normals * jnp.sqrt(h / (2 * self.substeps))
        coarse = fine.reshape(self.substeps, 2, -1).sum(axis=1)
        return {
            "chain": self.chain.step(k, state["chain"], shared),
            "fine": self._solve(state["fine"], fine, h, begin),
            "coarse": self._solve(state["coarse"], coarse, h, begin),
        }

    def _solve(self, state: State, increments: Float[Array, "steps noise_dim"], h: Array, begin: Array) -> State:
        """Solver steps over the optimizer step that begins at a time."""
        dt = h / increments.shape[0]

        def one(current: State, given: tuple[Array, Array]) -> tuple[State, None]:
            dw, start = given
            # Local time from zero: dt as a difference of late times would lose digits.
            zero, later = jnp.zeros_like(dt), lambda t, y, args, dt, dw: self.sde.increment(start + t, y, args, dt, dw)
            term = FusedTerm(later, _Given(dw, zero, dt))
            solver_state = self.solver.init(term, zero, dt, current, None)
            new, *_ = self.solver.step(term, zero, dt, current, None, solver_state, made_jump=False)
            return jax.tree.map(lambda a, b: a.astype(b.dtype), new, current), None

        times = begin + dt * jnp.arange(increments.shape[0], dtype=dt.dtype)
        return jax.lax.scan(one, state, (increments, times))[0]

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return {
            "kind": "chain coupled with its limit",
            "chain": self.chain.describe(),
            "sde": self.sde.describe(),
            "solver": repr(self.solver),
            "substeps": self.substeps,
        }


def orientation_of(chain: Chain, sde: SDE, x0: PyTree[ArrayLike]) -> float:
    """The sign with which the optimizer's noise enters the variables that the limit describes, relative to the limit's.

    Args:
        chain: the optimizer, with Gaussian noise.
        sde: its limit.
        x0: parameters at which the two responses to one draw are compared.
    """
    weights = jnp.ones(sde.noise_dim) / jnp.arange(1, sde.noise_dim + 1)
    state = chain.init(x0)
    own = weights[: chain.draw.size]
    moved, still = chain.step(0, state, own), chain.step(0, state, jnp.zeros_like(own))
    noise = sde.noise_product(0.0, sde.init(x0), None, weights)
    products = [
        jax.tree.map(lambda a, b, c: jnp.sum((a - b) * c), moved[name], still[name], noise[name]) for name in noise
    ]
    return -1.0 if float(jax.tree.reduce(jnp.add, products)) < 0 else 1.0


class _Given(dfx.AbstractPath):
    """A path known over one interval only: its increment is given."""

    increment: Array
    t0: Any
    t1: Any

    def evaluate(self, t0, t1=None, left=True, use_levy=False):
        """The increment, whatever the times: the solver takes exactly one step."""
        del t0, t1, left, use_levy
        return self.increment
