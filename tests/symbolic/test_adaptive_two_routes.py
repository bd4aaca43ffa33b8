"""Graphs and coordinates agree for methods that divide by roots of averaged squares."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest

from sde_momentum.optimizers import (
    adadelta,
    adagrad,
    adam,
    gd,
    heavy_ball,
    nesterov,
    qhm,
    rmsprop,
    sgd,
    sgdm,
)
from sde_momentum.symbolic import Limit, TensorExpression, difference, modified_equation

derived = cache(modified_equation)
BALLISTIC = {rule.name + tag: rule for rule, tag in [(rmsprop(), ""), (rmsprop(True), " inside"), (adam(False), "")]}
QUICK = [
    *((rule, rule.regimes()[1], 2) for rule in BALLISTIC.values()),
    (rmsprop(), rmsprop().regimes()[0], 1),
    (rmsprop(), rmsprop().regimes()[0], 2),
    (adam(False), adam(False).regimes()[0], 1),
    (adagrad(), adagrad().regimes()[0], 2),
    (adagrad(fixed_step=True), adagrad(fixed_step=True).regimes()[0], 2),
    (adadelta(), adadelta().regimes()[1], 1),
]
LONG = [(adadelta(), regime, order) for regime in adadelta().regimes() for order in (1, 2)]
LONG += [(adam(), regime, order) for regime in adam().regimes() for order in (1, 2)]


def name(case):
    rule, regime, order = case
    return f"{rule.name}, {regime.name}, order {order}"


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("case", QUICK, ids=name)
def test_routes_agree(case, dimension):
    """The difference of the two derivations, over one denominator in independent generators, is exactly zero."""
    rule, regime, order = case
    found = difference(derived(rule, regime, order=order), dimension)
    assert found
    assert not any(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("case", LONG, ids=name)
def test_routes_agree_on_longer_updates(case, dimension):
    """AdaDelta's limits, and those of Adam with time in its functions, are found by both routes."""
    rule, regime, order = case
    assert not any(difference(derived(rule, regime, order=order), dimension).values())


POLYNOMIAL = [gd(), sgd(), sgdm(), heavy_ball(), nesterov(), nesterov("full"), nesterov("pytorch"), qhm()]


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("rule", POLYNOMIAL, ids=lambda rule: rule.name)
def test_routes_agree_on_every_regime(rule, dimension):
    """Order 2 of every other entry of the catalogue under every one of its regimes: limits and obstructions."""
    for regime in rule.regimes():
        assert not any(difference(derived(rule, regime, order=2), dimension).values())


def _perturbed(expression: TensorExpression, term: int) -> TensorExpression:
    terms = list(expression.terms)
    terms[term] = (terms[term][0], terms[term][1] * Fraction(1001, 1000))
    return TensorExpression(tuple(terms))


@pytest.mark.parametrize("part", ["drift", "covariance"])
def test_wrong_term_is_noticed(part):
    """Negative control: any one coefficient of RMSProp's order-2 limit, changed by a thousandth, shows in that part."""
    rule = rmsprop()
    limit = derived(rule, rule.regimes()[1], order=2)
    assert isinstance(limit, Limit)
    for variables, expression in getattr(limit, part).items():
        for term in range(len(expression.terms)):
            wrong = replace(limit, **{part: {**getattr(limit, part), variables: _perturbed(expression, term)}})
            assert {key[0] for key, value in difference(wrong, 1).items() if value} == {part}
