"""SVAG: the same mean gradient with amplified noise, to follow an optimizer towards its diffusion limit."""

import dataclasses
import math
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from sde_momentum.problems._base import AbstractProblem, combine
from sde_momentum.problems._check import check_count
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


class Svag(AbstractWrapped):
    r"""Stochastic variance amplified gradient. Built by `svag`, which describes the arguments.

    Attributes:
        problem: The problem at ℓ = 1.
        ell: Amplification ℓ.
        adaptive: Whether the scaling is that of adaptive methods.
    """

    problem: AbstractProblem
    ell: int = eqx.field(static=True)
    adaptive: bool = eqx.field(static=True)

    @property
    def draw(self) -> PairDraw:
        """Two independent draws of the inner problem."""
        return PairDraw(self.problem.draw)

    @property
    def leading_cumulant(self) -> int | None:
        """Order of the lowest cumulant beyond the covariance, the inner problem's."""
        return self.problem.leading_cumulant

    @property
    def covariance_scale(self) -> int:
        """Factor on the noise covariance: ℓ, or ℓ² for adaptive methods."""
        return self.ell**2 if self.adaptive else self.ell

    @property
    def learning_rate_scale(self) -> float:
        """Factor that the learning rate must get: 1/ℓ."""
        return 1.0 / self.ell

    @property
    def steps_scale(self) -> int:
        """Factor on the number of steps over the same time: ℓ, or ℓ² for adaptive methods."""
        return self.ell**2 if self.adaptive else self.ell

    @property
    def mixing(self) -> tuple[float, float]:
        """The pair r± = (1 ± √(2 covariance_scale − 1))/2, with r₊ + r₋ = 1."""
        root = math.sqrt(2 * self.covariance_scale - 1)
        return (1 + root) / 2, (1 - root) / 2

    def noise_product(self, x: PyTree[ArrayLike], w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return √(covariance_scale) times the inner S(x) w."""
        return self.problem.noise_product(x, self._amplify(w))

    def weighted_gradient(self, x: PyTree[ArrayLike], a: ArrayLike, w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return a ∇L(x) + S(x) w with the amplified S."""
        return self.problem.weighted_gradient(x, a, self._amplify(w))

    def factor(self, x: PyTree[ArrayLike]) -> Float[Array, "dimension noise_dim"]:
        """Return the amplified dense S(x)."""
        return self._amplify(self.problem.factor(x))

    def stochastic_gradient(
        self, x: PyTree[ArrayLike], draw: tuple[PyTree, PyTree], noise_scale: ArrayLike = 1.0
    ) -> PyTree[Array]:
        """Return r₊ g(draw₁) + r₋ g(draw₂), each with noise scale σ."""
        first, second = (self.problem.stochastic_gradient(x, single, noise_scale) for single in draw)
        return combine(self.mixing[0], first, self.mixing[1], second)

    def _amplify(self, w: ArrayLike) -> Array:
        return math.sqrt(self.covariance_scale) * jnp.asarray(w)


def svag(problem: AbstractProblem, ell: int, adaptive: bool = False) -> Svag:
    r"""Amplify a problem's gradient noise by SVAG: ĝ = r₊ g₁ + r₋ g₂ from two independent draws.

    With r± = (1 ± √(2ℓ − 1))/2 the mean is kept and the covariance is multiplied by ℓ; run ℓ times as many steps with
    learning rate η/ℓ and the same momentum. For adaptive methods r± = (1 ± √(2ℓ² − 1))/2, covariance times ℓ²,
    ℓ² times as many steps with learning rate η/ℓ, 1 − β divided by ℓ². The limit equation is the same for every ℓ.

    Args:
        problem: Any problem with independent steps.
        ell: ℓ ≥ 1; 1 leaves the problem's law unchanged.
        adaptive: Whether to use the scaling of adaptive methods.

    Returns:
        The amplified problem; `learning_rate_scale` and `steps_scale` say what the run must change.

    Raises:
        ValueError: If ℓ is not a positive whole number, or steps are dependent.

    Example:
        >>> from sde_momentum import problems
        >>> amplified = svag(problems.quadratic(1.0, noise=2.0), ell=4)
        >>> float(amplified.covariance(0.0)[0, 0]), amplified.learning_rate_scale
        (16.0, 0.25)

    References:
        Z. Li, S. Malladi, S. Arora, On the validity of modeling SGD with stochastic differential equations, 2021;
        S. Malladi, K. Lyu, A. Panigrahi, S. Arora, On the SDEs and scaling rules for adaptive gradient algorithms,
        2022.
    """
    PairDraw(problem.draw)
    return Svag(problem, check_count(ell, "ell"), bool(adaptive))
