"""Comonotone coupling: a non-Gaussian component as the increasing function of a normal one that has its law."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.stats import chi2, norm, t

from sde_momentum.problems import AbstractDraw, SignDraw, SkewedDraw, StudentDraw

# Linear interpolation on this grid is off by less than 1e-5 of a standard deviation up to eight of them.
_NODES = np.linspace(-9.0, 9.0, 8193)


def comonotone(draw: AbstractDraw) -> Callable[[Array], Array] | None:
    r"""The map $z = F^{-1}(\Phi(w))$ from standard normals to the components of a draw; None where there is none.

    Of all couplings of two laws on the line it is the one with the largest correlation. Signs are exact; gamma and
    Student quantiles are tabulated.

    Args:
        draw: of independent components: `SignDraw`, `SkewedDraw` or `StudentDraw`; minibatches have no such map.

    Returns:
        Function of an array of normals, of any shape.

    Example:
        >>> from sde_momentum.problems import IndexDraw, SignDraw
        >>> comonotone(SignDraw(2))(jnp.array([-0.3, 2.0])).tolist(), comonotone(IndexDraw(4, 1))
        ([-1.0, 1.0], None)

    References:
        Villani, *Topics in Optimal Transportation* (2003), Theorem 2.18.
    """
    if isinstance(draw, SignDraw):
        return lambda w: jnp.where(w >= 0, 1.0, -1.0).astype(w.dtype)
    if isinstance(draw, SkewedDraw):
        nu = draw.degrees
        values = (_quantiles(chi2(nu)) - nu) / np.sqrt(2 * nu)
    elif isinstance(draw, StudentDraw):
        values = _quantiles(t(draw.degrees)) * np.sqrt((draw.degrees - 2) / draw.degrees)
    else:
        return None
    return lambda w: jnp.interp(w, jnp.asarray(_NODES, w.dtype), jnp.asarray(values, w.dtype))


def _quantiles(law) -> np.ndarray:
    """F⁻¹(Φ(w)) at the nodes, from the tail that keeps its digits."""
    return np.where(_NODES < 0, law.ppf(norm.cdf(_NODES)), law.isf(norm.sf(_NODES)))
