"""Sign descent and normalized descent by two routes."""

from dataclasses import replace

import pytest

from sde_momentum.optimizers import normalized_gd, sign_gd
from sde_momentum.symbolic import LEARNING_RATE, NoDiffusion, TensorExpression, difference, modified_equation

RULES = {"sign": sign_gd(), "direction": normalized_gd()}
CASES = [(kind, place, d) for kind in RULES for place in range(3) for d in (1, 2)]
LONG = {("direction", 1, 2), ("direction", 0, 2), ("direction", 1, 1)}


def marked(case):
    return pytest.param(*case, marks=pytest.mark.slow) if case in LONG else case


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("kind", "place", "dimension"), [marked(case) for case in CASES])
def test_routes_agree(kind, place, dimension, order):
    """Closed forms of Gaussian averages in one and two dimensions give the same drift, covariance and obstruction."""
    rule = RULES[kind]
    limit = modified_equation(rule, rule.regimes()[place], order=order)
    found = difference(limit, dimension)
    assert found
    assert not any(found.values())
    assert {key[0] for key in found} <= ({"drift", "covariance"} if limit.exists else {"obstruction"})


@pytest.mark.parametrize("place", [0, 2])
def test_wrong_terms_are_noticed(place):
    """Negative control: a coefficient changed by a thousandth, in one term of the drift after the other."""
    rule = RULES["sign"]
    limit = modified_equation(rule, rule.regimes()[place], order=1)
    for number, (graph, c) in enumerate(limit.drift["x"]):
        terms = list(limit.drift["x"].terms)
        terms[number] = (graph, c * 1001 / 1000)
        wrong = replace(limit, drift={"x": TensorExpression(tuple(terms))})
        assert {key[0] for key, value in difference(wrong, 1).items() if value} == {"drift"}


def test_a_wrong_obstruction_is_noticed():
    """Negative control: an obstruction that is claimed, or twice what it is."""
    rule = RULES["sign"]
    limit, verdict = (modified_equation(rule, regime, order=2) for regime in reversed(rule.regimes()[:2]))
    if limit.exists is False:
        limit, verdict = verdict, limit
    assert any(difference(NoDiffusion(rule, limit.regime, 2, {}), 1).values())
    twice = {variables: tensor * 2 for variables, tensor in verdict.obstruction.items()}
    assert any(difference(replace(verdict, obstruction=twice), 1).values())
    assert verdict.obstruction["x", "x", "x"].free_symbols >= {LEARNING_RATE}
