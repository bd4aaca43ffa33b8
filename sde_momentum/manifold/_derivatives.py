"""Second and third derivatives of a loss, by automatic differentiation, without a d³ tensor."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Loss = Callable[[Float[Array, " d"]], Float[Array, ""]]


def hessian_vector_product(loss: Loss, x: Float[Array, " d"], v: Float[Array, " d"]) -> Float[Array, " d"]:
    """H(x) v, forward over reverse."""
    return jax.jvp(jax.grad(loss), (x,), (v,))[1]


def hessian_matrix(loss: Loss, x: Float[Array, " d"]) -> Float[Array, "d d"]:
    """H(x), dense."""
    return jax.jacfwd(jax.grad(loss))(x)


def third_derivative(
    loss: Loss, x: Float[Array, " d"], u: Float[Array, " d"], v: Float[Array, " d"]
) -> Float[Array, " d"]:
    """D3[u, v] = ∇³L(x)[u, v, ·], two forward passes over one reverse pass."""
    return jax.jvp(lambda z: hessian_vector_product(loss, z, u), (x,), (v,))[1]


def third_derivative_columns(
    loss: Loss, x: Float[Array, " d"], left: Float[Array, "d k"], right: Float[Array, "d k"], *, batch: int = 128
) -> Float[Array, "d k"]:
    """D3[left_k, right_k] for every pair of columns, at most `batch` at a time.

    D3[A] = Σ_k D3[left_k, right_k] for A = left rightᵀ: k third derivatives in O(d) each, never d³ numbers.
    """
    one = lambda pair: third_derivative(loss, x, pair[0], pair[1])
    return jax.lax.map(one, (left.T, right.T), batch_size=min(batch, left.shape[1])).T


def contract_third_derivative(loss: Loss, x: Float[Array, " d"], matrix: Float[Array, "d d"]) -> Float[Array, " d"]:
    """Contract the third derivative with a matrix, D3[A]_i = Σ_jk ∂_ijk L A_jk = ∇ tr(H A), A held constant.

    Args:
        loss: scalar function of a flat array (d,).
        x: (d,).
        matrix: (d, d), A.

    Returns:
        (d,); d third derivatives along pairs of vectors, no d³ tensor.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import contract_third_derivative
        >>> contract_third_derivative(lambda x: x[0] * x[1] ** 2, jnp.ones(2), jnp.eye(2)).tolist()
        [2.0, 0.0]
    """
    return jnp.sum(third_derivative_columns(loss, x, jnp.eye(x.size, dtype=x.dtype), matrix.T), axis=1)
