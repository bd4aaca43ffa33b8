"""Minibatches without replacement: fresh subsets, or epochs of a reshuffled order."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Int

from sde_momentum.problems._check import check_batch, count_field
from sde_momentum.problems._draw_index import AbstractIndexDraw, IndexDraw
from sde_momentum.solvers import Stream, indices, shuffled_indices

_KEYS = 2**31 - 1


class AbstractDistinctDraw(AbstractIndexDraw):
    """A draw of `size` different indices: one step's batch is a random subset, whatever joins the steps."""

    def __check_init__(self):
        check_batch(self.size, self.population, replacement=False)

    @property
    def variance_factor(self) -> float:
        """Variance of one batch mean relative to drawing with replacement: (n − B)/(n − 1)."""
        return (self.population - self.size) / max(self.population - 1, 1)


class SubsetDraw(AbstractDistinctDraw):
    """A fresh uniformly random subset of `size` of the `population` examples every step.

    Steps are independent, so diffusion limits apply, with covariance smaller by (n − B)/(n − 1). Indices are sorted by
    random words, which costs n words and a sort a step; ties, of probability n² 2⁻³² a step, keep their order.

    Args:
        population: Number of examples n.
        size: Batch size B ≤ n.
        stream: Stream of random numbers.

    Raises:
        ValueError: If B exceeds n.

    Example:
        >>> SubsetDraw(10, 4).variance_factor == 6 / 9
        True
    """

    population: int = count_field("population")
    size: int = count_field("size")
    stream: int = eqx.field(static=True, default=Stream.SHUFFLE)

    independent_steps: ClassVar[bool] = True

    def sample(self, seed: ArrayLike, path_index: Int[Array, " paths"], step: ArrayLike) -> Int[Array, "size paths"]:
        """Draw `(size, paths)` distinct indices in `[0, population)`."""
        keys = indices(seed, path_index, step, self.population, _KEYS, stream=self.stream)
        return jnp.argsort(keys, axis=0)[: self.size].astype(jnp.int32)


class EpochDraw(AbstractDistinctDraw):
    """Successive batches of a random order that is drawn anew every ⌊n/B⌋ steps (random reshuffling).

    One step's batch has the law of a random subset, but steps of one epoch are dependent: their noise nearly cancels
    over an epoch, and diffusion limits with independent steps do not describe it. If B does not divide n, each
    epoch leaves n mod B randomly chosen examples out.

    Args:
        population: Number of examples n.
        size: Batch size B ≤ n.
        stream: Stream of random numbers.

    Raises:
        ValueError: If B exceeds n.

    Example:
        >>> import jax.numpy as jnp
        >>> draw = EpochDraw(4, 2)
        >>> epoch = jnp.concatenate([draw.sample(0, jnp.arange(1), step) for step in (6, 7)])
        >>> sorted(epoch[:, 0].tolist())
        [0, 1, 2, 3]

    References:
        S. Smith, B. Dherin, D. Barrett, S. De, On the origin of implicit regularization in stochastic gradient
        descent, 2021.
    """

    population: int = count_field("population")
    size: int = count_field("size")
    stream: int = eqx.field(static=True, default=Stream.SHUFFLE)

    independent_steps: ClassVar[bool] = False

    @property
    def steps_per_epoch(self) -> int:
        """Number of whole batches in one epoch."""
        return self.population // self.size

    def sample(self, seed: ArrayLike, path_index: Int[Array, " paths"], step: ArrayLike) -> Int[Array, "size paths"]:
        """Draw `(size, paths)` distinct indices: batch number `step` mod `steps_per_epoch` of the epoch's order."""
        return shuffled_indices(seed, path_index, step, self.size, self.population, stream=self.stream)


def index_draw(population: int, batch_size: int, replacement: bool, reshuffle: bool) -> AbstractIndexDraw:
    """Choose the draw that `minibatch` describes."""
    size = check_batch(batch_size, population, replacement)
    if replacement:
        return IndexDraw(population, size)
    return EpochDraw(population, size) if reshuffle else SubsetDraw(population, size)
