"""Two-sample tests with a stated null: energy distance and MMD by permutation, Kolmogorov–Smirnov on marginals."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.stats import ks_2samp

from sde_momentum.compare.laws._distances import checked_count, checked_pair, numpy_seed
from sde_momentum.compare.question._arguments import real_number

_LARGEST = 8000


@dataclass(frozen=True)
class TwoSampleTest:
    """A distance between two samples, and how often it is as large when there is no difference.

    Attributes:
        statistic: the distance.
        p_value: probability of at least this statistic if both samples have one law.
        null_quantile: 95 % quantile of the statistic under the null; NaN where the null is not sampled.
    """

    statistic: float
    p_value: float
    null_quantile: float

    def __str__(self):
        return f"{self.statistic:.4g}, p = {self.p_value:.3g}"


def energy_distance(first, second, *, permutations=499, seed=0):
    r"""Energy distance of two samples in any dimension, with a permutation null.

    $$\mathcal{E} = 2\,E|X - Y| - E|X - X'| - E|Y - Y'| \ge 0,$$

    zero if and only if the laws are equal; means are over all pairs, those of a point with itself among them.

    Args:
        first: shape `(n, dimension)`, or `(n,)`.
        second: shape `(m, dimension)`, or `(m,)`; n + m at most 8 000, for all pairs are formed.
        permutations: of the labels, at least one; the smallest p-value is 1/(permutations + 1).
        seed: of the permutations; an int or a JAX key.

    Returns:
        A `TwoSampleTest`; the statistic has the unit of the samples.

    Raises:
        ValueError: samples of different dimension, too large, empty or not finite; no permutation; a seed outside
            [0, 2**64).
        TypeError: samples that are complex or no numbers, or a seed that is none.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((200, 2))
        >>> energy_distance(x[:100], x[100:] + 1.0).p_value
        0.002

    References:
        Székely and Rizzo, *Journal of Statistical Planning and Inference* 143 (2013), equation (2).
    """
    x, y = _pair(first, second)
    count, seed = checked_count(permutations, "permutations"), numpy_seed(seed)
    pooled = np.concatenate([x, y])
    return _permutation_test(-cdist(pooled, pooled), len(x), count, seed)


def mmd(first, second, *, bandwidth=None, permutations=499, seed=0):
    r"""Squared maximum mean discrepancy with a Gaussian kernel, with a permutation null.

    The biased V-statistic, means over all pairs with the pairs of a point with itself: it is never negative, and of
    size $O(1/n)$ where the laws are equal, which the permutations share.

    $$\mathrm{MMD}^2 = E\,k(X,X') + E\,k(Y,Y') - 2E\,k(X,Y),\qquad k(x,y) = e^{-|x-y|^2/2\ell^2}.$$

    Args:
        first: shape `(n, dimension)`, or `(n,)`.
        second: shape `(m, dimension)`, or `(m,)`; n + m at most 8 000.
        bandwidth: ℓ, in the unit of the samples; the median distance of the pooled sample by default.
        permutations: of the labels.
        seed: of the permutations.

    Returns:
        A `TwoSampleTest`.

    Raises:
        ValueError: as `energy_distance`, or a bandwidth that is not positive and finite.
        TypeError: as `energy_distance`, or a bandwidth that is no number.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((200, 2))
        >>> mmd(x[:100], x[100:]).p_value > 0.05
        True

    References:
        Gretton et al., *Journal of Machine Learning Research* 13 (2012), equation (3).
    """
    x, y = _pair(first, second)
    count, seed = checked_count(permutations, "permutations"), numpy_seed(seed)
    pooled = np.concatenate([x, y])
    width = float(np.median(pdist(pooled))) if bandwidth is None else real_number(bandwidth, "bandwidth")
    if bandwidth is None and width == 0:
        raise ValueError(
            "the median distance of the pooled sample is zero, for many of its points are equal: mmd needs a bandwidth"
        )
    if not 0 < width < np.inf:
        raise ValueError(f"bandwidth must be positive and finite, got {bandwidth}: None takes the median distance")
    return _permutation_test(np.exp(-cdist(pooled, pooled, "sqeuclidean") / (2 * width**2)), len(x), count, seed)


def kolmogorov_smirnov(first, second):
    """Kolmogorov–Smirnov test on every marginal, the smallest p-value corrected for their number (Bonferroni).

    Args:
        first: shape `(n, dimension)`, or `(n,)`.
        second: shape `(m, dimension)`, or `(m,)`.

    Returns:
        A `TwoSampleTest` of the marginal that differs most; no null is sampled.

    Raises:
        ValueError: samples of different dimension, empty or not finite.
        TypeError: samples that are complex or no numbers.

    Example:
        >>> kolmogorov_smirnov(np.arange(50.0), np.arange(50.0)).p_value
        1.0
    """
    x, y = _pair(first, second, largest=None)
    # scipy's result unpacks into the statistic and the p-value.
    results = [tuple(ks_2samp(a, b)) for a, b in zip(x.T, y.T, strict=True)]
    statistic, p_value = min(results, key=lambda result: result[1])
    return TwoSampleTest(float(statistic), float(min(1.0, p_value * len(results))), float("nan"))


def _permutation_test(kernel, size, permutations, seed):
    """Statistic E k(X,X') + E k(Y,Y') − 2 E k(X,Y) under the labels given and under random ones."""
    total = len(kernel)
    rng = np.random.default_rng(seed)
    labels = np.zeros((total, permutations + 1))
    labels[:size, 0] = 1
    for column in range(1, permutations + 1):
        labels[rng.permutation(total)[:size], column] = 1
    rest = 1 - labels
    toward = kernel @ labels
    within, across = np.einsum("ip,ip->p", labels, toward), np.einsum("ip,ip->p", rest, toward)
    other = kernel.sum() - within - 2 * across
    count = total - size
    statistic = within / size**2 + other / count**2 - 2 * across / (size * count)
    # A permutation that reproduces the split must count as equal, whatever the rounding.
    exceeding = int((statistic[1:] >= statistic[0] * (1 - 1e-12)).sum())
    return TwoSampleTest(
        float(statistic[0]), (1 + exceeding) / (permutations + 1), float(np.quantile(statistic[1:], 0.95))
    )


def _pair(first, second, largest: int | None = _LARGEST):
    x, y = checked_pair(first, second)
    if largest is not None and len(x) + len(y) > largest:
        raise ValueError(
            f"{len(x) + len(y)} points make too many pairs, at most {largest}: pass a subsample, or use "
            "sliced_wasserstein"
        )
    return x, y
