"""A small network on handwritten digits that ship with scikit-learn."""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from sde_momentum.problems._check import check_count, check_parameters, check_positive
from sde_momentum.problems._draw_index import AbstractIndexDraw
from sde_momentum.problems._draw_subset import index_draw
from sde_momentum.problems._minibatch_base import AbstractMinibatch
from sde_momentum.solvers import Stream, normal


class DigitsMLP(AbstractMinibatch):
    """A tanh network with cross-entropy loss on digits. Built by `digits_mlp`.

    Attributes:
        data: Training set `{"inputs": (1437, 64), "labels": (1437,)}`.
        test_data: Test set of 360 rows, likewise.
        l2: Weight λ of the penalty on the weights (not the biases).
        widths: Layer widths from 64 inputs to 10 classes.
    """

    data: PyTree[Array]
    draw: AbstractIndexDraw
    test_data: PyTree[Array]
    l2: Float[Array, ""]
    widths: tuple[int, ...] = eqx.field(static=True)

    def initial(self, seed: int = 0) -> PyTree[Array]:
        """Return zero biases and normal weights of variance 1/fan-in; the same in both precisions, up to rounding."""
        seed = check_count(seed, "seed", 0)
        words = np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)
        return _initial_layers(words, self.widths, self.data["inputs"].dtype)

    def logits(self, x: PyTree[ArrayLike], inputs: Float[Array, "rows 64"]) -> Float[Array, "rows 10"]:
        """Return the unnormalized log-probabilities of the classes."""
        for layer in x[:-1]:
            inputs = jnp.tanh(inputs @ layer["weights"] + layer["bias"])
        return inputs @ x[-1]["weights"] + x[-1]["bias"]

    def batch_loss(self, x: PyTree[ArrayLike], batch: PyTree[Array]) -> Float[Array, ""]:
        """Return the mean cross-entropy plus (λ/2) |weights|²."""
        penalty = sum(jnp.sum(layer["weights"] ** 2) for layer in x)
        return self._cross_entropy(x, batch) + 0.5 * self.l2 * penalty

    def test_loss(self, x: PyTree[ArrayLike]) -> Float[Array, ""]:
        """Return the mean cross-entropy on the test set, without the penalty."""
        return self._cross_entropy(check_parameters(x), self.test_data)

    def train_accuracy(self, x: PyTree[ArrayLike]) -> Float[Array, ""]:
        """Return the fraction of the training set that is classified correctly."""
        return self._accuracy(x, self.data)

    def test_accuracy(self, x: PyTree[ArrayLike]) -> Float[Array, ""]:
        """Return the fraction of the test set that is classified correctly."""
        return self._accuracy(x, self.test_data)

    def _cross_entropy(self, x: PyTree[ArrayLike], batch: PyTree[Array]) -> Array:
        log_probabilities = jax.nn.log_softmax(self.logits(x, batch["inputs"]))
        return -jnp.mean(jnp.take_along_axis(log_probabilities, batch["labels"][:, None], axis=1))

    def _accuracy(self, x: PyTree[ArrayLike], data: PyTree[Array]) -> Array:
        predicted = jnp.argmax(self.logits(check_parameters(x), data["inputs"]), axis=1)
        return jnp.mean(predicted == data["labels"], dtype=data["inputs"].dtype)


def digits_mlp(
    batch_size: int = 16,
    hidden: int | Sequence[int] = 32,
    l2: float = 0.0,
    replacement: bool = True,
    *,
    reshuffle: bool = True,
    dtype: Any = None,
) -> DigitsMLP:
    r"""A tanh network that reads 8 × 8 handwritten digits: 1 437 training rows, 360 test rows, pixels in [0, 1].

    The split is fixed and stratified by class. The data ship inside scikit-learn; nothing is downloaded.

    Args:
        batch_size: Training rows a step.
        hidden: Width of the hidden layer, or the widths of several.
        l2: λ ≥ 0, weight of the penalty.
        replacement: Whether batches are drawn with replacement.
        reshuffle: Without replacement, whether steps walk through reshuffled epochs (see `minibatch`).
        dtype: Floating-point type of the data; the default is JAX's current default.

    Returns:
        The problem; parameters are a tuple of layers `{"bias": (out,), "weights": (in, out)}`.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If a width, the batch size or l2 does not fit.

    Example:
        >>> problem = digits_mlp(batch_size=16, hidden=8)
        >>> params = problem.initial(seed=0)
        >>> [layer["weights"].shape for layer in params]
        [(64, 8), (8, 10)]

    References:
        E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    dtype = jnp.result_type(float) if dtype is None else dtype
    check_positive(l2, "l2", allow_zero=True)
    layers = (hidden,) if np.ndim(hidden) == 0 else tuple(hidden)
    widths = (64, *(check_count(width, "hidden") for width in layers), 10)
    inputs, labels = load_digits(return_X_y=True)
    split = train_test_split(inputs / 16.0, labels, test_size=360, random_state=0, stratify=labels)
    train, test = (_table(split[k], split[k + 2], dtype) for k in (0, 1))
    draw = index_draw(train["labels"].shape[0], batch_size, replacement, reshuffle)
    return DigitsMLP(train, draw, test, jnp.asarray(l2, dtype), widths)


def _table(inputs: Float[np.ndarray, "rows 64"], labels: Int[np.ndarray, " rows"], dtype: Any) -> dict[str, Array]:
    return {"inputs": jnp.asarray(inputs, dtype), "labels": jnp.asarray(labels, jnp.int32)}


@functools.partial(jax.jit, static_argnums=(1, 2))
def _initial_layers(seed: Array, widths: tuple[int, ...], dtype: Any) -> PyTree[Array]:
    """Cut one long vector of normals into the layers; compiled, because the generator is many small operations."""
    shapes = list(itertools.pairwise(widths))
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    pieces = jnp.split(normal(seed, 0, 0, int(ends[-1]), stream=Stream.INITIAL, dtype=dtype), ends[:-1])
    return tuple(
        {"bias": jnp.zeros(shape[1], dtype), "weights": piece.reshape(shape) / math.sqrt(shape[0])}
        for shape, piece in zip(shapes, pieces, strict=True)
    )
