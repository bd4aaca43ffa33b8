"""The law of one increment: Gaussian, two-valued or three-valued, each with mean 0 and variance 1 before scaling."""

import abc
import math
from itertools import chain

import equinox as eqx
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import PyTree

from sde_momentum.solvers._normal import normal, normal_pairs, normal_run
from sde_momentum.solvers._seed import Seed
from sde_momentum.solvers._signs import STEPS_PER_HASH as SIGN_STEPS
from sde_momentum.solvers._signs import sign_run, signs
from sde_momentum.solvers._three_point import STEPS_PER_HASH as THREE_POINT_STEPS
from sde_momentum.solvers._three_point import three_point, three_point_run


class AbstractIncrements(eqx.Module):
    """The law of a noise increment, drawn at an address of the counter generators."""

    @abc.abstractmethod
    def draw(
        self, seed: Seed, path_index: ArrayLike, step: ArrayLike, size: int | None, stream: int, dtype: np.dtype
    ) -> Array:
        """Numbers of mean 0 and variance 1 for one step, shape `(size, N)`, or `(N,)` when `size` is `None`."""

    def store(
        self, seed: Seed, path_index: ArrayLike, steps: Array, size: int, stream: int, dtype: np.dtype
    ) -> PyTree[Array]:
        """The numbers of `draw` at several steps, computed apart from what reads them, in whatever form is fast."""
        return [self.draw(seed, path_index, step, size, stream, dtype) for step in steps]

    def components(self, stored: PyTree[Array], number: int, size: int) -> list[Array]:
        """The components at step number `number` of what `store` has stored."""
        return [stored[number][component] for component in range(size)]

    @abc.abstractmethod
    def alignment(self, count: int) -> int:
        """What the first of `count` steps must be a multiple of to be drawn by `run`; 1 if `run` would gain nothing."""

    @abc.abstractmethod
    def run(
        self, seed: Seed, path_index: ArrayLike, first_step: Array, count: int, stream: int, dtype: np.dtype
    ) -> tuple[Array, ...]:
        """The same numbers as `count` calls of `draw` with `size=None`, sharing the hashes among steps."""


class GaussianIncrements(AbstractIncrements):
    """Gaussian increments, those of Brownian motion.

    Example:
        >>> GaussianIncrements().alignment(8)
        4
    """

    def draw(self, seed, path_index, step, size, stream, dtype):
        """Standard normal numbers; see `normal`."""
        return normal(seed, path_index, step, size, stream=stream, dtype=dtype)

    def store(self, seed, path_index, steps, size, stream, dtype):
        """Pairs of normal numbers as complex ones, all steps in one loop."""
        return normal_pairs(seed, path_index, steps[:, None, None], size, stream, dtype)

    def components(self, stored, number, size):
        """Real and imaginary parts."""
        pairs = ((lax.real(pair), lax.imag(pair)) for pair in stored[number])
        return list(chain.from_iterable(pairs))[:size]

    def alignment(self, count):
        """Four consecutive steps share a hash."""
        return 4 if count % 4 == 0 else 1

    def run(self, seed, path_index, first_step, count, stream, dtype):
        """Standard normal numbers of consecutive steps."""
        return normal_run(seed, path_index, first_step, count, stream, dtype)


class TwoPointIncrements(AbstractIncrements):
    """Increments ±√dt, which match the moments of Brownian motion up to the third: enough for weak order 1.

    Example:
        >>> TwoPointIncrements().alignment(64)
        64
    """

    def draw(self, seed, path_index, step, size, stream, dtype):
        """Signs; see `signs`."""
        return signs(seed, path_index, step, size, stream=stream, dtype=dtype)

    def alignment(self, count):
        """The 128 bits of a hash serve as many consecutive steps."""
        return math.gcd(count, SIGN_STEPS)

    def run(self, seed, path_index, first_step, count, stream, dtype):
        """Signs of consecutive steps."""
        return sign_run(seed, path_index, first_step, count, stream, dtype)


class ThreePointIncrements(AbstractIncrements):
    """Increments 0 and ±√(3 dt), which match the moments of Brownian motion up to the fifth: enough for weak order 2.

    Example:
        >>> ThreePointIncrements().alignment(6)
        1
    """

    def draw(self, seed, path_index, step, size, stream, dtype):
        """Three-valued numbers; see `three_point`."""
        return three_point(seed, path_index, step, size, stream=stream, dtype=dtype)

    def alignment(self, count):
        """Four consecutive steps share a word, and sixteen a hash."""
        return math.gcd(count, THREE_POINT_STEPS) if count % 4 == 0 else 1

    def run(self, seed, path_index, first_step, count, stream, dtype):
        """Three-valued numbers of consecutive steps."""
        return three_point_run(seed, path_index, first_step, count, stream, dtype)
