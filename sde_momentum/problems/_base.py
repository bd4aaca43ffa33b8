"""A loss together with the law of its gradient noise."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.problems._draw import AbstractDraw, AbstractStandardDraw, NormalDraw


class AbstractProblem(eqx.Module):
    r"""What an optimizer sees: L and a stochastic gradient g = ∇L(x) + σ ξ with E ξ = 0.

    Every method takes one replica; batch with `jax.vmap(..., in_axes=-1, out_axes=-1)`. The noise of one step at
    σ = 1 has covariance Cov ξ = Σ(x) = S(x) S(x)ᵀ; S has `noise_dim` columns and is known by its product only.

    Attributes:
        noise_dim: Number of columns of the factor S.
        draw: What one step of the discrete noise consumes.
        leading_cumulant: Order (at least 3) of the lowest cumulant of ξ beyond the covariance that may be non-zero;
            `None` for Gaussian noise. A limit at noise scale σ = η^{-1/2} loses half an order when it is 3.
    """

    noise_dim: eqx.AbstractVar[int]
    draw: eqx.AbstractVar[AbstractDraw]
    leading_cumulant: eqx.AbstractVar[int | None]

    @property
    def independent_steps(self) -> bool:
        """Whether the noise of different steps is independent, as every diffusion limit assumes."""
        return self.draw.independent_steps

    @abc.abstractmethod
    def initial(self, seed: int = 0) -> PyTree[Array]:
        """Starting parameters of one replica; `seed` selects one where the start is random."""

    @abc.abstractmethod
    def loss(self, x: PyTree[ArrayLike]) -> Float[Array, ""]:
        """Return the loss L(x)."""

    @abc.abstractmethod
    def gradient(self, x: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return the gradient ∇L(x), a pytree like `x`."""

    @abc.abstractmethod
    def noise_product(self, x: PyTree[ArrayLike], w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return S(x) w, a pytree like `x`, with Σ = S Sᵀ the covariance of one step's noise at σ = 1."""

    @abc.abstractmethod
    def weighted_gradient(self, x: PyTree[ArrayLike], a: ArrayLike, w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return a ∇L(x) + S(x) w, in one backward pass where the problem allows it."""

    @abc.abstractmethod
    def factor(self, x: PyTree[ArrayLike]) -> Float[Array, "dimension noise_dim"]:
        """Return S(x) as a dense matrix on the raveled parameters; meant for small problems."""

    @abc.abstractmethod
    def stochastic_gradient(
        self, x: PyTree[ArrayLike], draw: PyTree[ArrayLike], noise_scale: ArrayLike = 1.0
    ) -> PyTree[Array]:
        """Return g = ∇L(x) + σ ξ(x, draw) for one replica's draw; σ is the noise scale."""

    def covariance(self, x: PyTree[ArrayLike]) -> Float[Array, "dimension dimension"]:
        """Return Σ(x) = S Sᵀ as a dense matrix on the raveled parameters; meant for small problems."""
        factor = self.factor(x)
        return factor @ factor.T

    def with_noise(self, draw: AbstractStandardDraw) -> "AbstractProblem":
        """Return the same problem with ξ = S(x) z, z from a draw with unit covariance: Σ is kept, its shape changes.

        Args:
            draw: A standardized draw of size `noise_dim`, such as `SignDraw(problem.noise_dim)`.

        Raises:
            ValueError: If the draw has another size than `noise_dim`, or no unit covariance.
        """
        from sde_momentum.problems._factor_noise import FactorNoise

        return FactorNoise(self, draw)

    def gaussian(self, dtype: Any = None) -> "AbstractProblem":
        """Return the same problem with Gaussian ξ of the same covariance Σ."""
        return self.with_noise(NormalDraw(self.noise_dim, dtype))


def dense_factor(problem: AbstractProblem, x: PyTree[ArrayLike]) -> Float[Array, "dimension noise_dim"]:
    """Collect the columns S(x) e_k of the noise factor by products."""

    def column(w: Array) -> Array:
        return ravel_pytree(problem.noise_product(x, w))[0]

    return jax.vmap(column, out_axes=-1)(jnp.eye(problem.noise_dim, dtype=ravel_pytree(x)[0].dtype))


def combine(a: ArrayLike, x: PyTree[Array], b: ArrayLike, y: PyTree[Array]) -> PyTree[Array]:
    """Return a x + b y leaf by leaf, in the dtype of `x`."""
    return jax.tree.map(lambda u, v: jnp.asarray(a, u.dtype) * u + jnp.asarray(b, u.dtype) * v.astype(u.dtype), x, y)
