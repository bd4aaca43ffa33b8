"""Distances between samples: transport along the line and along random directions."""

import reprlib
from operator import index

import numpy as np
from scipy.stats import wasserstein_distance

from sde_momentum.solvers._seed import Seed, seed_words


def wasserstein_1d(first, second, *, exponent=1):
    r"""Wasserstein distance of two samples on the line.

    $$W_p^p = \int_0^1 |F^{-1}(u) - G^{-1}(u)|^p\,du,$$

    exact for the empirical laws. Two samples of the same law are not at distance zero but at $O(n^{-1/2})$: compare
    with the distance of two halves of one sample before reading anything into it.

    Args:
        first: shape `(n,)`.
        second: shape `(m,)`, sizes may differ; unit of `first`.
        exponent: $p \ge 1$; infinity for the largest distance that a quantile moves.

    Returns:
        The distance, a float in the unit of the samples.

    Raises:
        ValueError: samples that are empty, not finite or not one-dimensional; an exponent below one.
        TypeError: samples that are complex or no numbers.

    Example:
        >>> wasserstein_1d([0.0, 1.0], [2.0, 3.0]), wasserstein_1d([0.0, 0.0], [0.0, 2.0], exponent=2)
        (2.0, 1.4142135623730951)

    References:
        Peyré and Cuturi, *Computational Optimal Transport* (2019), equation (2.37).
    """
    x, y = (_checked(sample, name, 1) for sample, name in ((first, "first"), (second, "second")))
    p = _checked_exponent(exponent)
    if p == 1:
        return float(wasserstein_distance(x, y))
    return _mean_power([_moves(np.sort(x), np.sort(y))], p)


def sliced_wasserstein(first, second, *, exponent=2, directions=128, seed=0):
    r"""Sliced Wasserstein distance: the mean over random directions of the one-dimensional distances.

    $$SW_p^p = \frac1D\sum_{d=1}^D W_p^p(\theta_d\cdot X,\ \theta_d\cdot Y),$$

    with $\theta_d$ uniform on the sphere.

    Args:
        first: shape `(n, dimension)`, or `(n,)`.
        second: shape `(m, dimension)`, or `(m,)`.
        exponent: $p \ge 1$; infinity for the largest distance over the directions.
        directions: number of directions, at least one.
        seed: of the directions, which are the only random thing; an int or a JAX key.

    Returns:
        The distance, a float in the unit of the samples.

    Raises:
        ValueError: samples of different dimension, no direction, a seed outside [0, 2**64), and what `wasserstein_1d`
            refuses.
        TypeError: as `wasserstein_1d`, or a seed that is none.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((500, 3))
        >>> round(sliced_wasserstein(x, x + [3.0, 0, 0]), 2)  # √(E (3θ₁)²) = √3, up to the directions
        1.86

    References:
        Bonneel, Rabin, Peyré and Pfister, *Journal of Mathematical Imaging and Vision* 51 (2015).
    """
    x, y = checked_pair(first, second)
    p, count = _checked_exponent(exponent), checked_count(directions, "directions")
    theta = np.random.default_rng(numpy_seed(seed)).standard_normal((count, x.shape[1]))
    theta /= np.linalg.norm(theta, axis=1, keepdims=True)
    return _mean_power([_moves(np.sort(x @ t), np.sort(y @ t)) for t in theta], p)


def _moves(x, y):
    """|F⁻¹ − G⁻¹| of two sorted samples and its weights, on the common refinement of their steps."""
    if len(x) == len(y):
        return np.abs(x - y), np.full(len(x), 1 / len(x))
    levels = np.union1d(np.arange(1, len(x) + 1) / len(x), np.arange(1, len(y) + 1) / len(y))
    middle = levels - np.diff(levels, prepend=0.0) / 2
    difference = x[(middle * len(x)).astype(int)] - y[(middle * len(y)).astype(int)]
    return np.abs(difference), np.diff(levels, prepend=0.0)


def _mean_power(moves, exponent):
    """(mean over directions of ∫ |F⁻¹ − G⁻¹|^p)^{1/p}, in units of the largest move, so that no power overflows."""
    largest = max(float(distance.max()) for distance, _ in moves)
    if largest == 0 or np.isinf(exponent):
        return largest
    costs = [weight @ (distance / largest) ** exponent for distance, weight in moves]
    return float(largest * np.mean(costs) ** (1 / exponent))


def _checked_exponent(exponent):
    try:
        value = float("nan") if isinstance(exponent, bool | np.bool_ | str) else float(exponent)
    except (TypeError, ValueError):
        value = float("nan")
    if not value >= 1:
        raise ValueError(f"exponent must be a number of at least 1, got {exponent!r}: pass 1, 2 or infinity")
    return value


def checked_count(number, name):
    """A whole number of at least one."""
    try:
        count = 0 if isinstance(number, bool | np.bool_) else index(number)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {number!r}: take a few hundred")
    return count


def real_sample(sample, name):
    """A sample as an array of doubles.

    Raises:
        TypeError: it is complex or no number at all.
    """
    array = np.asarray(sample)
    if array.dtype.kind == "c":
        raise TypeError(f"{name} must be a sample of real numbers, got dtype {array.dtype}: pass parts as components")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be a sample of real numbers, got {reprlib.repr(sample)}")
    return array.astype(float)


def checked_pair(first, second):
    """Two samples of one dimension, of shapes `(n, d)` and `(m, d)`."""
    x, y = real_sample(first, "first"), real_sample(second, "second")
    x, y = (sample[:, None] if sample.ndim == 1 else sample for sample in (x, y))
    x, y = _checked(x, "first", 2), _checked(y, "second", 2)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"first and second must have the same dimension, got {x.shape[1]} and {y.shape[1]}")
    return x, y


def numpy_seed(seed: Seed) -> int:
    """The seeds of this package as those of NumPy's generators: integers as they are, JAX keys by their two words."""
    high, low = seed_words(seed)
    return (int(high) << 32) | int(low)


def _checked(sample, name, axes):
    array = real_sample(sample, name)
    if array.ndim != axes or not array.size:
        raise ValueError(f"{name} must be a sample with {axes} axes that is not empty, got shape {array.shape}")
    if not np.all(np.isfinite(array)):
        count = int((~np.isfinite(array)).sum())
        raise ValueError(f"{name} holds {count} values that are not finite: count diverged paths before comparing laws")
    return array
