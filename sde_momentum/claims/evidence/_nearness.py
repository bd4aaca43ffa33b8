"""Is a sampled number where the theory puts it? Five standard errors, and the limit of small learning rates."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from sde_momentum.claims.evidence._claim import Measurement, measured
from sde_momentum.compare import Outcome, compare_to_bound, equivalence

FIVE_SIGMA = float(norm.cdf(5))
"""Confidence of a one-sided statement that holds up to five standard errors."""

Estimate = tuple[float, float]
"""A number and its standard error."""


def near(label: str, estimate: Estimate, target: float, margin: float) -> Measurement:
    """Equivalence with a target: the interval of ±5 standard errors inside, outside, or across the margin."""
    value, error = estimate
    if not np.all(np.isfinite(estimate)):
        return _nothing(label, f"{target:.4g} ± {margin:.2g}")
    comparison = equivalence(value - target, error, margin, confidence=FIVE_SIGMA)
    found = measured(label, comparison, f"{target:.4g} ± {margin:.2g}")
    low, high = found.interval
    return Measurement(label, value, (low + target, high + target), found.expected, found.outcome)


def bounded(label: str, estimate: Estimate, *, below: float | None = None, above: float | None = None) -> Measurement:
    """A number below, above or between bounds, with its whole interval of ±5 standard errors."""
    bounds = {"above": above, "below": below}
    expected = " and ".join(f"{word} {bound:.4g}" for word, bound in bounds.items() if bound is not None)
    if not np.all(np.isfinite(estimate)):
        return _nothing(label, expected)
    comparison = compare_to_bound(*estimate, below=below, above=above, confidence=FIVE_SIGMA)
    return measured(label, comparison, expected)


def _nothing(label: str, expected: str) -> Measurement:
    """A run that diverged, or too few samples for an error: nothing was measured."""
    return Measurement(label, math.nan, (math.nan, math.nan), expected, Outcome.UNDECIDED)


def at_zero(rates: Sequence[float], values: Sequence[float], errors: Sequence[float]) -> Estimate:
    """The value at learning rate zero: the polynomial through the values at all learning rates, with its error.

    A law that holds up to O(η) with a smooth remainder is met by n learning rates up to O(ηⁿ).

    Args:
        rates: learning rates, all different.
        values: estimates at these rates.
        errors: their standard errors; the estimates are independent.
    """
    points = np.asarray(rates, float)
    weights = [np.prod([other / (other - rate) for other in points if other != rate]) for rate in points]
    return float(np.dot(weights, values)), float(np.linalg.norm(np.asarray(weights) * errors))


def mean_of(samples: Sequence[float]) -> Estimate:
    """The mean of independent numbers, with its standard error."""
    array = np.asarray(samples, float)
    return float(array.mean()), float(array.std(ddof=1) / np.sqrt(array.size))


def ratio_of(top: Estimate, bottom: Estimate) -> Estimate:
    """|top/bottom| of independent estimates, with the error of the delta method."""
    value = abs(top[0] / bottom[0])
    return value, value * float(np.hypot(top[1] / top[0], bottom[1] / bottom[0]))
