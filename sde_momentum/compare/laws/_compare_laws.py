"""Two samples of two laws: every distance that applies, and whether any of them is more than chance."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import ArrayLike, Float

from sde_momentum.compare.laws._distances import (
    checked_count,
    checked_pair,
    numpy_seed,
    real_sample,
    sliced_wasserstein,
    wasserstein_1d,
)
from sde_momentum.compare.laws._two_sample import TwoSampleTest, energy_distance, kolmogorov_smirnov, mmd
from sde_momentum.solvers._seed import Seed

_PAIRS = 4000


@dataclass(frozen=True)
class LawComparison:
    """Distances between two samples, and the p-values of three tests that their laws are one.

    Attributes:
        wasserstein_1: W₁ of each marginal, shape `(d,)`.
        wasserstein_2: W₂ of each marginal, shape `(d,)`.
        sliced_wasserstein_2: sliced W₂; in one dimension W₂ itself.
        within: the sliced W₂ between the halves of the first sample: what chance alone gives at half the size.
        energy: energy distance with a permutation null.
        mmd: squared maximum mean discrepancy with a permutation null.
        kolmogorov_smirnov: on the marginals, corrected for their number.
    """

    wasserstein_1: Float[np.ndarray, " d"]
    wasserstein_2: Float[np.ndarray, " d"]
    sliced_wasserstein_2: float
    within: float
    energy: TwoSampleTest
    mmd: TwoSampleTest
    kolmogorov_smirnov: TwoSampleTest

    @property
    def p_value(self) -> float:
        """Smallest p-value of the three tests, times three (Bonferroni)."""
        return min(1.0, 3 * min(t.p_value for t in (self.energy, self.mmd, self.kolmogorov_smirnov)))

    def __str__(self) -> str:
        marginal = f"W₁ ≤ {self.wasserstein_1.max():.4g} and W₂ ≤ {self.wasserstein_2.max():.4g} on marginals"
        return "\n".join(
            [
                f"two laws: p = {self.p_value:.3g} that they are one",
                f"  {marginal}, sliced W₂ {self.sliced_wasserstein_2:.4g} ({self.within:.4g} between halves of one)",
                f"  energy distance {self.energy}; MMD² {self.mmd}; Kolmogorov–Smirnov {self.kolmogorov_smirnov}",
            ]
        )


def compare_laws(first: ArrayLike, second: ArrayLike, *, permutations: int = 499, seed: Seed = 0) -> LawComparison:
    """Compare two samples by every distance of this package.

    Take them from `sample_law` at different seeds: the tests are for independent samples, and paths that share their
    noise are not. A p-value that is not small is no proof of equality; `equivalence` of moments can give one.

    Args:
        first: shape `(n, d)`, or `(n,)`.
        second: shape `(m, d)`, or `(m,)`; same unit.
        permutations: of the labels, for the energy distance and MMD.
        seed: of permutations, directions, and of the subsamples of 4 000 points that tests on pairs are limited to;
            an int or a JAX key.

    Returns:
        A `LawComparison`; print it.

    Raises:
        ValueError: samples of different dimension, empty, not finite or all at one point; no permutation; a seed
            outside [0, 2**64).
        TypeError: samples that are complex or no numbers, or a seed that is none.

    Example:
        >>> x, y = np.random.default_rng(0).standard_normal((2, 400, 2))
        >>> compare_laws(x, y).p_value > 0.05, compare_laws(x, 1.5 * y).p_value < 0.01
        (True, True)
    """
    x, y = real_sample(first, "first"), real_sample(second, "second")
    x, y = (sample[:, None] if sample.ndim == 1 else sample for sample in (x, y))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or len(x) < 2:
        raise ValueError(
            "first and second must have shapes (n, d) and (m, d) with one d and n at least 2, "
            f"got {x.shape} and {y.shape}"
        )
    x, y = checked_pair(x, y)
    count, seed = checked_count(permutations, "permutations"), numpy_seed(seed)
    if np.ptp(np.concatenate([x, y]), axis=0).max() == 0:
        raise ValueError("first and second are one and the same point: there is no law to compare, only that value")
    rng = np.random.default_rng(seed)
    small = [sample[rng.permutation(len(sample))[:_PAIRS]] for sample in (x, y)]
    half = len(x) // 2
    return LawComparison(
        wasserstein_1=np.array([wasserstein_1d(a, b) for a, b in zip(x.T, y.T, strict=True)]),
        wasserstein_2=np.array([wasserstein_1d(a, b, exponent=2) for a, b in zip(x.T, y.T, strict=True)]),
        sliced_wasserstein_2=sliced_wasserstein(x, y, seed=seed),
        within=sliced_wasserstein(x[:half], x[half:], seed=seed),
        energy=energy_distance(*small, permutations=count, seed=seed),
        mmd=mmd(*small, permutations=count, seed=seed),
        kolmogorov_smirnov=kolmogorov_smirnov(x, y),
    )
