"""What every problem that changes only the noise of another one shares."""

import equinox as eqx
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.problems._base import AbstractProblem


class AbstractWrapped(AbstractProblem):
    """A problem with the loss of another problem and noise of its own.

    Attributes:
        problem: The inner problem.
    """

    problem: eqx.AbstractVar[AbstractProblem]

    @property
    def noise_dim(self) -> int:
        """Number of columns of the factor S, the inner problem's."""
        return self.problem.noise_dim

    def initial(self, seed: int = 0) -> PyTree[Array]:
        """Return the inner problem's starting parameters."""
        return self.problem.initial(seed)

    def loss(self, x: PyTree[ArrayLike]) -> Float[Array, ""]:
        """Return the inner problem's loss."""
        return self.problem.loss(x)

    def gradient(self, x: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return the inner problem's gradient."""
        return self.problem.gradient(x)
