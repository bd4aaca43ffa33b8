"""The covariance of the fast fluctuations around Γ, which is what the slow drift averages over."""

import math

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

from ._normal_space import normal_space


def fluctuation_weights(
    eigenvalues: Float[Array, " d"], normal: Bool[Array, " d"], relaxation_rate: ArrayLike = math.inf
) -> Float[Array, "d d"]:
    """The factors w_ij that turn noise Σ_ij into fluctuations C_ij = w_ij Σ_ij, in the eigenbasis of H.

    The linear process dx = −m dt, dm = λ(Hx − m)dt + λ Σ^{1/2}dW has the stationary moments

        E m_i x_j = −E x_i m_j = (h_i − h_j) a / 2,   E m_i m_j = λ (h_i + h_j) a / 2,
        a = E x_i x_j = Σ_ij / (h_i + h_j + (h_i − h_j)²/(2λ)).

    λ → ∞ is the Lyapunov inverse of the first-order process, λ → 0 keeps only the part of Σ that commutes with H. A
    pair of one normal and one tangent direction (h_j = 0) obeys the same formula; two tangent directions have w = 0.

    Args:
        eigenvalues: (d,), h; unit of H.
        normal: (d,), which of them count as nonzero.
        relaxation_rate: λ = (1 − β)/η in EMA form, unit of H; infinite for SGD and for momentum index α < 1, zero for
            1 < α < 2.

    Returns:
        (d, d), symmetric; unit 1/H.
    """
    h = jnp.where(normal, eigenvalues, 0.0)
    total = h[:, None] + h[None, :]
    difference = h[:, None] - h[None, :]
    rate = jnp.asarray(relaxation_rate, h.dtype)
    # Equal eigenvalues keep their weight in the limit λ → 0; "equal" means to the square root of the precision.
    equal = jnp.abs(difference) <= jnp.finfo(h.dtype).eps ** 0.5 * total
    safe = jnp.where(rate > 0, rate, 1.0)
    detuning = jnp.where(rate > 0, difference**2 / (2 * safe), jnp.where(equal, 0.0, jnp.inf))
    used = normal[:, None] | normal[None, :]
    return jnp.where(used, 1.0 / jnp.where(used, total + detuning, 1.0), 0.0)


def normal_covariance(
    hessian: Float[Array, "d d"],
    noise: Float[Array, "d d"],
    *,
    relaxation_rate: ArrayLike = math.inf,
    codimension: int | None = None,
) -> Float[Array, "d d"]:
    """Stationary covariance of the normal fluctuations around Γ, per unit learning rate.

    SGD and SGDM with momentum index α < 1 (1 − β = λη^α): the Lyapunov inverse, HC + CH = Σ_⊥. At α = 1 the pair
    (x, m) is underdamped and, in the eigenbasis of H, C_ij = Σ_ij / (h_i + h_j + (h_i − h_j)²/(2λ)): the same only
    where Σ_⊥ and H commute. For 1 < α < 2 the off-diagonal part averages out.

    Args:
        hessian: (d, d) at a point of Γ; unit loss/parameter².
        noise: (d, d), Σ; only its normal block is used.
        relaxation_rate: λ = (1 − β)/η; infinite below momentum index 1, zero above.
        codimension: number of normal directions, when known.

    Returns:
        (d, d), C with Cov(x_⊥) = ηC; zero in the tangent directions.

    Raises:
        ValueError: if the shapes differ or `relaxation_rate` is negative.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import normal_covariance
        >>> hessian, noise = jnp.diag(jnp.array([1.0, 3.0])), jnp.array([[2.0, 1.0], [1.0, 6.0]])
        >>> normal_covariance(hessian, noise).tolist()
        [[1.0, 0.25], [0.25, 1.0]]
        >>> normal_covariance(hessian, noise, relaxation_rate=0.5).tolist()
        [[1.0, 0.125], [0.125, 1.0]]

    References:
        Below index 1: Li, Wang, Arora (2022), theorem 4.6; Wang et al. (2024), theorem 4.5.
    """
    if hessian.shape != noise.shape:
        raise ValueError(f"noise has shape {noise.shape}, hessian has shape {hessian.shape}; both must be (d, d)")
    check_relaxation_rate(relaxation_rate)
    space = normal_space(hessian, codimension=codimension)
    weights = fluctuation_weights(space.eigenvalues, space.normal, relaxation_rate)
    both = space.normal[:, None] & space.normal[None, :]
    basis = space.eigenvectors
    return basis @ (jnp.where(both, weights, 0.0) * (basis.T @ noise @ basis)) @ basis.T


def check_relaxation_rate(relaxation_rate: ArrayLike) -> None:
    """Refuse a negative rate when its value is known."""
    if isinstance(relaxation_rate, int | float) and not relaxation_rate >= 0:
        raise ValueError(
            f"relaxation_rate={relaxation_rate} is not ≥ 0; it is (1 − β)/η at momentum index 1, inf below, 0 above"
        )
