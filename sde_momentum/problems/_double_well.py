"""The quartic double well with state-dependent noise, the smallest problem that is not linear."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from sde_momentum.problems._check import check_finite, check_positive, check_shape
from sde_momentum.problems._draw import AbstractStandardDraw
from sde_momentum.problems._general import General, general


class QuarticWell(eqx.Module):
    """The loss L(x) = ¼ (x² − 1)² + c x."""

    tilt: Float[Array, ""]

    def __call__(self, x: Float[Array, ""]) -> Float[Array, ""]:
        """Return L(x) for a scalar x."""
        x = check_shape(x, ())
        return 0.25 * (x * x - 1) ** 2 + self.tilt.astype(x.dtype) * x


class ScalarFactor(eqx.Module):
    """The noise factor S(x) w = σ(x) w of a one-dimensional problem."""

    scale: Callable[[Array], Array]

    def __call__(self, x: Float[Array, ""], w: Float[Array, " 1"]) -> Float[Array, ""]:
        """Return σ(x) w for a scalar x."""
        return self.scale(x) * w[0].astype(x.dtype)


def double_well(
    noise: Callable[[Array], Array] | None = None,
    *,
    tilt: ArrayLike = 0.0,
    start: ArrayLike = 0.5,
    draw: AbstractStandardDraw | None = None,
    dtype: Any = None,
) -> General:
    r"""Double well L(x) = ¼ (x² − 1)² + c x in one dimension, with σ(x) = √(½ + ½ x²) unless told otherwise.

    Args:
        noise: Function x ↦ σ(x) for scalar x; for constant noise pass `lambda x: 0.3`.
        tilt: The constant c; zero leaves the two wells equally deep.
        start: What `initial` returns.
        draw: Law of z in ξ = σ(x) z, with mean 0 and variance 1; default Gaussian.
        dtype: Floating-point type; the default is JAX's current default.

    Returns:
        The problem; x has shape `()`.

    Raises:
        ValueError: If `noise` is no function, or `tilt` or `start` is not one finite number.

    Example:
        >>> problem = double_well()
        >>> float(problem.gradient(2.0)), float(problem.covariance(1.0)[0, 0])
        (6.0, 1.0)
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    if noise is not None and not callable(noise):
        level = float(check_positive(noise, "noise", allow_zero=True))
        raise ValueError(f"noise must be a function of x, but is {noise!r}: pass lambda x: {level}.")
    return general(
        QuarticWell(check_shape(check_finite(jnp.asarray(tilt, dtype), "tilt"), (), "tilt")),
        ScalarFactor(_default_scale if noise is None else noise),
        1,
        start=check_shape(jnp.asarray(start, dtype), (), "start"),
        draw=draw,
        dtype=dtype,
    )


def _default_scale(x: Array) -> Array:
    return jnp.sqrt(0.5 + 0.5 * x * x)
