"""Drift of the slow equation at one point of Γ, dense."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ._derivatives import Loss, third_derivative_columns
from ._fluctuations import check_relaxation_rate, fluctuation_weights
from ._normal_space import NormalSpace
from ._point import normal_space_at


class SlowDrift(eqx.Module):
    """The drift of the slow equation, term by term; each is (d,), unit of parameter / slow time.

    Args:
        curvature: −½ H⁺ D3[Σ_∥], the Itô term that keeps a diffusing point on Γ.
        cross: −½ P 2 D3[H⁺ Σ_⊥∥].
        normal: −½ P D3[𝓛_H^{-1} Σ_⊥], the implicit regularizer.
        space: the split of the Hessian that was used.
    """

    curvature: Float[Array, " d"]
    cross: Float[Array, " d"]
    normal: Float[Array, " d"]
    space: NormalSpace

    @property
    def total(self) -> Array:
        """The drift."""
        return self.curvature + self.cross + self.normal


def slow_drift(
    loss: Loss,
    covariance: Callable[[Float[Array, " d"]], Float[Array, "d d"]] | Float[Array, "d d"],
    x: Float[Array, " d"],
    *,
    relaxation_rate: ArrayLike = math.inf,
    codimension: int | Array | None = None,
) -> SlowDrift:
    """Drift ½ ∂²Φ[Σ] of the slow equation on the manifold of minimizers, on the clock τ = kη².

        −½ H⁺ D3[Σ_∥] − ½ P (2 D3[H⁺ Σ_⊥∥] + D3[𝓛_H^{-1} Σ_⊥]),   D3[A] = ∇ tr(H A)

    Differentiating ∂Φ ∇L = 0 twice on Γ, where ∂Φ = P, gives ∂²Φ[Hu, v] + ∂²Φ[u, Hv] = −P D3[u, v]; the two kinds of
    normal pair follow, and ∂²Φ[t, t] = −H⁺ D3[t, t] because Φ is the identity on Γ. At momentum index 1 the weights
    1/(h_i + h_j) become those of `fluctuation_weights`, for the cross term too. The cost is 2d third derivatives
    D3[u, v], three nested passes each; no d³ tensor.

    Args:
        loss: scalar function of a flat array (d,).
        covariance: Σ (d, d) at x, or a function of x that returns it; unit (loss/parameter)².
        x: (d,), a point of Γ; check it with `inspect_point`.
        relaxation_rate: λ = (1 − β)/η for momentum index 1; infinite (SGD, and index below 1) by default; zero for
            an index between 1 and 2.
        codimension: number of normal directions, when known; finding it costs five more Hessians.

    Returns:
        A `SlowDrift`; its `total` is the drift.

    Raises:
        ValueError: if the covariance is not (d, d) or `relaxation_rate` is negative.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import slow_drift
        >>> circle = lambda x: (x @ x - 1.0) ** 2
        >>> drift = slow_drift(circle, jnp.eye(2), jnp.array([1.0, 0.0]))
        >>> bool(jnp.allclose(drift.total, jnp.array([-0.5, 0.0])))  # Brownian motion on the circle: −½ x
        True

    References:
        Katzenberger (1991); Li, Wang, Arora (2022), theorem 4.6; Wang et al. (2024), theorem 4.5.
    """
    check_relaxation_rate(relaxation_rate)
    sigma = covariance(x) if callable(covariance) else jnp.asarray(covariance)
    if sigma.shape != (x.size, x.size):
        raise ValueError(f"covariance has shape {sigma.shape}; at x of shape {x.shape} it must be {(x.size, x.size)}")
    space = normal_space_at(loss, x, codimension)
    basis, normal = space.eigenvectors, space.normal
    noise = basis.T @ sigma @ basis
    spread = fluctuation_weights(space.eigenvalues, normal, relaxation_rate) * noise
    # Column k pairs eigenvector v_k with a partner: normal k carries C_⊥⊥ (and twice C_⊥∥), tangent k carries Σ_∥∥.
    tangent = ~normal
    across = jnp.where(normal[None, :] & tangent[:, None], 2 * spread, 0.0)
    within = jnp.where(normal[None, :] & normal[:, None], spread, 0.0)
    along = jnp.where(tangent[None, :] & tangent[:, None], noise, 0.0)
    # One map over both halves, so that the third derivative is compiled once.
    partners = basis @ jnp.concatenate([across, within + along], axis=1)
    columns = third_derivative_columns(loss, x, jnp.concatenate([basis, basis], axis=1), partners)
    cross, rest = jnp.split(columns, 2, axis=1)
    add = lambda columns, mask: jnp.sum(jnp.where(mask, columns, 0.0), axis=1)
    return SlowDrift(
        curvature=-0.5 * space.pseudo_inverse(add(rest, tangent)),
        cross=-0.5 * space.tangent(add(cross, normal)),
        normal=-0.5 * space.tangent(add(rest, normal)),
        space=space,
    )


def slow_diffusion(
    loss: Loss, factor: Float[Array, "d k"], x: Float[Array, " d"], *, codimension: int | Array | None = None
) -> Float[Array, "d k"]:
    """Diffusion factor P S of the slow equation, for a noise factor S with Σ = S Sᵀ.

    Args:
        loss: scalar function of a flat array (d,).
        factor: (d, k), S at x.
        x: (d,), a point of Γ.
        codimension: number of normal directions, when known; finding it costs five more Hessians.

    Returns:
        (d, k); unit parameter / √slow time.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import slow_diffusion
        >>> slow_diffusion(lambda x: (x @ x - 1.0) ** 2, jnp.eye(2), jnp.array([1.0, 0.0])).tolist()
        [[0.0, 0.0], [0.0, 1.0]]
    """
    space = normal_space_at(loss, x, codimension)
    return jax.vmap(space.tangent, in_axes=1, out_axes=1)(factor)
