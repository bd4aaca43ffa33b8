"""The functionals that noise makes SGD decrease along Γ, and their gradients on Γ."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ._derivatives import Loss, hessian_matrix, hessian_vector_product, third_derivative_columns
from ._normal_space import NormalSpace
from ._point import normal_space_at


def trace_hessian(loss: Loss, x: Float[Array, " d"]) -> Float[Array, ""]:
    """Trace of the Hessian, exact; label noise Σ = cH decreases it: dY/dτ = −(c/4) ∇_Γ tr H.

    Args:
        loss: scalar function of a flat array (d,).
        x: (d,).

    Returns:
        Scalar; unit loss/parameter².

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import trace_hessian
        >>> float(trace_hessian(lambda x: x[0] ** 2 + 3 * x[1] ** 2, jnp.zeros(2)))
        8.0
    """
    return jnp.trace(hessian_matrix(loss, x))


def hutchinson_trace(
    loss: Loss, x: Float[Array, " d"], key: PRNGKeyArray, num_probes: int
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Trace of the Hessian from random signs z: the mean of zᵀHz, with its standard error; one Hessian product a probe.

    Args:
        loss: scalar function of a flat array (d,).
        x: (d,), d as large as a gradient allows.
        key: JAX key.
        num_probes: number of sign vectors, at least 2.

    Returns:
        Estimate and standard error; unit loss/parameter².

    Raises:
        ValueError: if `num_probes` < 2: there is no standard error then.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from sde_momentum.manifold import hutchinson_trace
        >>> loss = lambda x: jnp.sum(x**2) + x[0] * x[1]
        >>> estimate, error = hutchinson_trace(loss, jnp.ones(50), jax.random.key(0), 64)
        >>> abs(float(estimate) - 100.0) < 5 * float(error)
        True

    References:
        Hutchinson (1989).
    """
    if num_probes < 2:
        raise ValueError(f"num_probes={num_probes} gives no standard error; use at least 2")

    def sample(k: PRNGKeyArray) -> Array:
        z = jax.random.rademacher(k, x.shape, x.dtype)
        return z @ hessian_vector_product(loss, x, z)

    samples = jax.lax.map(sample, jax.random.split(key, num_probes))
    return jnp.mean(samples), jnp.std(samples, ddof=1) / num_probes**0.5


def trace_hessian_gradient(loss: Loss, x: Float[Array, " d"], *, codimension: int | None = None) -> Float[Array, " d"]:
    """∇_Γ tr H = P D3[I] at a point of Γ.

    Args:
        loss: scalar function of a flat array (d,).
        x: (d,), a point of Γ.
        codimension: number of normal directions, when known.

    Returns:
        (d,), tangent to Γ.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import trace_hessian_gradient
        >>> hyperbola = lambda x: 0.5 * (x[0] * x[1] - 1.0) ** 2
        >>> gradient = trace_hessian_gradient(hyperbola, jnp.array([1.0, 1.0]))  # the balanced point
        >>> bool(jnp.allclose(gradient, 0.0, atol=1e-6))
        True
    """
    return _tangent_pull(loss, x, codimension, lambda space: space.eigenvectors)


def log_pseudo_determinant(loss: Loss, x: Float[Array, " d"], *, codimension: int | None = None) -> Float[Array, ""]:
    """Log-pseudo-determinant log det⁺ H = Σ log |λ| over λ ≠ 0; normal noise Σ = s²(I − P) decreases it on Γ.

    dY/dτ = −(s²/4) ∇_Γ log det⁺ H.

    Args:
        loss: scalar function of a flat array (d,).
        x: (d,), a point of Γ.
        codimension: number of normal directions, when known.

    Returns:
        Scalar.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import log_pseudo_determinant
        >>> round(float(log_pseudo_determinant(lambda x: 0.5 * x[0] ** 2, jnp.zeros(2))), 6)
        0.0
    """
    space = normal_space_at(loss, x, codimension)
    return jnp.sum(jnp.where(space.normal, jnp.log(jnp.abs(jnp.where(space.normal, space.eigenvalues, 1.0))), 0.0))


def log_pseudo_determinant_gradient(
    loss: Loss, x: Float[Array, " d"], *, codimension: int | None = None
) -> Float[Array, " d"]:
    """∇_Γ log det⁺ H = P D3[H⁺] at a point of Γ.

    Args:
        loss: scalar function of a flat array (d,).
        x: (d,), a point of Γ.
        codimension: number of normal directions, when known.

    Returns:
        (d,), tangent to Γ.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import log_pseudo_determinant_gradient
        >>> valley = lambda x: 0.5 * jnp.exp(3 * x[1]) * x[0] ** 2  # log det⁺ H = 3 x₂ on x₁ = 0
        >>> [round(float(v), 5) for v in log_pseudo_determinant_gradient(valley, jnp.zeros(2))][1]
        3.0
    """
    inverse = lambda space: jax.vmap(space.pseudo_inverse, in_axes=1, out_axes=1)(space.eigenvectors)
    return _tangent_pull(loss, x, codimension, inverse)


def _tangent_pull(
    loss: Loss, x: Float[Array, " d"], codimension: int | None, partner: Callable[[NormalSpace], Float[Array, "d d"]]
) -> Float[Array, " d"]:
    """P D3[V partnerᵀ] with V the eigenvectors of H: the gradient along Γ of a function of the spectrum."""
    space = normal_space_at(loss, x, codimension)
    return space.tangent(jnp.sum(third_derivative_columns(loss, x, space.eigenvectors, partner(space)), axis=1))
