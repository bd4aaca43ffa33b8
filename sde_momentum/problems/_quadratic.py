"""Quadratic and linear losses, with additive or state-dependent noise."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from sde_momentum.problems._base import AbstractProblem, dense_factor
from sde_momentum.problems._check import as_real, check_finite, check_shape, check_weights
from sde_momentum.problems._draw import AbstractStandardDraw, NormalDraw
from sde_momentum.problems._factor_noise import check_standard


class Quadratic(AbstractProblem):
    r"""L(x) = ½ (x − x*)ᵀ H (x − x*) + bᵀ (x − x*), with ξ = S(x) z.

    Built by `quadratic` and `linear`, which describe the arguments.

    Attributes:
        hessian: H of shape `()` (x is a scalar), `(d,)` (a diagonal) or `(d, d)`.
        minimum: x*, shaped like x.
        slope: b, shaped like x.
        noise: The factor S, as an array (additive noise) or as a function of x.
        start: Where `initial` starts.
    """

    hessian: Float[Array, "..."]
    minimum: Float[Array, "..."]
    slope: Float[Array, "..."]
    noise: Float[Array, "..."] | Callable[[Array], Array]
    start: Float[Array, "..."]
    noise_dim: int = eqx.field(static=True)
    draw: AbstractStandardDraw

    @property
    def leading_cumulant(self) -> int | None:
        """Order of the lowest cumulant beyond the covariance, that of the draw."""
        return self.draw.leading_cumulant

    @property
    def additive(self) -> bool:
        """Whether the noise factor does not depend on x, so that exact laws hold."""
        return not callable(self.noise)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one replica: `()` or `(d,)`."""
        return self.minimum.shape

    def hessian_matrix(self) -> Float[Array, "d d"]:
        """Return H as a dense `(d, d)` matrix, also for a scalar or diagonal H."""
        return self.hessian if self.hessian.ndim == 2 else jnp.diag(jnp.atleast_1d(self.hessian))

    def initial(self, seed: int = 0) -> Array:
        """Return the start; there is nothing random in it."""
        del seed
        return self.start

    def loss(self, x: ArrayLike) -> Float[Array, ""]:
        """Return ½ (x − x*)ᵀ H (x − x*) + bᵀ (x − x*)."""
        x = check_shape(x, self.shape)
        offset = x - self.minimum.astype(x.dtype)
        return jnp.sum(offset * (0.5 * self._curve(offset) + self.slope.astype(x.dtype)))

    def gradient(self, x: ArrayLike) -> Array:
        """Return H (x − x*) + b."""
        x = check_shape(x, self.shape)
        return self._curve(x - self.minimum.astype(x.dtype)) + self.slope.astype(x.dtype)

    def noise_product(self, x: ArrayLike, w: Float[ArrayLike, " noise_dim"]) -> Array:
        """Return S(x) w."""
        x = check_shape(x, self.shape)
        factor = self.noise(x) if callable(self.noise) else self.noise
        return apply_factor(jnp.asarray(factor), check_weights(w, self.noise_dim), x)

    def weighted_gradient(self, x: ArrayLike, a: ArrayLike, w: Float[ArrayLike, " noise_dim"]) -> Array:
        """Return a (H (x − x*) + b) + S(x) w."""
        gradient = self.gradient(x)
        return jnp.asarray(a, gradient.dtype) * gradient + self.noise_product(x, w)

    def factor(self, x: ArrayLike) -> Float[Array, "d noise_dim"]:
        """Return S(x) as a dense `(d, noise_dim)` matrix."""
        return dense_factor(self, x)

    def stochastic_gradient(
        self, x: ArrayLike, draw: Float[ArrayLike, " noise_dim"], noise_scale: ArrayLike = 1.0
    ) -> Array:
        """Return ∇L(x) + σ S(x) z."""
        return self.weighted_gradient(x, 1.0, noise_scale * jnp.asarray(draw))

    def _curve(self, offset: Array) -> Array:
        hessian = self.hessian.astype(offset.dtype)
        return hessian @ offset if hessian.ndim == 2 else hessian * offset


def apply_factor(factor: Array, w: Array, x: Array) -> Array:
    """Multiply noise weights by a factor that is dense (one axis more than `x`) or diagonal (at most as many)."""
    factor, w = factor.astype(x.dtype), w.astype(x.dtype)
    return factor @ w if factor.ndim == x.ndim + 1 else factor * w.reshape(x.shape)


def quadratic(
    hessian: ArrayLike,
    noise: ArrayLike | Callable[[Array], Array] = 1.0,
    minimum: ArrayLike = 0.0,
    *,
    slope: ArrayLike = 0.0,
    start: ArrayLike = 1.0,
    draw: AbstractStandardDraw | None = None,
    dtype: Any = None,
) -> Quadratic:
    r"""Quadratic loss L = ½ (x − x*)ᵀ H (x − x*) + bᵀ (x − x*) with gradient noise ξ = S(x) z.

    Args:
        hessian: H, symmetric. A number makes x a scalar of shape `()`; a vector is a diagonal; else `(d, d)`.
        noise: S. An array with as many axes as x or fewer is diagonal (a number is s I); one axis more, shape
            `(d, noise_dim)` (or `(noise_dim,)` for scalar x), is dense. A function x ↦ S(x) makes it state-dependent.
        minimum: x*, broadcast to the shape of x.
        slope: b, broadcast likewise; zero unless the loss is to be linear.
        start: Where `initial` starts, broadcast likewise.
        draw: Law of z, with mean 0 and unit covariance; default Gaussian.
        dtype: Floating-point type of the fields; the default is JAX's current default.

    Returns:
        The problem.

    Raises:
        TypeError: If a coefficient is complex or no number.
        ValueError: If H is not square, symmetric and finite, or another argument does not fit its shape.

    Example:
        >>> import jax.numpy as jnp
        >>> problem = quadratic(1.0, noise=lambda x: jnp.sqrt(1 + 0.49 * x**2))
        >>> round(float(problem.covariance(2.0)[0, 0]), 4)
        2.96
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    hessian = _check_hessian(hessian).astype(dtype)
    shape = hessian.shape[:1]

    noise_dim = _noise_dim(noise, shape, dtype)
    draw = NormalDraw(noise_dim, dtype) if draw is None else draw
    check_standard(draw, noise_dim)
    return Quadratic(
        hessian,
        _fit(minimum, "minimum", shape, dtype),
        _fit(slope, "slope", shape, dtype),
        noise if callable(noise) else check_finite(as_real(noise, dtype, "noise"), "noise"),
        _fit(start, "start", shape, dtype),
        noise_dim,
        draw,
    )


def linear(
    slope: ArrayLike,
    noise: ArrayLike | Callable[[Array], Array] = 1.0,
    *,
    start: ArrayLike = 0.0,
    draw: AbstractStandardDraw | None = None,
    dtype: Any = None,
) -> Quadratic:
    r"""Linear loss L = bᵀ x: a constant gradient, so that nothing but the noise separates two optimizers.

    Args:
        slope: b, of shape `()` or `(d,)`, which is the shape of x.
        noise: The factor S, as in `quadratic`.
        start: Where `initial` starts.
        draw: Law of z, with mean 0 and unit covariance; default Gaussian.
        dtype: Floating-point type; the default is JAX's current default.

    Returns:
        A `Quadratic` with H = 0.

    Example:
        >>> float(linear(2.0).gradient(5.0))
        2.0
    """
    return quadratic(jnp.zeros(jnp.shape(slope)), noise, slope=slope, start=start, draw=draw, dtype=dtype)


def _check_hessian(hessian: ArrayLike) -> Array:
    """Return a scalar, diagonal or symmetric matrix."""
    matrix = check_finite(as_real(hessian, None, "hessian"), "hessian")
    if matrix.ndim > 2 or (matrix.ndim == 2 and matrix.shape[0] != matrix.shape[1]) or matrix.size == 0:
        raise ValueError(f"hessian has shape {matrix.shape}: pass a number, a diagonal (d,) or a matrix (d, d).")
    symmetric = isinstance(matrix, jax.core.Tracer) or matrix.ndim < 2 or np.allclose(matrix, matrix.T, atol=1e-12)
    if not symmetric:
        raise ValueError("hessian is not symmetric, so it is no second derivative: pass (hessian + hessian.T) / 2.")
    return matrix


def _fit(value: ArrayLike, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """Broadcast an argument to the shape of x."""
    value = check_finite(as_real(value, dtype, name), name)
    if value.shape not in ((), shape):
        raise ValueError(
            f"{name} has shape {value.shape}, which does not fit x of shape {shape}: pass one value or {shape}."
        )
    return jnp.broadcast_to(value, shape)


def _noise_dim(noise: ArrayLike | Callable[[Array], Array], shape: tuple[int, ...], dtype: Any) -> int:
    """Count the columns of a factor, evaluating a state-dependent one abstractly."""
    x = jax.ShapeDtypeStruct(shape, dtype)
    factor = jax.eval_shape(noise, x).shape if callable(noise) else jnp.shape(noise)
    if len(factor) == len(shape) + 1 and factor[:-1] == shape:
        return factor[-1]
    if len(factor) <= len(shape) and factor in ((), shape):
        return int(np.prod(shape))
    raise ValueError(
        f"noise has shape {factor}, which does not fit x of shape {shape}: pass a number, a diagonal of shape {shape} "
        f"or a dense factor of shape {(*shape, 'noise_dim')}."
    )
