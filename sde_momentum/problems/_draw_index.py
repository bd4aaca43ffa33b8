"""Which examples a minibatch step uses."""

import math
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, ArrayLike, Int

from sde_momentum.problems._check import count_field
from sde_momentum.problems._draw import AbstractDraw
from sde_momentum.solvers import Stream, indices


class AbstractIndexDraw(AbstractDraw):
    """A draw of `size` of the indices 0, …, `population` − 1, each index equally likely in every place.

    Attributes:
        population: Number of examples n.
        variance_factor: Variance of a batch mean, relative to drawing with replacement.
    """

    population: eqx.AbstractVar[int]
    variance_factor: eqx.AbstractVar[float]

    # A batch mean has the third cumulant of the examples' gradients, and they are finitely many.
    leading_cumulant: ClassVar[int | None] = 3
    finite_moments: ClassVar[float] = math.inf


class IndexDraw(AbstractIndexDraw):
    """Indices of `size` examples out of `population`, with replacement.

    Args:
        population: Number of examples n.
        size: Batch size B.
        stream: Stream of random numbers.

    Example:
        >>> import jax.numpy as jnp
        >>> IndexDraw(10, 4).sample(0, jnp.arange(3), 2).shape
        (4, 3)
    """

    population: int = count_field("population")
    size: int = count_field("size")
    stream: int = eqx.field(static=True, default=Stream.INDICES)

    independent_steps: ClassVar[bool] = True

    @property
    def variance_factor(self) -> float:
        """Variance of a batch mean relative to drawing with replacement: 1."""
        return 1.0

    def sample(self, seed: ArrayLike, path_index: Int[Array, " paths"], step: ArrayLike) -> Int[Array, "size paths"]:
        """Draw `(size, paths)` indices in `[0, population)`."""
        return indices(seed, path_index, step, self.size, self.population, stream=self.stream)
