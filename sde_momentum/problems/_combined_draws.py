"""Stochastic gradients that combine two independent draws, as SVAG's do."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from sde_momentum.problems._base import AbstractProblem, combine
from sde_momentum.problems._draw import AbstractDraw
from sde_momentum.problems._wrapped import AbstractWrapped
from sde_momentum.solvers import Stream


class PairDraw(AbstractDraw):
    """Two independent draws of one kind, as a tuple; the second one reads `Stream.SECOND_DRAW`.

    Args:
        single: The draw that is made twice.

    Raises:
        ValueError: If steps of `single` are not independent, or it reads the second stream already.
    """

    single: AbstractDraw

    independent_steps: ClassVar[bool] = True

    def __check_init__(self):
        if not self.single.independent_steps:
            raise ValueError(
                "SVAG needs two independent draws a step, but reshuffled epochs make successive batches dependent: "
                "pass replacement=True or reshuffle=False."
            )
        if self.single.stream == Stream.SECOND_DRAW:
            raise ValueError("SVAG cannot be applied twice: amplify the original problem by the product of both ell.")

    @property
    def stream(self) -> int:
        """The stream of the second draw."""
        return Stream.SECOND_DRAW

    @property
    def size(self) -> int:
        """Number of random components per step, both draws together."""
        return 2 * self.single.size

    @property
    def leading_cumulant(self) -> int | None:
        """Order of the lowest cumulant beyond the covariance, that of one draw."""
        return self.single.leading_cumulant

    @property
    def finite_moments(self) -> float:
        """Moments of order below this number exist."""
        return self.single.finite_moments

    def sample(self, seed: ArrayLike, path_index: Int[Array, " paths"], step: ArrayLike) -> PyTree[Array]:
        """Draw the pair; every leaf carries the paths as its last axis."""
        second = dataclasses.replace(self.single, stream=Stream.SECOND_DRAW)
        return tuple(draw.sample(seed, path_index, step) for draw in (self.single, second))


class AbstractCombinedDraws(AbstractWrapped):
    r"""The stochastic gradient $w_1 g_1 + w_2 g_2$ of two independent draws: covariance times $w_1^2 + w_2^2$.

    Attributes:
        problem: The problem of one draw.
        weights: Numbers w₁, w₂ with w₁ + w₂ = 1, so that the mean is kept.
    """

    weights: eqx.AbstractVar[tuple[ArrayLike, ArrayLike]]

    def __check_init__(self):
        # Refuse draws of which there cannot be two when the problem is made, not when it first runs.
        _ = self.draw

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


class CombinedDraws(AbstractCombinedDraws):
    r"""A problem whose stochastic gradient is $w_1 g_1 + w_2 g_2$ with given weights.

    Attributes:
        problem: The problem of one draw.
        weights: Numbers w₁, w₂ with w₁ + w₂ = 1.
    """

    problem: AbstractProblem
    weights: tuple[ArrayLike, ArrayLike]
