"""The limits of adaptive methods have the order that was derived, measured on one Brownian path."""

from dataclasses import replace

import numpy as np
import pytest

import sde_momentum as sm
from sde_momentum.symbolic import TensorExpression

PROBLEM = sm.problems.quadratic(1.0, noise=0.05)
RATES = (0.16, 0.08, 0.04, 0.02)
COARSE = (0.4, 0.4 / 2**0.5, 0.2, 0.2 / 2**0.5)  # the clock is η²


def start(**values):
    return {name: np.asarray(value) for name, value in values.items()}


CASES = {
    "rmsprop": (sm.optimizers.rmsprop(), 1, start(x=1.5, G=1.0), {"rate_decay": 1.0, "eps": 0.1}, RATES),
    "adam": (
        sm.optimizers.adam(bias_correction=False),
        1,
        start(x=1.5, m=0.5, G=1.0),
        {"rate_beta1": 2.0, "rate_beta2": 1.0, "eps": 0.1},
        RATES,
    ),
    "adadelta": (sm.optimizers.adadelta(), 0, start(x=1.5, G=1.5, s=0.2), {"rate_decay": 1.0, "eps0": 1.0}, RATES),
    "adagrad": (sm.optimizers.adagrad(), 0, start(x=1.5, G=1.0), {"eps0": 0.1}, COARSE),
}


def measured(name, order, change=lambda limit: limit):
    rule, regime, x0, numbers, rates = CASES[name]
    limit = change(sm.modified_equation(rule, rule.regimes()[regime], order=order))
    return sm.weak_error(
        rule,
        limit,
        PROBLEM,
        x0,
        t1=0.96,
        learning_rates=rates,
        observables={"E x": lambda x: x},
        method="coupled",
        num_paths=4096 if order == 2 else 512,
        seed=1,
        progress=False,
        **numbers,
    )


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_order(name, order):
    """The measured order in the regime's small parameter is the derived one."""
    assert measured(name, order).verdict is sm.Verdict.CONFIRMED


@pytest.mark.slow
def test_wrong_coefficient_is_noticed():
    """Negative control: the order-2 drift of RMSProp with its last term doubled has order 1 only."""

    def doubled(limit):
        *terms, (graph, coefficient) = limit.drift["x"].terms
        return replace(limit, drift={**limit.drift, "x": TensorExpression((*terms, (graph, 2 * coefficient)))})

    assert measured("rmsprop", 2, doubled).verdict is sm.Verdict.REFUTED
