r"""Kummer's function of a negative argument in JAX, to the precision of the dtype.

$M(a, b, -y) = \mathbb E\,e^{-yT}$ with $T \sim \mathrm{Beta}(a, b-a)$, for $0 < a < b$: a Gauss–Jacobi sum of positive
terms. Where y is much larger than b the asymptotic series takes over. `jax.scipy.special.hyp1f1` adds terms of both
signs and loses every digit beyond y = 24.
"""

from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike
from scipy.special import gammaln

_TERMS = 14
_FAR = 30.0  # y/b from which the asymptotic series is used
_SMALL = 32.0  # b up to which few nodes do: for larger b the weight is that of Laguerre, on a half line
_NODES = (96, 400)


def kummer(a: float, b: float, z: ArrayLike) -> Array:
    """M(a, b, z) for 0 < a < b and z ≤ 0; a and b are numbers.

    Args:
        a: first parameter.
        b: second parameter.
        z: argument, of any shape.

    Raises:
        ValueError: the parameters are not in this range.

    Example:
        >>> round(float(kummer(0.5, 1.5, -100.0)), 6)  # √π/2 erf(10)/10
        0.088623

    References:
        NIST Digital Library of Mathematical Functions, 13.4.1 and 13.7.1.
    """
    a, b = float(a), float(b)
    if not 0 < a < b:
        raise ValueError(f"M(a, b, z) is evaluated for 0 < a < b, got a = {a}, b = {b}.")
    y = -jnp.asarray(z)
    far = y > _FAR * b
    nodes, weights = (jnp.asarray(values, y.dtype) for values in _rule(a, b))
    near = jnp.sum(weights * jnp.exp(-jnp.where(far, 0.0, y)[..., None] * nodes), axis=-1)
    return jnp.where(far, _asymptotic(a, b, jnp.where(far, y, 1.0)), near)


def _asymptotic(a: float, b: float, y: Array) -> Array:
    term, total = jnp.ones_like(y), jnp.ones_like(y)
    for k in range(_TERMS):
        term = term * (a + k) * (a - b + 1 + k) / ((k + 1) * y)
        total = total + term
    return total * jnp.exp(jnp.asarray(gammaln(b) - gammaln(b - a), y.dtype) - a * jnp.log(y))


@lru_cache(maxsize=128)
def _rule(a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in (0, 1) and weights, of sum 1, for the weight t^{a−1} (1−t)^{b−a−1}: Golub and Welsch."""
    right, left = b - a - 1, a - 1
    n = np.arange(1.0, _NODES[b > _SMALL])
    total = 2 * n + right + left
    first = (left - right) / (right + left + 2)
    diagonal = np.append(first, (left**2 - right**2) / (total * (total + 2)))
    # The first off-diagonal entry has 0/0 where right + left = −1.
    square = 4 * n * (n + right) * (n + left) * (n + right + left)
    square[1:] /= (total**2 * (total + 1) * (total - 1))[1:]
    square[0] = 4 * (1 + right) * (1 + left) / ((2 + right + left) ** 2 * (3 + right + left))
    matrix = np.diag(diagonal) + np.diag(np.sqrt(square), 1) + np.diag(np.sqrt(square), -1)
    nodes, vectors = np.linalg.eigh(matrix)
    return np.clip((1 + nodes) / 2, 0, 1), vectors[0] ** 2
