"""RMSProp and Adam follow their ballistic limits to order 2, and not those of order 1."""

from dataclasses import replace

import numpy as np
import pytest

from sde_momentum.compare import Verdict, ballistic_study, judge, weak_error
from sde_momentum.compare.catalogue._ballistic_study import coupled_quadratic
from sde_momentum.compare.catalogue._settings import regimes_of
from sde_momentum.optimizers import adam
from sde_momentum.symbolic import TensorExpression, modified_equation

RATES = (1 / 8, 1 / 16, 1 / 32, 1 / 64)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["rmsprop", "adam"])
def test_order_two_in_two_dimensions(rule):
    """In two dimensions all observables have order 2 to a tenth, and their errors three digits."""
    study = ballistic_study(rule, 2)
    assert study.verdict is Verdict.CONFIRMED
    for fit in study.orders.values():
        assert 1.8 < fit.interval[0] <= 2 <= fit.interval[1] < 2.2
        assert fit.snr > 1000


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["rmsprop", "adam"])
def test_order_two_in_six_dimensions(rule):
    """In six dimensions too, without sampling: order 2 with errors above ten residuals."""
    study = ballistic_study(rule, 6)
    assert study.verdict is Verdict.CONFIRMED
    for fit in study.orders.values():
        assert 1.4 < fit.interval[0] <= 2 <= fit.interval[1] < 2.3
        assert fit.snr >= 10


def without_bias_correction(change, order=2, rates=RATES):
    """Adam in two dimensions against its limit with something changed."""
    rule, problem = adam(bias_correction=False), coupled_quadratic(2)
    regime = next(regime for regime in regimes_of(rule) if regime.name == "ballistic")
    limit = change(modified_equation(rule, regime, order=order))
    start = {"x": problem.initial(), "m": np.zeros(2), "G": np.ones(2)}
    numbers = {"rate_beta1": 2.0, "rate_beta2": 0.5, "eps": 0.1}
    setting = {"t1": 1.0, "learning_rates": rates, "method": "transition"}
    return weak_error(rule, limit, problem, start, **setting, **numbers)


@pytest.mark.slow
def test_wrong_equations_are_refuted():
    """The controls: order 1 claimed to be 2, and the last term of the drift of x one tenth too large.

    A tenth of one term leaves orders between the grading's; at the learning rates that the study asks for, it shows.
    """

    def exaggerated(limit):
        *terms, (graph, coefficient) = limit.drift["x"].terms
        return replace(limit, drift={**limit.drift, "x": TensorExpression((*terms, (graph, coefficient * 11 / 10)))})

    first = without_bias_correction(lambda limit: limit, order=1)
    assert first.verdict is Verdict.CONFIRMED
    assert judge(tuple(first.orders.values()), 2) is Verdict.REFUTED
    wrong = without_bias_correction(exaggerated)
    assert wrong.verdict is Verdict.NOT_ASYMPTOTIC
    smaller = [wrong.sufficient_learning_rate / 2**k for k in range(4)]
    assert without_bias_correction(exaggerated, rates=smaller).verdict is Verdict.REFUTED
    assert without_bias_correction(lambda limit: limit, rates=smaller).verdict is Verdict.CONFIRMED


@pytest.mark.slow
def test_sampling_finds_the_same_errors():
    """Coupled paths, which share no code with transition operators, give the same errors within 5 standard errors."""
    exact = ballistic_study("rmsprop", 2).dataset["error"].sel(learning_rate=1 / 8).values
    found = ballistic_study("rmsprop", 2, num_paths=65_536, progress=False).dataset.sel(learning_rate=1 / 8)
    bound = 5 * found["standard_error"].values + 2 * np.abs(found["solver_bias"].values)
    assert np.all(np.abs(found["error"].values - exact) < bound)
    # The control: no error would have been noticed too.
    assert np.any(np.abs(exact) > bound)


def test_other_rules_are_refused():
    """Only the rules with this regime and a linear average of squares."""
    with pytest.raises(ValueError, match='must be "rmsprop" or "adam"'):
        ballistic_study("sgd")
