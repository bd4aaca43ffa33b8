"""The law of one step's noise as points and weights, so that expectations over it are sums."""

from dataclasses import dataclass
from itertools import product

import numpy as np

_LARGEST = 4096


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

        By default as many as keep the points of all axes below 4 096, and at most 12.
        """
        count = min(12, int(_LARGEST ** (1 / dimension) + 1e-9)) if count is None else count
        nodes, weights = np.polynomial.hermite_e.hermegauss(count)
        weights = weights / weights.sum()
        if dimension == 1:
            return cls(nodes, weights, 1)
        grid = np.array(list(product(nodes, repeat=dimension)))
        return cls(grid, np.prod(np.array(list(product(weights, repeat=dimension))), axis=1), dimension)

    @classmethod
    def rademacher(cls):
        """One fair sign."""
        return cls.finite([-1.0, 1.0])

    @classmethod
    def finite(cls, points, probabilities=None):
        """Finitely many values, such as minibatch indices or gradients, equally likely by default.

        Raises:
            ValueError: probabilities that are negative, do not sum to one, or do not match the points.
        """
        points = np.asarray(points)
        weights = np.full(len(points), 1 / len(points)) if probabilities is None else np.asarray(probabilities, float)
        if weights.shape != (len(points),) or np.any(weights < 0) or not np.isclose(weights.sum(), 1):
            raise ValueError(
                f"probabilities must be {len(points)} numbers, none negative, that sum to one, got {weights.tolist()}"
            )
        return cls(points, weights)

    def at_level(self, count):
        """The same law with `count` points per axis where it is Gaussian; itself where it is finite, hence exact."""
        return NoiseLaw.gaussian(self.gaussian_dimension, count) if self.gaussian_dimension else self
