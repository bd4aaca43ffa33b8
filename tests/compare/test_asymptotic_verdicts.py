"""What is confirmed has an order of the grading; what passes through a zero, or vanishes, is said to."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from sde_momentum.compare import Verdict, fit_order, judge, weak_error
from sde_momentum.compare.orders._order_profile import HIGHEST_ORDER
from sde_momentum.compare.orders._verdict import judge_observables
from sde_momentum.optimizers import sgd
from sde_momentum.problems import double_well, linear, quadratic
from sde_momentum.symbolic import LEARNING_RATE, modified_equation

ETA = np.array([0.1, 0.05, 0.025, 0.0125])
SETTING = {"t1": 2.0, "learning_rates": tuple(ETA)}


@pytest.mark.parametrize("share", [1e-2, 1e-3])
@pytest.mark.parametrize("unit", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("claimed", [1, 2])
def test_an_error_on_its_way_through_a_zero_confirms_nothing(share, unit, claimed):
    """The error η² − share·η has order 1, but none of the grading at these learning rates: not asymptotic yet."""
    fit = fit_order(ETA, ETA**2 - share * ETA, 0.0, learning_rate_unit=unit, claimed_order=claimed)
    assert fit.order > 2.09
    assert fit.verdict is Verdict.NOT_ASYMPTOTIC


def test_a_local_order_that_runs_away_is_not_settled():
    """The interval that a short unit widens to hold an order of the grading confirms nothing all the same."""
    fit = fit_order(ETA, ETA**2 - 0.01 * ETA, 0.0, learning_rate_unit=0.1, claimed_order=2)
    assert fit.interval[0] < 4 < fit.interval[1]
    assert fit.verdict is Verdict.NOT_ASYMPTOTIC


def test_near_the_unit_nothing_is_confirmed():
    """Learning rates from the unit down give an interval of a whole power of η, which confirms no order."""
    for errors in (ETA, ETA + 1e-4):
        assert fit_order(ETA, errors, 0.0, learning_rate_unit=0.1, claimed_order=1).verdict is Verdict.NOT_ASYMPTOTIC
        assert fit_order(ETA / 10, errors, 0.0, learning_rate_unit=0.1, claimed_order=1).order > 0.9


@pytest.mark.parametrize("share", [3e-4, 1e-3, 1e-2])
def test_a_lower_order_about_to_show_confirms_nothing(share):
    """η(1 + 0.1η) + share has order 0, of which two percent and more show at these learning rates."""
    fit = fit_order(ETA, ETA * (1 + 0.1 * ETA) + share, 0.0, claimed_order=1)
    assert fit.verdict is not Verdict.CONFIRMED
    assert fit_order(ETA, ETA * (1 + 0.1 * ETA), 0.0, claimed_order=1).verdict is Verdict.CONFIRMED


def test_smaller_learning_rates_are_the_remedy():
    """The same error at learning rates beyond its zero has order 1, and refutes order 2."""
    eta = 1e-3 * 2.0 ** -np.arange(4)
    fit = fit_order(eta, eta**2 - 0.01 * eta, 0.0, learning_rate_unit=0.01)
    assert judge(fit, 1) is Verdict.CONFIRMED
    assert judge(fit, 2) is Verdict.REFUTED


@pytest.mark.parametrize(
    ("errors", "exponent", "claimed"),
    [
        (ETA**2 * (1 + ETA), 1.0, 2),
        (ETA**3 * (1 - ETA), 1.0, 2),  # An observable that converges faster than claimed.
        (ETA * (1 + np.sqrt(ETA)), 0.5, 1),
        (ETA**1.5 * (1 - np.sqrt(ETA) + ETA), 0.5, 1),
        (ETA**2 * (1 - 4 * ETA), 1.0, 2),  # Past a zero at 0.25: the local order comes to rest.
        (ETA**0.75 * (1 + ETA**0.25), 0.25, 0.375),  # A bound that is not sharp, (1 − α)/2 for an order 1 − α.
        (ETA**0.375 * (1 + 0.5 * ETA**0.25), 0.25, 0.375),
    ],
)
def test_asymptotic_errors_stay_confirmed(errors, exponent, claimed):
    """Orders p + kr, and kr where p is a bound, are confirmed, at integer and fractional gradings."""
    assert fit_order(ETA, errors, 0.0, remainder_exponent=exponent, claimed_order=claimed).verdict is Verdict.CONFIRMED


def test_drawn_remainders_stay_confirmed():
    """Of exact errors with all remainders under the prior, at most 5 % lose their confirmation."""
    rng = np.random.default_rng(7)
    eta = 2.0 ** -np.arange(2, 7)
    verdicts = []
    for order in (1, 2) * 30:
        series = 1 + rng.uniform(-1.5, 1.5) * eta + sum(3 * rng.standard_normal() * eta**k for k in range(2, 7))
        verdicts.append(fit_order(eta, eta**order * series, 0.0, claimed_order=order).verdict)
    assert verdicts.count(Verdict.CONFIRMED) >= 54
    assert Verdict.REFUTED not in verdicts


@pytest.mark.parametrize("deviation", [0.0, 1e-6])
def test_only_noise_is_a_reason_to_set_aside(deviation):
    """A leading coefficient lost in its remainders, far above any residual, leaves the study open; noise does not."""
    clear = fit_order(ETA, ETA * (1 + 0.1 * ETA), deviation * ETA)
    crooked = fit_order(ETA, ETA * (1 + ETA**0.25), deviation * ETA, remainder_exponent=0.25, learning_rate_unit=0.05)
    buried = fit_order(ETA, ETA * (1 + ETA**0.25), ETA / 5, remainder_exponent=0.25)
    assert crooked.obstacle is Verdict.NOT_ASYMPTOTIC
    assert judge_observables([clear, crooked], 1) is Verdict.NOT_ASYMPTOTIC
    assert judge_observables([clear, buried], 1) is Verdict.CONFIRMED


def spoiled(limit, share):
    """The limit with the correction of its drift off by a share: an error of order 1."""
    terms = limit.drift["x"].terms
    changed = tuple((g, c * (1 + sp.nsimplify(share)) if c.has(LEARNING_RATE) else c) for g, c in terms)
    return replace(limit, drift={"x": type(limit.drift["x"])(changed)})


@pytest.mark.slow
def test_one_observable_that_answers_nothing_leaves_the_study_open():
    """A correction off by −1 % hides behind the second order in all observables: no study confirms it."""
    limit = modified_equation(sgd(), order=2)
    problem = quadratic(np.array([[1.0, 0.3], [0.3, 0.5]]), noise=np.array([[0.5, 0.0], [0.2, 0.3]]))
    right = weak_error(sgd(), limit, problem, np.ones(2), **SETTING)
    # 1/λ_max(H); where a shorter unit widens the intervals, one observable refutes.
    wrong = weak_error(sgd(), spoiled(limit, -0.01), problem, np.ones(2), **SETTING, learning_rate_unit=0.877)
    assert right.verdict is Verdict.CONFIRMED
    assert wrong.verdict is Verdict.NOT_ASYMPTOTIC
    # Worst counts: exactly what the judge says of the list.
    for study in (right, wrong):
        assert study.verdict is judge(list(study.orders.values()), study.claimed_order)


def test_errors_that_vanish_are_not_a_matter_of_paths():
    """On a linear loss the first two moments of SGD are those of its limit: no error, and the result says so."""
    study = weak_error(
        sgd(), modified_equation(sgd(), order=1), linear(np.ones(2), noise=np.eye(2)), np.zeros(2), **SETTING
    )
    assert not study.dataset["error"].any()
    assert "vanishes without standard error: nothing to fit" in str(study)
    assert "exact zeros have no order" in study.verdict.remedy


def test_only_the_noise_floor_is_set_aside():
    """An observable whose exact error vanishes is set aside beside one whose error answers."""
    problem = quadratic(np.array([[1.0]]), noise=np.array([[0.6]]))
    study = weak_error(sgd(), modified_equation(sgd(), order=1), problem, np.zeros(1), **SETTING)
    assert judge(study.orders["mean x"], 1) is Verdict.MONTE_CARLO_FLOOR
    assert study.verdict is Verdict.CONFIRMED


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("start", "largest"),
    [(0.2, 0.1), *(pytest.param(x, r, marks=pytest.mark.slow) for x, r in ((0.2, 0.2), (0.5, 0.2)))],
)
def test_a_right_limit_is_not_refuted_where_the_loss_is_concave(order, start, largest):
    """On the hill of a double well the unit is too long: the question stays open, or the limit is confirmed."""
    rates = tuple(largest * 2.0**-k for k in range(4))
    limit = modified_equation(sgd(), order=order)
    study = weak_error(sgd(), limit, double_well(), start, t1=1.0, learning_rates=rates)
    assert study.verdict is not Verdict.REFUTED


def test_an_interval_without_an_upper_end_confirms_nothing():
    """Errors with noise at the natural unit: the interval reaches the last order tried, whatever the claim."""
    noise = 0.01 * np.array([0.3, -0.5, 0.4, -0.2])
    errors = ETA * (1 + ETA)
    fit = fit_order(ETA, errors + noise * errors, 0.01 * errors, learning_rate_unit=0.05, claimed_order=1)
    assert fit.interval[1] == HIGHEST_ORDER
    assert fit.verdict is Verdict.MONTE_CARLO_FLOOR
    assert fit_order(ETA, errors, 0.01 * errors, learning_rate_unit=1.0, claimed_order=1).verdict is Verdict.CONFIRMED


def test_a_local_order_that_turns_round_refutes_nothing():
    """Of three powers the middle one holds the local order below 1 for a while; a constant 0.7 stays refuted."""
    bent = fit_order(ETA, ETA * (1 + 12 * ETA - 30 * ETA**2) * 0.2, 0.0, claimed_order=1)
    assert bent.verdict is not Verdict.REFUTED
    assert fit_order(ETA, ETA**0.7, 0.0, claimed_order=1).verdict is Verdict.REFUTED
