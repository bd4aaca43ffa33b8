"""Measurements from paired differences of few pairs, with intervals of Student's t."""

import math

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.stats import norm, t

from sde_momentum.claims.evidence._claim import Measurement, measured
from sde_momentum.compare import Outcome, compare_to_bound, equivalence

_CONFIDENCE = 0.95  # of each side


def paired_differences(values: xr.DataArray, optimizer: str, reference: str) -> Float[np.ndarray, " pairs"]:
    """Optimizer minus reference, pair by pair; NaN stands for a pair that was not run, infinity for divergence."""
    difference = values.sel(optimizer=optimizer).values - values.sel(optimizer=reference).values
    run = ~np.isnan(values.sel(optimizer=[optimizer, reference]).values).any(axis=0)
    return difference[run]


def mean_and_error(differences: Float[np.ndarray, " pairs"]) -> tuple[float, float]:
    """Mean, and the standard error that gives a normal interval of level 95 % (one side) the width of Student's t."""
    number = len(differences)
    error = float(np.std(differences, ddof=1)) / math.sqrt(number)
    return float(np.mean(differences)), error * float(t.ppf(_CONFIDENCE, number - 1) / norm.ppf(_CONFIDENCE))


def interval(differences: Float[np.ndarray, " pairs"]) -> tuple[float, float, float]:
    """Mean and both ends of its interval; NaN if a pair diverged, or there are fewer than two."""
    if not _usable(differences):
        return math.nan, math.nan, math.nan
    mean, error = mean_and_error(differences)
    half = float(norm.ppf(_CONFIDENCE)) * error
    return mean, mean - half, mean + half


def equal_within(label: str, differences: Float[np.ndarray, " pairs"], margin: float, expected: str) -> Measurement:
    """Claim |mean difference| < margin; undecided if a pair diverged, or there are fewer than two."""
    if not _usable(differences):
        return _nothing(label, expected)
    return measured(label, equivalence(*mean_and_error(differences), margin, confidence=_CONFIDENCE), expected)


def negative(label: str, differences: Float[np.ndarray, " pairs"], expected: str) -> Measurement:
    """Claim mean difference < 0; undecided if a pair diverged, or there are fewer than two."""
    if not _usable(differences):
        return _nothing(label, expected)
    return measured(label, compare_to_bound(*mean_and_error(differences), below=0.0, confidence=_CONFIDENCE), expected)


def _usable(differences: np.ndarray) -> bool:
    return len(differences) > 1 and bool(np.all(np.isfinite(differences)))


def _nothing(label: str, expected: str) -> Measurement:
    return Measurement(label, math.nan, (math.nan, math.nan), expected, Outcome.UNDECIDED)
