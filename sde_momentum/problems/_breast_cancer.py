"""Logistic regression on a real data set that ships with scikit-learn."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.problems._check import check_positive
from sde_momentum.problems._draw_index import AbstractIndexDraw
from sde_momentum.problems._draw_subset import index_draw
from sde_momentum.problems._minibatch_base import AbstractMinibatch


class BreastCancer(AbstractMinibatch):
    """Logistic regression on standardized breast-cancer data. Built by `breast_cancer`.

    Attributes:
        data: `{"inputs": (569, 30), "labels": (569,)}`, labels ±1.
        l2: Weight λ of the penalty.
    """

    data: PyTree[Array]
    draw: AbstractIndexDraw
    l2: Float[Array, ""]

    def initial(self, seed: int = 0) -> PyTree[Array]:
        """Return zero weights and bias; there is nothing random in it."""
        del seed
        inputs = self.data["inputs"]
        return {"bias": jnp.zeros((), inputs.dtype), "weights": jnp.zeros(inputs.shape[1:], inputs.dtype)}

    def batch_loss(self, x: PyTree[ArrayLike], batch: PyTree[Array]) -> Float[Array, ""]:
        """Return mean log(1 + exp(−y (wᵀu + b))) + (λ/2)|w|²."""
        margins = batch["labels"] * (batch["inputs"] @ x["weights"] + x["bias"])
        return jnp.mean(jax.nn.softplus(-margins)) + 0.5 * self.l2 * jnp.sum(x["weights"] ** 2)

    def accuracy(self, x: PyTree[ArrayLike]) -> Float[Array, ""]:
        """Return the fraction of all examples that are classified correctly."""
        return jnp.mean(self.data["labels"] * (self.data["inputs"] @ x["weights"] + x["bias"]) > 0)


def breast_cancer(
    batch_size: int = 8,
    l2: float = 0.01,
    replacement: bool = True,
    *,
    reshuffle: bool = True,
    dtype: Any = None,
) -> BreastCancer:
    r"""L2-regularized logistic regression on the Wisconsin breast-cancer data: n = 569, 30 features, 31 parameters.

        L(w, b) = (1/n) Σ_k log(1 + exp(−y_k (wᵀu_k + b))) + (λ/2) |w|² ,

    features standardized to mean 0 and variance 1, y_k = ±1. The data ship inside scikit-learn; nothing is downloaded.

    Args:
        batch_size: Examples a step.
        l2: λ ≥ 0; positive makes the loss strongly convex in w.
        replacement: Whether batches are drawn with replacement.
        reshuffle: Without replacement, whether steps walk through reshuffled epochs (see `minibatch`).
        dtype: Floating-point type of the data; the default is JAX's current default.

    Returns:
        The problem; parameters are `{"bias": (), "weights": (30,)}`.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If the batch size or l2 does not fit.

    Example:
        >>> problem = breast_cancer(batch_size=8)
        >>> round(float(problem.loss(problem.initial())), 4)
        0.6931

    References:
        W. Wolberg, O. Mangasarian, N. Street, W. Street, Breast Cancer Wisconsin (Diagnostic), UCI, 1993.
    """
    from sklearn.datasets import load_breast_cancer

    dtype = jnp.result_type(float) if dtype is None else dtype
    check_positive(l2, "l2", allow_zero=True)
    raw = load_breast_cancer()
    inputs = (raw.data - raw.data.mean(axis=0)) / raw.data.std(axis=0)
    data = {"inputs": jnp.asarray(inputs, dtype), "labels": jnp.asarray(2 * raw.target - 1, dtype)}
    return BreastCancer(data, index_draw(len(inputs), batch_size, replacement, reshuffle), jnp.asarray(l2, dtype))
