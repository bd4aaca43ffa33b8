"""One rule against several equations: a route solves the rule once, and says of each equation what it says alone."""

from dataclasses import replace

import equinox as eqx
import numpy as np
import pytest

from sde_momentum.compare import fit_order
from sde_momentum.compare.errors._route_exact import exact_errors
from sde_momentum.compare.errors._route_transition import _measured, transition_errors
from sde_momentum.compare.orders._measured import NotApplicable
from sde_momentum.compare.question._question import Question
from sde_momentum.optimizers import sgd
from sde_momentum.problems import quadratic
from sde_momentum.symbolic import Regime, modified_equation

RATES = (0.1, 0.05, 0.025, 0.0125)
LIMIT = modified_equation(sgd(), order=2)


def asked(limit=LIMIT, **changes):
    """About SGD on ½x² with additive noise, from ½ to t = 1."""
    problem = quadratic(np.array([[1.0]]), noise=np.array([[0.6]]))
    observables = {"x": lambda x: x[0], "x²": lambda x: x[0] ** 2}
    return Question(limit.rule, limit, problem, np.array([0.5]), **({"t1": 1.0, "observables": observables} | changes))


def doubled(equation):
    """An equation with twice the drift."""
    return eqx.tree_at(lambda e: e.drift_numbers["x"], equation, 2 * np.asarray(equation.drift_numbers["x"]))


@pytest.mark.parametrize("route", [exact_errors, transition_errors])
def test_a_changed_equation_is_one_question_more(route):
    """The limit beside the limit with twice the drift: the errors of each are those of the two limits alone."""
    twice = replace(LIMIT, drift={"x": LIMIT.drift["x"] * 2})
    right, wrong = route([asked(), asked().with_change(doubled)], RATES)
    np.testing.assert_array_equal(right.errors, route([asked()], RATES)[0].errors)
    np.testing.assert_allclose(wrong.errors, route([asked(twice)], RATES)[0].errors, atol=1e-10)
    assert np.all(np.abs(wrong.errors) > 10 * np.abs(right.errors))


def test_what_no_level_confirms_is_below_every_gate():
    """A limit that leaves every box is refused; a change of it that does is data, uncertain by as much as it says."""
    rows = [(np.full((2, 1), np.nan), np.full((2, 1), np.inf), False)] * 4
    with pytest.raises(NotApplicable, match="the limit leaves every box, at learning rate"):
        _measured(asked(), RATES, rows)
    found = _measured(asked().with_change(doubled), RATES, rows)
    assert fit_order(RATES, found.errors[:, 0, 0], found.deviations[:, 0, 0]).snr < 1


def test_rounding_is_said_where_it_is_felt():
    """Closed moments are exact to seven digits of the error after thousands of steps, and say what millions leave."""
    limit = modified_equation(sgd(), Regime.noise_dominated())
    (few,) = exact_errors([asked(limit)], RATES)
    (many,) = exact_errors([asked(limit)], [4.0**-k for k in range(8, 12)])
    assert not few.deviations.any()
    assert many.deviations.all()
    # The error is η times its value at the largest learning rate, up to remainders of relative size η.
    scale = 4.0 ** np.arange(4)[:, None, None]
    apart = np.abs(scale * many.errors - many.errors[0])
    assert np.all(apart < 5 * 4.0**-8 * np.abs(many.errors[0]) + scale * many.deviations)
