"""Numbers are where the theory puts them, elsewhere, or nobody knows."""

import math

import numpy as np
import pytest

from sde_momentum.claims.evidence._claim import expected_to_fail
from sde_momentum.claims.evidence._nearness import at_zero, bounded, mean_of, near, ratio_of
from sde_momentum.compare import Outcome


@pytest.mark.parametrize(
    ("estimate", "outcome"),
    [
        ((1.01, 0.001), Outcome.SUPPORTED),
        ((1.01, 0.05), Outcome.UNDECIDED),
        ((1.30, 0.01), Outcome.NOT_SUPPORTED),
        ((math.nan, 0.0), Outcome.UNDECIDED),
        ((1.0, math.inf), Outcome.UNDECIDED),
    ],
)
def test_near_has_three_answers(estimate, outcome):
    """The interval of ±5 standard errors is inside the margin, across it, or outside; a divergence decides nothing."""
    assert near("x", estimate, 1.0, 0.1).outcome is outcome


def test_bounds():
    """A number is above or below a bound with its whole interval."""
    assert bounded("x", (0.5, 0.01), below=0.6).outcome is Outcome.SUPPORTED
    assert bounded("x", (0.5, 0.03), below=0.6).outcome is Outcome.UNDECIDED
    assert bounded("x", (0.5, 0.01), above=0.6).outcome is Outcome.NOT_SUPPORTED
    assert bounded("x", (math.nan, 0.01), above=0.6).outcome is Outcome.UNDECIDED


def test_controls_are_supported_by_refutation():
    """A control that is found to hold contradicts the claim; one that is undecided leaves it open."""
    for (value, error), outcome in {
        (1.0, 0.001): Outcome.NOT_SUPPORTED,
        (2.0, 0.001): Outcome.SUPPORTED,
        (1.1, 0.01): Outcome.UNDECIDED,
    }.items():
        assert expected_to_fail(near("x", (value, error), 1.0, 0.1), "wrong").outcome is outcome


def test_extrapolation_is_exact_on_polynomials():
    """N learning rates determine a polynomial of degree n − 1; its error is the norm of the weighted errors."""
    rates = np.array([0.08, 0.04, 0.02])
    value, error = at_zero(rates, 3 + 2 * rates - 7 * rates**2, np.array([0.1, 0.2, 0.3]))
    assert math.isclose(value, 3, rel_tol=1e-12)
    # Lagrange weights of halved learning rates at zero: 1/3, −2, 8/3.
    assert math.isclose(error, math.hypot(0.1 / 3, 0.4, 0.8), rel_tol=1e-12)


def test_extrapolated_errors_cover_the_spread():
    """The stated error is the spread of repeated extrapolations."""
    generator = np.random.default_rng(0)
    rates, errors = np.array([0.1, 0.05]), np.array([0.01, 0.02])
    found = [at_zero(rates, 1 + rates + errors * generator.normal(size=2), errors) for _ in range(2000)]
    spread = np.std([value for value, _ in found])
    assert abs(spread / found[0][1] - 1) < 5 / math.sqrt(4000)


def test_ratios_and_means():
    """The delta method and the standard error of the mean have their spreads."""
    generator = np.random.default_rng(1)
    tops, bottoms = 1 + 0.01 * generator.normal(size=4000), -2 + 0.04 * generator.normal(size=4000)
    value, error = ratio_of((1.0, 0.01), (-2.0, 0.04))
    assert value == 0.5
    assert abs(np.std(tops / bottoms) / error - 1) < 5 / math.sqrt(8000) + 0.01
    mean, error = mean_of([1.0, 2.0, 3.0, 4.0])
    assert mean == 2.5
    assert math.isclose(error, math.sqrt(5 / 3) / 2)
