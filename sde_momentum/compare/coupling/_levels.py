"""Two successive learning rates on one Brownian path."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.compare.coupling._paired import CoupledLimit
from sde_momentum.problems import NormalDraw

State = PyTree[Array]


class CoupledLevels(eqx.Module):
    r"""An optimizer and its limit at learning rates η and η/2, all on one Brownian path.

    One step is one optimizer step at η and two at η/2, so that differences of differences have small variance. Where
    the limit does not depend on the learning rate it is left out: it cancels. State `{"coarse": …, "fine": …}`.

    Args:
        coarse: optimizer and limit at η.
        fine: the same at η/2.
        with_limit: whether the limits are integrated too.

    Raises:
        ValueError: the time per step of `coarse` is not twice that of `fine`.
    """

    coarse: CoupledLimit
    fine: CoupledLimit
    with_limit: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        ratio = float(self.coarse.step_time) / float(self.fine.step_time)
        if abs(ratio - 2) > 1e-9:
            raise ValueError(
                f"successive levels must halve the time per step, got a ratio of {ratio:.6g}: choose learning rates "
                "η, η/2, η/4, … (η, η/√2, … on a clock kη²)."
            )

    @property
    def step_time(self) -> Any:
        """Time per step of the larger learning rate."""
        return self.coarse.step_time

    @property
    def draw(self) -> NormalDraw:
        """The increments of two steps at the smaller learning rate."""
        inner = self.fine.draw if self.with_limit else self.fine.chain.draw
        return NormalDraw(2 * inner.size, inner.dtype, inner.stream)

    def init(self, x0: PyTree[ArrayLike]) -> State:
        """Return the states of both levels from the same parameters."""
        levels = (("coarse", self.coarse), ("fine", self.fine))
        return {name: level.init(x0) if self.with_limit else {"chain": level.chain.init(x0)} for name, level in levels}

    def step(self, k: ArrayLike, state: State, draw: Float[Array, " size"]) -> State:
        """Return the next states."""
        # A limit may have more noises than the optimizer draws numbers.
        width = self.fine.sde.noise_dim if self.with_limit else self.fine.chain.draw.size
        normals = draw.reshape(-1, width)
        shared = normals.reshape(-1, 2, width).sum(axis=1) / jnp.sqrt(2.0).astype(normals.dtype)
        halves = normals.reshape(2, -1, width)
        move = self._move if self.with_limit else self._move_chain
        coarse = move(self.coarse, k, state["coarse"], shared)
        fine = move(self.fine, 2 * k, state["fine"], halves[0])
        return {"coarse": coarse, "fine": move(self.fine, 2 * k + 1, fine, halves[1])}

    @staticmethod
    def _move(level: CoupledLimit, k: ArrayLike, state: State, normals: Array) -> State:
        return level.step(k, state, normals.ravel())

    @staticmethod
    def _move_chain(level: CoupledLimit, k: ArrayLike, state: State, normals: Array) -> State:
        return {"chain": level.chain.step(k, state["chain"], normals[0])}

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return {"kind": "two levels", "coarse": self.coarse.describe(), "fine": self.fine.describe()}
