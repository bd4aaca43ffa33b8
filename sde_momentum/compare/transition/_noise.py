"""The law of one step's noise as points and weights, so that expectations over it are sums."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sde_momentum.compare.question._arguments import whole_number

# Points of all axes together by default, and at most: what is moved in seconds, and what memory holds.
_LARGEST = 4096
MOST_POINTS = 2_000_000
# From some 350 points on, the weights of the Gauss–Hermite rule underflow.
_MOST_ON_AXIS = 300


@dataclass(frozen=True, eq=False)
class NoiseLaw:
    """Points and weights whose weighted sum is the expectation over one step's noise.

    Build one with `NoiseLaw.gaussian`, `NoiseLaw.rademacher` or `NoiseLaw.finite`.

    Attributes:
        points: shape `(count,)` for scalar noise, `(count, dimension)` for vectors, or any labels along the first axis.
        weights: shape `(count,)`, summing to one.
        gaussian_dimension: zero for a finite law; otherwise the points are a Gauss–Hermite rule that can be refined.

    Example:
        >>> law = NoiseLaw.gaussian()
        >>> float((law.weights * law.points**4).sum().round(12))
        3.0
    """

    points: np.ndarray
    weights: np.ndarray
    gaussian_dimension: int = 0

    @classmethod
    def gaussian(cls, dimension=1, count=None):
        """Standard normal noise in one or several dimensions, by the Gauss–Hermite rule of `count` points per axis.

        By default as many as keep the points of all axes below 4 096, but at least 2 and at most 12.

        Raises:
            TypeError: a dimension or count that is no whole number.
            ValueError: no dimension; fewer than two points per axis, which are no noise, or too many of them.
        """
        dimension = whole_number(dimension, "dimension")
        default = min(12, max(2, int(_LARGEST ** (1 / dimension) + 1e-9)))
        count = default if count is None else whole_number(count, "count")
        _check_size(dimension, count, default)
        nodes, weights = np.polynomial.hermite_e.hermegauss(count)
        weights = weights / weights.sum()
        if dimension == 1:
            return cls(nodes, weights, 1)
        return cls(_product(nodes, dimension), np.prod(_product(weights, dimension), axis=1), dimension)

    @classmethod
    def rademacher(cls):
        """One fair sign."""
        return cls.finite([-1.0, 1.0])

    @classmethod
    def finite(cls, points, probabilities=None):
        """Finitely many values, such as minibatch indices or gradients, equally likely by default.

        Raises:
            ValueError: no points; probabilities that are negative, do not sum to one, or do not match the points.
        """
        points = np.asarray(points)
        if not points.ndim or not len(points):
            raise ValueError(
                f"`points` must be a sequence of at least one value of the noise, got {points.tolist()!r}."
            )
        weights = np.full(len(points), 1 / len(points)) if probabilities is None else np.asarray(probabilities, float)
        if weights.shape != (len(points),) or np.any(weights < 0) or not np.isclose(weights.sum(), 1):
            raise ValueError(
                f"probabilities must be {len(points)} numbers, none negative, that sum to one, got {weights.tolist()}"
            )
        return cls(points, weights)

    def at_level(self, count):
        """The same law with `count` points per axis where it is Gaussian; itself where it is finite, hence exact."""
        return NoiseLaw.gaussian(self.gaussian_dimension, count) if self.gaussian_dimension else self


def checked_noise(noise: Any) -> NoiseLaw:
    """The law itself.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(noise, NoiseLaw):
        raise TypeError(
            f"noise must be a NoiseLaw, got {type(noise).__name__}: use NoiseLaw.gaussian() or .finite(...)"
        )
    return noise


def _check_size(dimension, count, default):
    """Refuse a rule that is no noise, and one that would fill the memory."""
    if count < 2:
        raise ValueError(
            f"`count` = {count} point per axis is no noise: take at least 2, or leave it out for {default}."
        )
    if count > _MOST_ON_AXIS or count**dimension > MOST_POINTS:
        raise ValueError(
            f"{count} points on each of {dimension} axes are too many, at most {_MOST_ON_AXIS} on one and "
            f"{MOST_POINTS} in all are summed: take a lower `count`, or fewer normals with the same covariance."
        )


def _product(values, dimension):
    """Every combination of values on all axes, the last one fastest; shape `(count^dimension, dimension)`."""
    mesh = np.meshgrid(*[values] * dimension, indexing="ij")
    return np.stack([part.ravel() for part in mesh], axis=1)
