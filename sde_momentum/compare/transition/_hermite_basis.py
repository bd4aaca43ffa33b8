"""Orthonormal Hermite polynomials of bounded total degree in a few variables, with their Gaussian quadrature."""

from functools import cached_property, lru_cache
from itertools import product

import numpy as np


class HermiteBasis:
    r"""Polynomials $h_\alpha(z) = \prod_i \mathrm{He}_{\alpha_i}(z_i)/\sqrt{\alpha_i!}$, orthonormal under N(0, I).

    Args:
        dimension: number of variables d.
        degree: largest total degree |α|.
        count: points per axis of the Gauss–Hermite rule, more than the degree.

    Example:
        >>> basis = HermiteBasis(2, 3, 5)
        >>> gram = (basis.values(basis.points).T * basis.weights) @ basis.values(basis.points)
        >>> basis.size, bool(np.allclose(gram, np.eye(10)))
        (10, True)
    """

    def __init__(self, dimension: int, degree: int, count: int):
        self.dimension, self.degree = dimension, degree
        indices = (index for index in product(range(degree + 1), repeat=dimension) if sum(index) <= degree)
        self.indices = np.array(sorted(indices, key=sum))
        nodes, weights = np.polynomial.hermite_e.hermegauss(count)
        self.points = np.array(np.meshgrid(*[nodes] * dimension, indexing="ij")).reshape(dimension, -1)
        mesh = np.meshgrid(*[weights / weights.sum()] * dimension, indexing="ij")
        self.weights = np.prod(np.array(mesh), axis=0).ravel()
        self.at_points = self.values(self.points)
        self.projection = self.at_points.T * self.weights

    @property
    def size(self) -> int:
        """Number of polynomials."""
        return len(self.indices)

    def values(self, z: np.ndarray) -> np.ndarray:
        """Every polynomial at points of shape `(d, N)`; shape `(N, size)`."""
        return self._product([_hermite(axis, self.degree) for axis in z])

    def project(self, values: np.ndarray) -> np.ndarray:
        """Coefficients of the projection of functions known at the points, shape `(points, …)`; `(size, …)`."""
        return self.projection @ values

    @cached_property
    def gradient(self) -> np.ndarray:
        """First derivatives at the points, shape `(d, points, size)`."""
        return np.stack([self._derivative([axis]) for axis in range(self.dimension)])

    @cached_property
    def hessian(self) -> np.ndarray:
        """Second derivatives at the points, shape `(d, d, points, size)`."""
        axes = range(self.dimension)
        return np.stack([np.stack([self._derivative([i, j]) for j in axes]) for i in axes])

    def _derivative(self, axes: list[int]) -> np.ndarray:
        orders = np.bincount(axes, minlength=self.dimension)
        return self._product([_hermite(z, self.degree, int(k)) for z, k in zip(self.points, orders, strict=True)])

    def _product(self, tables: list[np.ndarray]) -> np.ndarray:
        result = tables[0][:, self.indices[:, 0]]
        for axis in range(1, self.dimension):
            result = result * tables[axis][:, self.indices[:, axis]]
        return result


@lru_cache(maxsize=32)
def hermite_basis(dimension: int, degree: int, count: int) -> HermiteBasis:
    """A `HermiteBasis`, made once."""
    return HermiteBasis(dimension, degree, count)


def _hermite(z: np.ndarray, degree: int, derivatives: int = 0) -> np.ndarray:
    """Normalized polynomials of one variable, or their derivatives, by the recurrence; shape `(N, degree + 1)`."""
    table = np.empty((degree + 1, len(z)))
    table[0] = 1.0
    if degree:
        table[1] = z
    for k in range(1, degree):
        table[k + 1] = (z * table[k] - np.sqrt(k) * table[k - 1]) / np.sqrt(k + 1)
    for _ in range(derivatives):
        # h_k' = √k h_{k−1}.
        table[1:] = np.sqrt(np.arange(1, degree + 1))[:, None] * table[:-1]
        table[0] = 0.0
    return table.T
