"""Slow drift of an over-parameterized model at interpolation, through its kernel."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PyTree

from ._fluctuations import check_relaxation_rate, fluctuation_weights
from ._kernel_space import KernelSpace, Model, kernel_space, weighted_curvature


class KernelDrift(eqx.Module):
    """Slow drift at interpolation.

    Args:
        drift: pytree like the parameters; unit parameter / slow time.
        trace: tr H = a tr K.
        space: Jacobian and kernel.
    """

    drift: PyTree[Array]
    trace: Float[Array, ""]
    space: KernelSpace


def kernel_slow_drift(
    model: Model,
    params: PyTree[Array],
    inputs: PyTree[Array],
    *,
    curvature: ArrayLike,
    output_noise: ArrayLike,
    relaxation_rate: ArrayLike = math.inf,
    batch: int = 32,
) -> KernelDrift:
    r"""Slow drift of least squares L = (a/2) Σ_i (f_i − y_i)² at interpolation, for noise in the row space of J.

    With H = a JᵀJ and Σ = Jᵀ S J the fluctuations are C = Jᵀ X J, where X = S/(h_i + h_j) in the eigenbasis of K, and

        drift = −½ P D3[C] = −a P Σ_i ∇²f_i Jᵀ X K e_i .

    For S = s·I (label noise, Σ = cH with c = s/a) this is −(s/2) P Σ_i ∇²f_i ∇f_i = −(c/4) ∇_Γ tr H. One n × n
    eigendecomposition, one Jacobian and one second-order pass; memory O(nd).

    Args:
        model: (params, inputs) ↦ predictions (rows,) or (rows, k), each row from its own input row. For another loss
            that is convex in the outputs pass rows scaled by the root of its output Hessian; see `softmax_outputs`.
        params: a point of Γ, pytree with d numbers.
        inputs: pytree of arrays with a common leading axis.
        curvature: a; 1/n for (1/2n) Σ r², 2/n for (1/n) Σ r².
        output_noise: S: a number s, the diagonal (n,), or a matrix (n, n); unit (loss/output)².
        relaxation_rate: λ = (1 − β)/η at momentum index 1; infinite below, zero above.
        batch: rows differentiated at a time.

    Returns:
        A `KernelDrift`; a rank-deficient or ill-conditioned kernel is reported in `space.code`.

    Raises:
        ValueError: if `output_noise` has a shape other than (), (n,), (n, n).

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import kernel_slow_drift
        >>> model = lambda w, u: u @ w**2
        >>> inputs, params = jnp.array([[1.0, 2.0]]), jnp.array([1.0, 1.0])
        >>> result = kernel_slow_drift(model, params, inputs, curvature=1.0, output_noise=1.0)
        >>> [round(float(v), 4) for v in result.drift]
        [1.6, -0.8]

    References:
        Blanc et al. (2020); Li, Wang, Arora (2022).
    """
    check_relaxation_rate(relaxation_rate)
    unravel = ravel_pytree(params)[1]
    space = kernel_space(model, params, inputs, batch=batch)
    scale = jnp.asarray(curvature, space.eigenvalues.dtype)
    vectors = _fluctuation_vectors(space, scale, jnp.asarray(output_noise, scale.dtype), relaxation_rate)
    pull = weighted_curvature(model, params, inputs, vectors, batch=batch)
    return KernelDrift(unravel(-scale * space.tangent(pull)), scale * jnp.sum(space.eigenvalues), space)


def _fluctuation_vectors(space: KernelSpace, scale: Array, noise: Array, relaxation_rate) -> Float[Array, "n d"]:
    """Rows v_i = Jᵀ X K e_i."""
    count = space.eigenvalues.size
    if noise.ndim == 0:
        # S commutes with K: X K = s/(2a), for every momentum index.
        return noise / (2 * scale) * space.jacobian
    if noise.shape not in ((count,), (count, count)):
        raise ValueError(
            f"output_noise has shape {noise.shape}; with {count} outputs it is (), ({count},) or ({count}, {count})"
        )
    basis = space.eigenvectors
    rotated = basis.T @ (noise[:, None] * basis if noise.ndim == 1 else noise @ basis)
    weights = fluctuation_weights(scale * space.eigenvalues, space.used, relaxation_rate)
    # Directions of the outputs that no parameter moves carry no fluctuation.
    both = space.used[:, None] & space.used[None, :]
    mixing = basis @ (jnp.where(both, weights, 0.0) * rotated * space.eigenvalues[None, :]) @ basis.T
    return mixing.T @ space.jacobian


def softmax_outputs(model: Model, targets: Float[Array, "rows k"]):
    r"""Rescale the logits of a classifier so that cross-entropy at interpolation becomes least squares.

    Where softmax(f) = p, the Hessian of the mean cross-entropy is
    (1/n) Σ J_iᵀ(diag p − p pᵀ)J_i = (1/n) Σ (R_i J_i)ᵀ R_i J_i. The rows are R_i f_i, k − 1 of them, so the constant
    that softmax ignores is gone; labels drawn from p at every use with batch size B give Σ = H/B, which is
    `output_noise` = curvature/B.

    Args:
        model: (params, inputs) ↦ logits (rows, k).
        targets: (rows, k), the probabilities p, all positive.

    Returns:
        A model whose inputs are the pair (inputs, R), and R of shape (rows, k − 1, k).

    Raises:
        ValueError: if the probabilities are not of shape (rows, k) with k ≥ 2.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import softmax_outputs
        >>> _, root = softmax_outputs(lambda w, u: u @ w, jnp.array([[0.25, 0.75]]))
        >>> bool(jnp.allclose(root[0].T @ root[0], jnp.array([[0.1875, -0.1875], [-0.1875, 0.1875]]), atol=1e-6))
        True
    """
    targets = jnp.asarray(targets)
    if targets.ndim != 2 or targets.shape[1] < 2:
        raise ValueError(f"targets have shape {targets.shape}; probabilities (rows, k) with k ≥ 2 are needed")
    # The left singular vectors of √p complete it to a basis; all but the first are orthogonal to it.
    root = jnp.sqrt(targets)
    basis = jax.vmap(lambda v: jnp.linalg.qr(v[:, None], mode="complete")[0][:, 1:])(root)
    scaled = lambda params, pair: jnp.einsum("rjk,rk->rj", pair[1], model(params, pair[0]))
    return scaled, jnp.einsum("rkj,rk->rjk", basis, root)
