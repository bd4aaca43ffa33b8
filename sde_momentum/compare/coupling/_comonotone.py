"""Comonotone coupling: a non-Gaussian component as the increasing function of a normal one that has its law."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree
from scipy.stats import chi2, norm, t

from sde_momentum.compare.orders._measured import NotApplicable
from sde_momentum.compare.transition._noise_points import noise_points
from sde_momentum.problems import AbstractDraw, AbstractProblem, SignDraw, SkewedDraw, StudentDraw

# Linear interpolation on this grid is off by less than 1e-5 of a standard deviation up to eight of them.
_NODES = np.linspace(-9.0, 9.0, 8193)


def comonotone(draw: AbstractDraw) -> Callable[[Array], Array] | None:
    r"""The map $z = F^{-1}(\Phi(w))$ from standard normals to the components of a draw; None where there is none.

    Of all couplings of two laws on the line it is the one with the largest correlation. Signs are exact; gamma and
    Student quantiles are tabulated.

    Args:
        draw: of independent components: `SignDraw`, `SkewedDraw` or `StudentDraw`; minibatches have none without
            their gradients.

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


class RankedDraws(eqx.Module):
    r"""The comonotone coupling of finitely many draws, such as minibatches, with a normal, for one parameter.

    At a point x the draws are ranked by the gradient they give there, and the draw is the quantile of level
    $\Phi(z)$: its law is the one of a draw by chance, and its gradient is as close to $\nabla L + S(x)z$ as two laws on
    the line allow.

    Args:
        table: the draws, along the first axis.
        weights: their probabilities.
    """

    table: Array
    weights: Array

    def __call__(self, problem: AbstractProblem, x: PyTree[Array], z: Array) -> Array:
        """The draw of a standard normal z at the parameters x."""
        gradient = lambda draw: ravel_pytree(problem.stochastic_gradient(x, draw, 1.0))[0][0]
        order = jnp.argsort(jax.vmap(gradient)(self.table))
        below = jnp.cumsum(self.weights[order])
        # The last level is open above: rounding must not leave it short of one.
        place = jnp.searchsorted(below[:-1], jax.scipy.stats.norm.cdf(z))
        return self.table[order[place]]


def ranked_draws(problem: AbstractProblem, x0: PyTree[Array]) -> RankedDraws | None:
    """The ranked draws of a problem with one parameter and finitely many draws a step; None for others."""
    if ravel_pytree(x0)[0].size != 1:
        return None
    try:
        law, table = noise_points(problem)
    except NotApplicable:
        return None
    return None if table is None else RankedDraws(jnp.asarray(table), jnp.asarray(law.weights))


def _quantiles(law) -> np.ndarray:
    """F⁻¹(Φ(w)) at the nodes, from the tail that keeps its digits."""
    return np.where(_NODES < 0, law.ppf(norm.cdf(_NODES)), law.isf(norm.sf(_NODES)))
