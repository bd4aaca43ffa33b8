"""Standardized noise that is not Gaussian: skewed, and heavy-tailed."""

import math
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from sde_momentum.problems._check import count_field
from sde_momentum.problems._draw import AbstractStandardDraw, known_cumulant
from sde_momentum.solvers import normal

# Apart from the driving Brownian motion, so that runs with one seed do not share numbers by accident.
_STREAM = 16


class SkewedDraw(AbstractStandardDraw):
    r"""Independent centered gamma components z = (χ²_ν − ν)/√(2ν): skewness √(8/ν), excess kurtosis 12/ν.

    Args:
        size: Number of components per step.
        degrees: Degrees of freedom ν ≥ 1; ν = 2 is the centered exponential law.
        dtype: Floating-point type; the default is JAX's current default.
        stream: Stream of random numbers.

    Example:
        >>> SkewedDraw(1, degrees=8).skewness
        1.0
    """

    size: int = count_field("size")
    degrees: int = count_field("degrees", default=2)
    dtype: Any = eqx.field(static=True, default=None)
    stream: int = eqx.field(static=True, default=_STREAM)

    leading_cumulant: ClassVar[int | None] = 3
    independent_steps: ClassVar[bool] = True
    finite_moments: ClassVar[float] = math.inf

    @property
    def skewness(self) -> float:
        """Third moment of a component."""
        return math.sqrt(8 / self.degrees)

    def sample(self, seed: ArrayLike, path_index: Int[Array, " paths"], step: ArrayLike) -> Float[Array, "size paths"]:
        """Draw `(size, paths)` components from ν normals each."""
        normals = _normals(seed, path_index, step, self.degrees, self)
        return (jnp.sum(normals**2, axis=0) - self.degrees) / math.sqrt(2 * self.degrees)

    def cumulant(self, order: int) -> float:
        """Return the cumulant of a centered gamma law: √(8/ν) of order 3, 12/ν of order 4."""
        return known_cumulant(self, order, {3: self.skewness, 4: 12 / self.degrees})


class StudentDraw(AbstractStandardDraw):
    r"""Independent Student-t components with unit variance: symmetric, tails |z|^{−ν−1}.

    Args:
        size: Number of components per step.
        degrees: Degrees of freedom ν ≥ 3; moments of order ν and above do not exist.
        dtype: Floating-point type; the default is JAX's current default.
        stream: Stream of random numbers.

    Example:
        >>> StudentDraw(1, degrees=5).finite_moments
        5.0
    """

    size: int = count_field("size")
    degrees: int = count_field("degrees", 3, default=5)
    dtype: Any = eqx.field(static=True, default=None)
    stream: int = eqx.field(static=True, default=_STREAM)

    leading_cumulant: ClassVar[int | None] = 4
    independent_steps: ClassVar[bool] = True

    @property
    def finite_moments(self) -> float:
        """Moments of order below ν exist."""
        return float(self.degrees)

    def sample(self, seed: ArrayLike, path_index: Int[Array, " paths"], step: ArrayLike) -> Float[Array, "size paths"]:
        """Draw `(size, paths)` components from ν + 1 normals each."""
        normals = _normals(seed, path_index, step, self.degrees + 1, self)
        return normals[0] * jnp.sqrt((self.degrees - 2) / jnp.sum(normals[1:] ** 2, axis=0))

    def cumulant(self, order: int) -> float:
        """Return 0 for order 3 if ν > 3, and 6/(ν − 4) for order 4 if ν > 4."""
        known = {3: 0.0} if self.degrees > 3 else {}
        return known_cumulant(self, order, known | ({4: 6 / (self.degrees - 4)} if self.degrees > 4 else {}))


def _normals(
    seed: ArrayLike, path_index: Array, step: ArrayLike, count: int, draw: SkewedDraw | StudentDraw
) -> Float[Array, "count size paths"]:
    """Draw `count` normals for every component."""
    normals = normal(seed, path_index, step, count * draw.size, stream=draw.stream, dtype=draw.dtype)
    return normals.reshape(count, draw.size, *normals.shape[1:])
