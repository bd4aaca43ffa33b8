"""One optimizer under the noise of the problem and under its Gaussian twin."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, ArrayLike, PyTree

from sde_momentum.dynamics import Chain
from sde_momentum.problems import AbstractDraw


class BothDraws(AbstractDraw):
    """One step's draw of the data and one of the Gaussian twin, independent: they read different streams.

    Args:
        data: of the problem itself.
        gaussian: of its Gaussian twin.
    """

    data: AbstractDraw
    gaussian: AbstractDraw

    leading_cumulant = 3
    independent_steps = True

    @property
    def size(self) -> int:
        """Random components of both."""
        return self.data.size + self.gaussian.size

    @property
    def stream(self) -> None:
        """Each draw has its own."""
        return None

    @property
    def finite_moments(self) -> float:
        """Those of the draw with fewer."""
        return min(self.data.finite_moments, self.gaussian.finite_moments)

    def sample(self, seed: ArrayLike, path_index: Array, step: ArrayLike) -> PyTree[Array]:
        """Both draws for a batch of paths."""
        return {name: getattr(self, name).sample(seed, path_index, step) for name in ("data", "gaussian")}


class NoisePair(eqx.Module):
    """One optimizer under the noise of the problem and under Gaussian noise of the same covariance.

    Where the problem's noise is a function of normals (`driven_by_normals`), both see the same normals. Minibatches of
    several parameters are independent of the Gaussian noise: no map of a vector of normals has their law and is near
    the identity at every x.

    Args:
        data: the optimizer on the problem, or on the problem driven by normals.
        gaussian: the optimizer on the problem's Gaussian twin.
    """

    data: Chain
    gaussian: Chain

    @property
    def step_time(self) -> Any:
        """Time per step."""
        return self.data.step_time

    @property
    def shares_normals(self) -> bool:
        """Whether both see one draw."""
        return self.data.draw == self.gaussian.draw

    @property
    def draw(self) -> AbstractDraw:
        """What one step of both consumes."""
        return self.gaussian.draw if self.shares_normals else BothDraws(self.data.draw, self.gaussian.draw)

    def init(self, x0: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return both states from the same parameters."""
        return {"data": self.data.init(x0), "gaussian": self.gaussian.init(x0)}

    def step(self, k: ArrayLike, state: PyTree[Array], draw: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return both next states."""
        draws: Any = {"data": draw, "gaussian": draw} if self.shares_normals else draw
        return {name: getattr(self, name).step(k, state[name], draws[name]) for name in ("data", "gaussian")}

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return {"kind": "minibatch and Gaussian noise", "data": self.data.describe()}
