"""Polynomials of many variables evaluated and averaged as bilinear forms in monomials of half their degree."""

from functools import lru_cache
from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np
from numpy.polynomial import hermite_e
from scipy.sparse import csr_matrix


class HalvedForm:
    r"""Every monomial of degree p is a product of one of degree ⌈p/2⌉ and one of degree ⌊p/2⌋: $u(z) = a(z)^T C\,b(z)$.

    One product of matrices in place of a table of all polynomials at all points, which is long and used once.

    Args:
        dimension: number of variables d.
        degree: largest total degree p.
    """

    def __init__(self, dimension: int, degree: int):
        self.halves = tuple(_monomials(dimension, k) for k in (degree - degree // 2, degree // 2))
        self.shape = tuple(len(half) for half in self.halves)
        self.split = _split(dimension, degree, self.halves)

    def matrix(self, coefficients: np.ndarray) -> np.ndarray:
        """C of functions with Hermite coefficients of shape `(size, functions)`; shape `(a, b · functions)`."""
        return (self.split @ coefficients).reshape(self.shape[0], -1)

    def values(self, matrix: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The functions at points of shape `(d, N)`; shape `(N, functions)`."""
        first = _powers(self.halves[0], z)
        inner = (matrix.T @ first).reshape(self.shape[1], -1, z.shape[1])
        return np.einsum("bq,bfq->qf", first[: self.shape[1]], inner)

    def moments(self, values: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Sums over the points of values, shape `(N, functions)`, times every Hermite polynomial."""
        first = _powers(self.halves[0], z)
        weighted = values.T[None] * first[: self.shape[1], None]
        sums = first @ weighted.reshape(-1, z.shape[1]).T
        return self.split.T @ sums.reshape(self.split.shape[0], -1)


@lru_cache(maxsize=8)
def halved_form(dimension: int, degree: int) -> HalvedForm:
    """A `HalvedForm`, made once."""
    return HalvedForm(dimension, degree)


def _monomials(dimension: int, degree: int) -> list[tuple[int, ...]]:
    """Monomials as the axes of their factors, sorted by degree."""
    axes = range(dimension)
    return [index for k in range(degree + 1) for index in combinations_with_replacement(axes, k)]


def _powers(indices: list[tuple[int, ...]], z: np.ndarray) -> np.ndarray:
    """Every monomial at the points, shape `(monomials, N)`; each is a shorter one times its last factor."""
    place = {index: row for row, index in enumerate(indices)}
    table = np.empty((len(indices), z.shape[1]))
    table[0] = 1.0
    for row, index in enumerate(indices[1:], 1):
        np.multiply(table[place[index[:-1]]], z[index[-1]], out=table[row])
    return table


def _split(dimension: int, degree: int, halves: tuple) -> Any:
    """From Hermite coefficients to entries of C."""
    places = [{index: row for row, index in enumerate(half)} for half in halves]
    rows, columns, values = [], [], []
    for column, index in enumerate(_monomials(dimension, degree)):
        for monomial, value in _expanded(index):
            cut = min(len(monomial), degree - degree // 2)
            rows.append(places[0][monomial[:cut]] * len(halves[1]) + places[1][monomial[cut:]])
            columns.append(column)
            values.append(value)
    return csr_matrix((values, (rows, columns)), shape=(len(halves[0]) * len(halves[1]), columns[-1] + 1))


def _expanded(index: tuple[int, ...]) -> list[tuple[tuple[int, ...], float]]:
    """A normalized Hermite polynomial in monomials."""
    axes = sorted(set(index))
    factors = []
    for axis in axes:
        power = index.count(axis)
        series = hermite_e.herme2poly(np.eye(power + 1)[power]) / np.sqrt(float(_factorial(power)))
        factors.append([(k, value) for k, value in enumerate(series) if value])
    found = []
    for choice in product(*factors):
        monomial = tuple(axis for axis, (k, _) in zip(axes, choice, strict=True) for _ in range(k))
        found.append((monomial, float(np.prod([value for _, value in choice]))))
    return found


def _factorial(n: int) -> int:
    return int(np.prod(np.arange(1, n + 1)))
