"""Orthonormal Hermite polynomials of bounded total degree in a few variables, with their Gaussian quadrature."""

from functools import cached_property, lru_cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from sde_momentum.compare.transition._gaussian_rule import mirrored, sparse_rule, tensor_rule

# Up to here a product of rules on a line is no burden, and exact to a higher degree in every variable.
_TENSOR = 2


class HermiteBasis:
    r"""Polynomials $h_\alpha(z) = \prod_i \mathrm{He}_{\alpha_i}(z_i)/\sqrt{\alpha_i!}$, orthonormal under N(0, I).

    They are sorted by total degree, so that those of lower degree come first.

    Args:
        dimension: number of variables d.
        degree: largest total degree |α|.

    Example:
        >>> basis = HermiteBasis(2, 3)
        >>> gram = (basis.values(basis.points).T * basis.weights) @ basis.values(basis.points)
        >>> basis.size, bool(np.allclose(gram, np.eye(10)))
        (10, True)
    """

    def __init__(self, dimension: int, degree: int):
        self.dimension, self.degree = dimension, degree
        axes = range(dimension)
        self._axes = [index for k in range(degree + 1) for index in combinations_with_replacement(axes, k)]
        self._place = {index: place for place, index in enumerate(self._axes)}
        self._steps = self._recursion()

    @property
    def size(self) -> int:
        """Number of polynomials."""
        return len(self._axes)

    def count(self, degree: int) -> int:
        """Number of polynomials up to a lower degree, which are the first ones."""
        return sum(len(index) <= degree for index in self._axes)

    @cached_property
    def rule(self) -> tuple[np.ndarray, np.ndarray]:
        """Points and weights that make the polynomials orthonormal, and see some more degrees; pairs z, then −z."""
        if self.dimension <= _TENSOR:
            return mirrored(*tensor_rule(self.dimension, self.degree + 3))
        return mirrored(*sparse_rule(self.dimension, 2 * self.degree + 1))

    @property
    def points(self) -> np.ndarray:
        """Points of the quadrature, shape `(d, points)`."""
        return self.rule[0]

    @property
    def weights(self) -> np.ndarray:
        """Weights of the quadrature."""
        return self.rule[1]

    @cached_property
    def _halves(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which polynomials are even, and the even and odd ones at the first half of the points.

        At −z the even ones are the same and the odd ones the negatives: half the table says it all, and reading the
        table is what takes the time.
        """
        even = np.array([len(index) % 2 == 0 for index in self._axes])
        table = self.values(self.points[:, : self.points.shape[1] // 2])
        return even, np.ascontiguousarray(table[:, even]), np.ascontiguousarray(table[:, ~even])

    def values(self, z: np.ndarray) -> np.ndarray:
        """Every polynomial at points of shape `(d, N)`; shape `(N, size)`."""
        tables = np.stack([_hermite(axis, self.degree) for axis in z])
        result = np.empty((self.size, z.shape[1]))
        result[0] = 1.0
        for rows, parents, axes, powers in self._steps:
            result[rows] = result[parents] * tables[axes, powers]
        return result.T

    def project(self, values: np.ndarray) -> np.ndarray:
        """Coefficients of the projection of functions known at the points, shape `(points, …)`; `(size, …)`."""
        (even, ours, theirs), count = self._halves, len(values) // 2
        here, there = self.weights[:count, None] * values[:count], self.weights[count:, None] * values[count:]
        coefficients = np.empty((self.size, values.shape[1]))
        coefficients[even], coefficients[~even] = ours.T @ (here + there), theirs.T @ (here - there)
        return coefficients

    def expand(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Functions at the two halves of the points, from one row each of coefficients of the first polynomials.

        Args:
            rows: shape `(functions, k)`, k at most `size`.

        Returns:
            Values at z and at −z, shape `(functions, points/2)` each.
        """
        even, ours, theirs = self._halves
        even = even[: rows.shape[1]]
        both = rows[:, even] @ ours[:, : even.sum()].T
        apart = rows[:, ~even] @ theirs[:, : (~even).sum()].T
        return both + apart, both - apart

    @cached_property
    def gradient(self) -> Any:
        """Coefficients → coefficients of all first derivatives, one axis after another, up to one degree less."""
        return self._derivatives([(axis,) for axis in range(self.dimension)])

    @cached_property
    def hessian(self) -> Any:
        """Coefficients → coefficients of the second derivatives ∂_i ∂_j, i ≤ j, up to two degrees less."""
        return self._derivatives(list(combinations_with_replacement(range(self.dimension), 2)))

    def _derivatives(self, which: list[tuple[int, ...]]) -> Any:
        lower = self.count(self.degree - len(which[0]))
        rows, columns, values = [], [], []
        for number, axes in enumerate(which):
            for column, index in enumerate(self._axes):
                found = _derivative(index, axes)
                if found is not None:
                    rows.append(number * lower + self._place[found[0]])
                    columns.append(column)
                    values.append(found[1])
        return csr_matrix((values, (rows, columns)), shape=(len(which) * lower, self.size))

    def _recursion(self):
        """Groups of (rows, parents, axes, powers): each polynomial is its parent times one of its last variable."""
        groups: dict[int, list[tuple[int, int, int, int]]] = {}
        for row, index in enumerate(self._axes):
            if index:
                power = index.count(index[-1])
                parent = self._place[index[:-power]]
                groups.setdefault(len(set(index)), []).append((row, parent, index[-1], power))
        return [tuple(np.array(part) for part in zip(*groups[k], strict=True)) for k in sorted(groups)]


@lru_cache(maxsize=32)
def hermite_basis(dimension: int, degree: int) -> HermiteBasis:
    """A `HermiteBasis`, made once."""
    return HermiteBasis(dimension, degree)


def _derivative(index: tuple[int, ...], axes: tuple[int, ...]) -> tuple[tuple[int, ...], float] | None:
    """∂ h_α = factor h_β along the axes, by h_k' = √k h_{k−1}; None where it vanishes."""
    factor, left = 1.0, list(index)
    for axis in axes:
        if axis not in left:
            return None
        factor *= np.sqrt(left.count(axis))
        left.remove(axis)
    return tuple(left), factor


def _hermite(z: np.ndarray, degree: int) -> np.ndarray:
    """Normalized polynomials of one variable by the recurrence; shape `(degree + 1, N)`."""
    table = np.empty((degree + 1, len(z)))
    table[0] = 1.0
    if degree:
        table[1] = z
    for k in range(1, degree):
        table[k + 1] = (z * table[k] - np.sqrt(k) * table[k - 1]) / np.sqrt(k + 1)
    return table
