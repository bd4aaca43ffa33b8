"""Three-way outcomes: false statements stay within their level, and no claim wins by silence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from sde_momentum.compare import Outcome, compare_to_bound, equivalence, plan_samples


def test_equivalence_level_at_the_edge_of_the_margin():
    """With the true difference on the margin, equality is claimed in 5 % of trials and no more."""
    rng = np.random.default_rng(0)
    differences = 1.0 + 0.1 * rng.standard_normal(4000)
    claimed = sum(equivalence(d, 0.1, 1.0).outcome is Outcome.SUPPORTED for d in differences)
    assert binom.ppf(norm.cdf(-5), 4000, 0.05) <= claimed <= binom.ppf(norm.cdf(5), 4000, 0.05)


def test_no_evidence_is_not_evidence():
    """Negative control: a difference of zero with a large error is undecided, not supported."""
    assert equivalence(0.0, 10.0, 1.0).outcome is Outcome.UNDECIDED
    assert equivalence(0.0, 0.1, 1.0).outcome is Outcome.SUPPORTED
    assert equivalence(-3.0, 0.1, 1.0).outcome is Outcome.NOT_SUPPORTED


@given(st.floats(-5, 5), st.floats(0, 3), st.floats(0.01, 4))
def test_equivalence_is_symmetric(difference, standard_error, margin):
    """The sign of a difference does not matter."""
    forward = equivalence(difference, standard_error, margin).outcome
    assert forward is equivalence(-difference, standard_error, margin).outcome


def test_bounds():
    """Below, above and between, with exact numbers too."""
    assert compare_to_bound(1.0, 0.0, below=1.5).outcome is Outcome.SUPPORTED
    assert compare_to_bound(1.0, 0.0, above=1.5).outcome is Outcome.NOT_SUPPORTED
    assert compare_to_bound(1.0, 1.0, above=0.5, below=1.5).outcome is Outcome.UNDECIDED


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: equivalence(0, 1, -1), "margin"),
        (lambda: equivalence(0, -1, 1), "negative"),
        (lambda: equivalence(float("nan"), 1, 1), "finite"),
        (lambda: equivalence(0, 1, 1, confidence=0.3), "confidence"),
        (lambda: compare_to_bound(0, 1), "needs a bound"),
        (lambda: compare_to_bound(0, 1, above=2, below=1), "less than"),
    ],
)
def test_bad_input_is_refused(call, message):
    """Structural faults raise and name the argument."""
    with pytest.raises(ValueError, match=message):
        call()


def test_plan_reaches_its_target():
    """Drawing with the planned sizes gives the wanted ratio of error and standard error."""
    eta = np.array([0.2, 0.1, 0.05, 0.025])
    plan = plan_samples(eta, eta**2, 1e-4, 1000, 0.01 / eta, target_snr=25, budget_seconds=1e6)
    assert plan.reaches_target
    assert np.all(np.array(plan.expected_snr) >= 24.99)
    deviation = 1e-4 * np.sqrt(1000 / np.array(plan.paths))
    assert eta[-1] ** 2 / deviation[-1] == pytest.approx(25, rel=1e-3)


def test_plan_extrapolates_what_the_pilot_cannot_see():
    """An error below its noise is taken from the power law of the others, so its paths grow as the law asks."""
    eta = np.array([0.4, 0.2, 0.1, 0.05])
    errors = np.array([0.16, 0.04, 0.0101, 0.0001])
    plan = plan_samples(eta, errors, 0.002, 1000, 1.0, target_snr=20, budget_seconds=1e9)
    assert plan.paths[-1] == pytest.approx(1000 * (20 * 0.002 / 0.0025) ** 2, rel=0.1)


def test_plan_keeps_to_its_budget():
    """A budget that does not suffice shrinks all sample sizes, and the plan says so."""
    eta = np.array([0.2, 0.1, 0.05, 0.025])
    plan = plan_samples(eta, eta**2, 1e-3, 1000, 1.0, target_snr=50, budget_seconds=10)
    assert sum(plan.seconds) <= 10.1
    assert not plan.reaches_target
    assert "not reached" in str(plan)


def test_plan_refuses_exact_errors():
    """A plan divides by standard errors, so they must be positive."""
    with pytest.raises(ValueError, match="exact errors need no plan"):
        plan_samples([0.2, 0.1], [1, 1], 0.0, 10, 1.0)
