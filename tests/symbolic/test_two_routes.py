"""Graphs and coordinates, two derivations that share no code, agree exactly."""

import ast
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

import sde_momentum.symbolic
from sde_momentum.optimizers import heavy_ball, rmsprop, sgd, sgdm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    NoDiffusion,
    Regime,
    TensorExpression,
    coordinate_equation,
    difference,
    modified_equation,
    update_rule,
)

SMALL, LARGE = Regime.small_noise(), Regime.noise_dominated()
SMALL_BALL, LARGE_BALL = heavy_ball().regimes()[:2]


@update_rule(state=("x", "m"), fast=("m",))
def looking_ahead(x, m, g, *, learning_rate, momentum):
    m = momentum * m + (1 - momentum) * g(x - learning_rate * momentum * m)
    return x - learning_rate * m, m


@update_rule(state=("x", "m"), fast=("m",))
def quasi_hyperbolic(x, m, g, *, learning_rate, momentum, discount):
    m = momentum * m + (1 - momentum) * g
    return x - learning_rate * ((1 - discount) * g + discount * m), m


@update_rule(state=("x", "m"), fast=("m",))
def decaying(x, m, g, *, learning_rate, momentum, weight_decay):
    m = momentum * m + (1 - momentum) * (g + weight_decay * x)
    return x - learning_rate * m, m


@update_rule(state=("x", "m", "n"), fast=("m", "n"))
def two_buffers(x, m, n, g, *, learning_rate, momentum, second):
    m = momentum * m + (1 - momentum) * g
    n = second * n + (1 - second) * m
    return x - learning_rate * n, m, n


@update_rule(state=("x", "v"))
def with_friction(x, v, g, *, learning_rate, friction):
    return x + learning_rate * v, v - friction * learning_rate * v - learning_rate * g


@update_rule(state=("x", "v"), fast=("v",))
def looking_ahead_from_there(x, v, g, *, learning_rate, momentum):
    v = momentum * v + g
    return x - learning_rate * (g + momentum * v), v


@update_rule(state=("x", "s"))
def squaring(x, s, g, *, learning_rate, decay):
    return x - learning_rate * g * s, s + decay * learning_rate * (g**2 - s)


NOISELESS = Regime("noiseless", noise_scale=0)

CASES = [
    (sgd(), SMALL, 1, True),
    (sgd(), SMALL, 2, True),
    (sgd(), SMALL, 3, False),
    (sgd(), LARGE, 1, True),
    (sgd(), LARGE, 2, False),
    (sgdm(), SMALL, 1, True),
    (sgdm(), SMALL, 2, True),
    (sgdm(), LARGE, 1, True),
    (sgdm(), Regime.noise_dominated(Fraction(1, 2)), 1, True),
    (sgdm(), Regime.noise_dominated(1), 1, True),
    (sgdm(), Regime.noise_dominated(1), 2, False),
    (heavy_ball(), SMALL_BALL, 1, True),
    (heavy_ball(), SMALL_BALL, 2, True),
    (heavy_ball(), LARGE_BALL, 1, True),
    (looking_ahead, SMALL, 2, True),
    (looking_ahead, LARGE, 1, True),
    (looking_ahead, Regime.noise_dominated(1), 1, True),
    (quasi_hyperbolic, SMALL, 2, True),
    (quasi_hyperbolic, LARGE, 1, True),
    (quasi_hyperbolic, Regime.noise_dominated(1), 1, True),
    (decaying, SMALL, 2, True),
    (two_buffers, SMALL, 2, True),
    (looking_ahead_from_there, SMALL_BALL, 2, True),
    (squaring, SMALL, 2, True),
    (sgdm(), SMALL, 3, False),
    (sgdm(), NOISELESS, 3, True),
    (sgd(), NOISELESS, 4, True),
    (with_friction, SMALL, 1, True),
    (with_friction, SMALL, 2, True),
    (with_friction, LARGE, 1, True),
]
IDS = [f"{rule.name}-{regime.name}-order{order}" for rule, regime, order, _ in CASES]

derived = cache(modified_equation)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize(("rule", "regime", "order", "exists"), CASES, ids=IDS)
def test_routes_agree(rule, regime, order, exists, dimension):
    """Drift, covariance, initial shift and obstruction of both routes differ by exactly zero, in dimensions 1 and 2."""
    limit = derived(rule, regime, order=order)
    assert limit.exists is exists
    found = difference(limit, dimension)
    parts = {name for name in ("drift", "covariance", "initial_shift") if exists and getattr(limit, name)}
    assert {key[0] for key in found} == (parts or {"obstruction"})
    assert not any(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("rule_and_regime", [(sgdm(), LARGE), (heavy_ball(), LARGE_BALL)], ids=["sgdm", "heavy_ball"])
def test_obstruction_with_momentum(rule_and_regime):
    """At order 2 with dominating noise, both routes find the same obstruction to momentum's equation."""
    limit = derived(*rule_and_regime, order=2)
    assert isinstance(limit, NoDiffusion)
    assert not any(difference(limit, dimension=2).values())


@pytest.mark.parametrize("rule", [sgdm(), looking_ahead, quasi_hyperbolic, two_buffers], ids=lambda rule: rule.name)
def test_slow_variable(rule):
    """For the conserved combination of x and the fast variables the routes agree as well."""
    assert not any(difference(derived(rule, SMALL, order=2, describes="slow"), dimension=2).values())


SCHEDULED = [
    (sgd(), SMALL.scheduled(), 2),
    (sgdm(), SMALL.scheduled(), 2),
    (looking_ahead, SMALL.scheduled(), 2),
    (sgdm(), Regime.noise_dominated(1).scheduled("relaxation_rate"), 1),
    (squaring, SMALL.scheduled("decay", "learning_rate"), 2),
    (rmsprop(), rmsprop().regimes()[1].scheduled(), 2),
]


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("case", SCHEDULED, ids=lambda case: f"{case[0].name}, {', '.join(case[1].schedules)}")
def test_routes_agree_on_schedules(case, dimension):
    """Time-dependent coefficients, derivatives of schedules included, come out alike with schedules as variables."""
    rule, regime, order = case
    limit = derived(rule, regime, order=order)
    assert not any(difference(limit, dimension).values())
    if order == 2 and dimension == 1:
        frozen = {symbol: 0 for _, c in limit.drift["x"] for symbol in c.free_symbols if str(symbol).endswith("'")}
        assert frozen
        still = TensorExpression.collect((graph, c.subs(frozen)) for graph, c in limit.drift["x"])
        wrong = replace(limit, drift={**limit.drift, "x": still})
        assert {key[0] for key, value in difference(wrong, 1).items() if value} == {"drift"}


def test_a_scheduled_memory_is_refused_by_the_second_route():
    """Where the rate of a fast variable varies in time, the second route says that it does not follow."""
    limit = derived(sgdm(), SMALL.scheduled("momentum"), order=2)
    with pytest.raises(ValueError, match="the rate at which `m` relaxes varies"):
        difference(limit, 1)


# --- negative controls -----------------------------------------------------------------------------------------------


def _perturbed(expression: TensorExpression, term: int) -> TensorExpression:
    terms = list(expression.terms)
    terms[term] = (terms[term][0], terms[term][1] * Fraction(1001, 1000))
    return TensorExpression(tuple(terms))


def _dropped(expression: TensorExpression, term: int) -> TensorExpression:
    return TensorExpression(expression.terms[:term] + expression.terms[term + 1 :])


@pytest.mark.parametrize("change", [_perturbed, _dropped])
@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("part", ["drift", "covariance", "initial_shift"])
def test_wrong_term_is_noticed(part, dimension, change):
    """Negative control: any one coefficient changed, or any one term dropped, shows in that part and in no other."""
    limit = derived(sgdm(), SMALL, order=2)
    for name, expression in getattr(limit, part).items():
        for term in range(len(expression.terms)):
            wrong = replace(limit, **{part: {**getattr(limit, part), name: change(expression, term)}})
            found = {key[0] for key, value in difference(wrong, dimension).items() if value}
            assert found == {part}


def test_high_power_is_noticed():
    """Negative control: a term of a power of η that the order does not reach must not be there."""
    limit = derived(sgd(), SMALL, order=2)
    extra = TensorExpression(tuple((graph, LEARNING_RATE**5) for graph, _ in limit.drift["x"].terms[:1]))
    wrong = replace(limit, drift={"x": limit.drift["x"] + extra})
    assert any(difference(wrong, 1).values())


def test_wrong_regime_is_noticed():
    """Negative control: the limit of one noise scale is not that of another."""
    limit = derived(sgd(), SMALL, order=1)
    assert any(difference(replace(limit, regime=LARGE), 1).values())


@pytest.mark.parametrize("dimension", [1, 2])
def test_overlooked_obstruction_is_noticed(dimension):
    """Negative control: a limit claimed where none exists, and an obstruction claimed where none is, both show."""
    limit = derived(sgd(), SMALL, order=2)
    assert any(difference(replace(limit, order=3), dimension).values())
    nothing = NoDiffusion(sgd(), SMALL, 3, {})
    assert any(difference(nothing, dimension).values())
    blocked = derived(sgd(), SMALL, order=3)
    assert any(difference(replace(blocked, order=2), dimension).values())


# --- independence ----------------------------------------------------------------------------------------------------


def test_no_code_is_shared():
    """The second route imports rules, regimes, limits and symbols, and nothing of the graph engine."""
    room = "sde_momentum.symbolic."
    doors = {"rules._rule", "rules._regime", "equation._limit", "graphs._tensor_expression", "symbols._symbols"}
    files = list((Path(sde_momentum.symbolic.__file__).parent / "coordinates").glob("_*.py"))
    assert len(files) > 5
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(room):
                module = str(node.module).removeprefix(room)
                assert module in doors or module.startswith("coordinates."), (file.name, module)
            else:
                assert not isinstance(node, ast.ImportFrom) or not node.level, file.name


def test_same_equation_under_renaming():
    """Heavy ball with learning rate η(1 − β) has the drift of SGDM, in coordinates too."""
    ball = coordinate_equation(heavy_ball(), SMALL_BALL, 2, 2)
    average = coordinate_equation(sgdm(), SMALL, 2, 2)
    symbols = {str(s): s for s in average.ring.symbols}
    rescaled = {LEARNING_RATE: LEARNING_RATE * (1 - symbols["momentum"])}
    for one, other in zip(ball.drift["x"], average.drift["x"], strict=True):
        assert (one.to_sympy().subs(rescaled) - other.to_sympy()).expand().cancel() == 0
