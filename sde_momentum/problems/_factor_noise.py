"""Noise ξ = S(x) z of a problem's own covariance with another shape."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.problems._base import AbstractProblem
from sde_momentum.problems._draw import AbstractStandardDraw
from sde_momentum.problems._wrapped import AbstractWrapped


class FactorNoise(AbstractWrapped):
    r"""A problem whose gradient noise is ξ = S(x) z with standardized z instead of its own law.

    The covariance Σ = S Sᵀ is the inner problem's; skewness and higher cumulants come from `draw`. With a normal draw
    this is the Gaussian twin that a diffusion limit can be coupled to: z is then ΔW/√η.

    Args:
        problem: The problem that supplies L and S.
        draw: Law of z, with `draw.size == problem.noise_dim`.

    Raises:
        ValueError: If the draw is not standardized or has the wrong size.

    Example:
        >>> from sde_momentum import problems
        >>> signs = problems.double_well().with_noise(problems.SignDraw(1))
        >>> signs.leading_cumulant
        4
    """

    problem: AbstractProblem
    draw: AbstractStandardDraw

    def __check_init__(self):
        check_standard(self.draw, self.problem.noise_dim)

    @property
    def leading_cumulant(self) -> int | None:
        """Order of the lowest cumulant beyond the covariance, that of the draw."""
        return self.draw.leading_cumulant

    def noise_product(self, x: PyTree[ArrayLike], w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return the inner problem's S(x) w."""
        return self.problem.noise_product(x, w)

    def weighted_gradient(self, x: PyTree[ArrayLike], a: ArrayLike, w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return the inner problem's a ∇L + S w."""
        return self.problem.weighted_gradient(x, a, w)

    def factor(self, x: PyTree[ArrayLike]) -> Float[Array, "dimension noise_dim"]:
        """Return the inner problem's dense S(x)."""
        return self.problem.factor(x)

    def stochastic_gradient(
        self, x: PyTree[ArrayLike], draw: Float[ArrayLike, " noise_dim"], noise_scale: ArrayLike = 1.0
    ) -> PyTree[Array]:
        """Return ∇L(x) + σ S(x) z."""
        return self.problem.weighted_gradient(x, 1.0, noise_scale * jnp.asarray(draw))

    def with_noise(self, draw: AbstractStandardDraw) -> "FactorNoise":
        """Return the inner problem with another draw."""
        return FactorNoise(self.problem, draw)


def check_standard(draw: AbstractStandardDraw, noise_dim: int) -> None:
    """Refuse draws that would change the covariance."""
    if not isinstance(draw, AbstractStandardDraw):
        raise ValueError(
            f"draw must have mean 0 and unit covariance, but is {draw!r}: use NormalDraw, SignDraw, SkewedDraw or "
            "StudentDraw."
        )
    if draw.size != noise_dim:
        raise ValueError(
            f"draw has size {draw.size}, but the noise factor has noise_dim={noise_dim} columns: give them one size."
        )
