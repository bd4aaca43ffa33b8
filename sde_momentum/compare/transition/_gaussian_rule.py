"""Points and weights whose weighted sums are expectations of polynomials under a standard normal law."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, combinations_with_replacement, product
from math import factorial, prod

import numpy as np
from numpy.polynomial import hermite_e

# Nested nodes on a line: 1, 3, 9 and 19 of them are exact to degrees 1, 5, 15 and 29.
_HALF = (1.73205080756887729, 0.741095349994540853, 2.86127957605705818, 4.18495601767273229, 1.23042363402730603,
         2.59608311504920231, 3.20533379449919442, 5.18701603991365623, 6.36339449433636961)  # fmt: skip
_NODES = np.array([0.0, *(sign * node for node in _HALF for sign in (1, -1))])
# Level from which a larger rule serves → nodes before and after; the rule at level k is exact to degree 2k + 1.
_GROWTH = {1: (1, 3), 3: (3, 9), 8: (9, 19)}
HIGHEST_SPARSE = 29


def tensor_rule(dimension: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The product of Gauss–Hermite rules, exact to degree 2 count − 1 in every variable.

    Args:
        dimension: number of variables d.
        count: points per axis.

    Returns:
        Points of shape `(d, count^d)`, and positive weights.
    """
    nodes, weights = hermite_e.hermegauss(count)
    points = np.array(np.meshgrid(*[nodes] * dimension, indexing="ij")).reshape(dimension, -1)
    mesh = np.meshgrid(*[weights / weights.sum()] * dimension, indexing="ij")
    return points, np.prod(np.array(mesh), axis=0).ravel()


def mirrored(points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A rule whose points come in pairs ±z, sorted: first one of each pair, then their negatives in the same order.

    The origin, if it is a point, becomes a pair with half its weight each.

    Args:
        points: shape `(d, N)`.
        weights: shape `(N,)`.
    """
    rounded = np.round(points, 9) + 0.0
    first = np.argmax(rounded != 0, axis=0)  # the first coordinate that is not zero says which of a pair this is
    leading = np.take_along_axis(rounded, first[None], axis=0)[0]
    half = np.concatenate([np.flatnonzero(leading > 0), np.flatnonzero(leading == 0)])
    shares = np.where(leading[half] > 0, weights[half], weights[half] / 2)
    return np.concatenate([points[:, half], -points[:, half]], axis=1), np.tile(shares, 2)


@lru_cache(maxsize=16)
def sparse_rule(dimension: int, degree: int) -> tuple[np.ndarray, np.ndarray]:
    r"""A sparse grid, exact for polynomials of bounded *total* degree: polynomially many points in the dimension.

    Smolyak's sum $\sum_{|k| \le K} \Delta_{k_1}\otimes\dots\otimes\Delta_{k_d}$ of differences of nested rules on a
    line, K = (degree − 1)/2. One rule serves several levels, so that most differences vanish. Some weights are
    negative.

    Args:
        dimension: number of variables d.
        degree: total degree, at most 29.

    Returns:
        Points of shape `(d, N)`, and weights that sum to one.

    Example:
        >>> points, weights = sparse_rule(12, 7)
        >>> points.shape, round(float(weights @ (points[0] * points[1] * points[2]) ** 2), 12)
        ((12, 2121), 1.0)

    References:
        Genz and Keister, *Journal of Computational and Applied Mathematics* 71 (1996), the nodes.
    """
    if not 1 <= degree <= HIGHEST_SPARSE:
        raise ValueError(f"degree must be 1 to {HIGHEST_SPARSE}, got {degree}")
    tables, weights = [np.zeros((1, dimension), np.int8)], [np.ones(1)]
    for levels in _levels((degree - 1) // 2, dimension):
        parts = [_difference(*_GROWTH[level]) for level in levels]
        choices = np.array(list(product(*(range(len(part)) for part in parts))), np.int8)
        share = np.prod(np.array(np.meshgrid(*parts, indexing="ij")), axis=0).ravel()
        for axes in _placements(tuple(range(dimension)), levels):
            table = np.zeros((len(choices), dimension), np.int8)
            table[:, axes] = choices
            tables.append(table)
            weights.append(share)
    return _merged(np.concatenate(tables), np.concatenate(weights))


def sparse_size(dimension: int, degree: int) -> int:
    """How many points `sparse_rule` has at most, without making them."""
    fresh = {level: after - before for level, (before, after) in _GROWTH.items()}
    count = 1
    for levels in _levels((degree - 1) // 2, dimension):
        places = factorial(dimension) // factorial(dimension - len(levels))
        for level in set(levels):
            places //= factorial(levels.count(level))
        count += places * prod(fresh[level] for level in levels)
    return count


def _levels(total: int, count: int) -> list[tuple[int, ...]]:
    """Multisets of levels with a difference that does not vanish, up to a sum and a number of them."""
    found = (levels for size in range(1, count + 1) for levels in combinations_with_replacement(_GROWTH, size)
             if size <= total)  # fmt: skip
    return [levels for levels in found if sum(levels) <= total]


def _placements(axes: tuple[int, ...], levels: tuple[int, ...]) -> Iterator[list[int]]:
    """Every way to give the levels different axes, equal levels counted once."""
    if not levels:
        yield []
        return
    equal = levels.count(levels[0])
    for chosen in combinations(axes, equal):
        rest = tuple(axis for axis in axes if axis not in chosen)
        for others in _placements(rest, levels[equal:]):
            yield [*chosen, *others]


def _merged(table: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each point once, with the sum of its weights."""
    rows = table.view(np.dtype((np.void, table.shape[1]))).ravel()
    _, first, place = np.unique(rows, return_index=True, return_inverse=True)
    total = np.bincount(place.ravel(), weights)
    kept = np.abs(total) > 1e-15
    return _NODES[table[first[kept]]].T, total[kept]


def _difference(before: int, after: int) -> np.ndarray:
    """Weights of the larger rule less those of the smaller one, on the nodes of the larger."""
    weights = _weights(after)
    weights[:before] -= _weights(before)
    return weights


def _weights(count: int) -> np.ndarray:
    """The weights that integrate polynomials of degree below `count` on the first nodes exactly."""
    mean = np.eye(count)[0]  # Hermite polynomials beyond the constant average to zero.
    return np.linalg.solve(hermite_e.hermevander(_NODES[:count], count - 1).T, mean)
