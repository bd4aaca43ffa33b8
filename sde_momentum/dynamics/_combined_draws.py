"""A problem whose stochastic gradient combines two independent draws, as SVAG's does."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.problems import AbstractProblem
from sde_momentum.problems._base import combine
from sde_momentum.problems._svag import PairDraw
from sde_momentum.problems._wrapped import AbstractWrapped


class CombinedDraws(AbstractWrapped):
    r"""The stochastic gradient $w_1 g_1 + w_2 g_2$ of two independent draws, with $w_1 + w_2 = 1$.

    Attributes:
        problem: the problem of one draw.
        weights: numbers w₁, w₂.
    """

    problem: AbstractProblem
    weights: tuple[ArrayLike, ArrayLike]

    @property
    def draw(self) -> PairDraw:
        """Two independent draws of the inner problem."""
        return PairDraw(self.problem.draw)

    @property
    def leading_cumulant(self) -> int | None:
        """Order of the lowest cumulant beyond the covariance, the inner problem's."""
        return self.problem.leading_cumulant

    def noise_product(self, x: PyTree[ArrayLike], w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return √(w₁² + w₂²) times the inner S(x) w."""
        return self.problem.noise_product(x, self._scaled(w))

    def weighted_gradient(self, x: PyTree[ArrayLike], a: ArrayLike, w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return a ∇L(x) + S(x) w with the S of the combination."""
        return self.problem.weighted_gradient(x, a, self._scaled(w))

    def factor(self, x: PyTree[ArrayLike]) -> Float[Array, "dimension noise_dim"]:
        """Return the dense S(x) of the combination."""
        return self._scaled(self.problem.factor(x))

    def stochastic_gradient(
        self, x: PyTree[ArrayLike], draw: tuple[PyTree, PyTree], noise_scale: ArrayLike = 1.0
    ) -> PyTree[Array]:
        """Return w₁ g(draw₁) + w₂ g(draw₂), each with noise scale σ."""
        first, second = (self.problem.stochastic_gradient(x, single, noise_scale) for single in draw)
        return combine(self.weights[0], first, self.weights[1], second)

    def _scaled(self, w: ArrayLike) -> Array:
        w = jnp.asarray(w)
        return jnp.hypot(*self.weights).astype(w.dtype) * w
