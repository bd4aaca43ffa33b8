"""Label noise on any over-parameterized regression model."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.problems._check import (
    check_count,
    check_data,
    check_finite,
    check_parameters,
    check_positive,
    given_start,
)
from sde_momentum.problems._label_noise_base import AbstractLabelNoise


class LabelNoise(AbstractLabelNoise):
    """Label noise with a user's model. Built by `label_noise`, which describes the arguments."""

    model: Callable[[PyTree, PyTree], Array]
    inputs: PyTree[Array]
    targets: Float[Array, " n"]
    delta: Float[Array, ""]
    start: PyTree[Array] | None
    loss_factor: float = eqx.field(static=True)
    batch_size: int | None = eqx.field(static=True)

    def predict(self, x: PyTree[ArrayLike], inputs: PyTree[Array]) -> Float[Array, " batch"]:
        """Return the user's model on the rows of `inputs`."""
        return self.model(x, inputs)

    def initial(self, seed: int = 0) -> PyTree[Array]:
        """Return the start that was given to the factory."""
        del seed
        return given_start(self.start, "label_noise")


def label_noise(
    model: Callable[[PyTree, PyTree], Array],
    inputs: PyTree[ArrayLike],
    targets: Float[ArrayLike, " n"],
    delta: float,
    batch_size: int | None = 1,
    *,
    loss_factor: float = 0.5,
    start: PyTree[ArrayLike] | None = None,
) -> LabelNoise:
    r"""Least-squares regression L = (κ/n) Σ (f_k(x) − y_k)² whose labels are disturbed by ±δ at every use.

    On the manifold of interpolating parameters the noise is Σ = c H with c = 2κδ²/B, so that SGD drifts along it by
    dY/dτ = −(c/4) ∇_Γ tr H on the clock τ = kη².

    Args:
        model: Function (params, inputs) ↦ predictions of shape `(rows,)`, for any number of rows of `inputs`.
        inputs: Pytree of arrays with leading axis n.
        targets: Clean labels y, shape `(n,)`, real.
        delta: δ > 0, in the units of the labels.
        batch_size: B examples a step with replacement; `None` for all n, each label with its own sign.
        loss_factor: κ, stated because c depends on it: ½ gives c = δ²/B, 1 gives c = 2δ²/B.
        start: What `initial` returns.

    Returns:
        The problem; `noise_curvature_ratio` is c.

    Raises:
        ValueError: If data are not finite or of unequal lengths, or δ, κ or the batch size is not positive.

    Example:
        >>> import jax.numpy as jnp
        >>> problem = label_noise(lambda x, u: u @ x**2, jnp.ones((3, 5)), jnp.ones(3), delta=0.5)
        >>> float(problem.noise_curvature_ratio)
        0.25

    References:
        G. Blanc, N. Gupta, G. Valiant, P. Valiant, Implicit regularization for deep neural networks driven by an
        Ornstein–Uhlenbeck like process, 2020;
        Z. Li, T. Wang, S. Arora, What happens after SGD reaches zero loss?, 2022.
    """
    if not callable(model):
        raise ValueError(f"model must be a function (params, inputs) -> predictions, but is {model!r}.")
    (inputs, targets), _ = check_data((inputs, jnp.asarray(targets)))
    targets = check_targets(targets)
    return LabelNoise(
        model,
        inputs,
        targets,
        jnp.asarray(check_positive(delta, "delta"), targets.dtype),
        None if start is None else check_parameters(check_finite(start, "start")),
        float(check_positive(loss_factor, "loss_factor")),
        None if batch_size is None else check_count(batch_size, "batch_size"),
    )


def check_targets(targets: Array) -> Array:
    """Return real labels of shape `(n,)`."""
    if targets.ndim != 1:
        raise ValueError(f"targets must have shape (n,), one real label per row, but have {targets.shape}.")
    return targets if jnp.issubdtype(targets.dtype, jnp.floating) else targets.astype(jnp.result_type(float))
