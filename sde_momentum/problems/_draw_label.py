"""Indices and label signs of a batch with noisy labels."""

import math
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, ArrayLike, Float, Int

from sde_momentum.problems._check import count_field
from sde_momentum.problems._draw import AbstractDraw
from sde_momentum.solvers import Stream, indices, signs


class LabelDraw(AbstractDraw):
    """A batch of indices with replacement, and a fresh sign for the label of each: the pair (indices, signs).

    Args:
        population: Number of examples n.
        size: Batch size B.
        dtype: Floating-point type of the signs; the default is JAX's current default.
        stream: Stream of both, or `None` for `Stream.INDICES` and `Stream.LABELS`.
    """

    population: int = count_field("population")
    size: int = count_field("batch_size")
    dtype: Any = eqx.field(static=True, default=None)
    stream: int | None = eqx.field(static=True, default=None)

    leading_cumulant: ClassVar[int | None] = 3
    independent_steps: ClassVar[bool] = True
    finite_moments: ClassVar[float] = math.inf

    def sample(
        self, seed: ArrayLike, path_index: Int[Array, " paths"], step: ArrayLike
    ) -> tuple[Int[Array, "size paths"], Float[Array, "size paths"]]:
        """Draw indices and signs, each of shape `(size, paths)`."""
        index_stream, label_stream = (Stream.INDICES, Stream.LABELS) if self.stream is None else (self.stream,) * 2
        index = indices(seed, path_index, step, self.size, self.population, stream=index_stream)
        return index, signs(seed, path_index, step, self.size, stream=label_stream, dtype=self.dtype)
