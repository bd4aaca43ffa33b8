"""Gradients at averages of iterates: rules with variables that start at the parameters."""

import numpy as np
import pytest
import sympy as sp

from sde_momentum.dynamics import chain
from sde_momentum.optimizers import nesterov, sgd, sgdm
from sde_momentum.problems import double_well
from sde_momentum.symbolic import (
    LEARNING_RATE,
    RELAXATION_RATE,
    Regime,
    TensorExpression,
    UpdateRule,
    difference,
    find_clock,
    from_json,
    hyperparameter,
    modified_equation,
    to_json,
    update_rule,
)

ETA, LAMBDA = LEARNING_RATE, RELAXATION_RATE
SMALL = Regime.small_noise()


@update_rule(state=("z", "x"), fast=("x",), start={"x": "z"})
def schedule_free(z, x, g, *, learning_rate, weight, mix):
    z = z - learning_rate * g((1 - mix) * z + mix * x)
    return z, (1 - weight) * x + weight * z


@update_rule(state=("x", "z"), fast=("z",), start={"z": "x"})
def schedule_free_average(x, z, g, *, learning_rate, weight, mix):
    z = z - learning_rate * g((1 - mix) * z + mix * x)
    return (1 - weight) * x + weight * z, z


@update_rule(state=("x", "z"), fast=("z",), start={"z": "x"})
def primal_averaging(x, z, g, *, learning_rate, momentum):
    z = z - learning_rate * g
    return momentum * x + (1 - momentum) * z, z


@update_rule(state=("a", "x"), fast=("x",), start={"x": "a"})
def averaged(a, x, g, *, learning_rate, decay):
    x = x - learning_rate * g(x)
    return decay * a + (1 - decay) * x, x


@update_rule(state=("y", "x"), fast=("x",), start={"x": "y"})
def nesterov_points(y, x, g, *, learning_rate, momentum):
    following = y - (1 - momentum) * learning_rate * g(y)
    return following + momentum * (following - x), following


@update_rule(state=("y", "z", "k"), start={"z": "y"})
def schedule_free_mean(y, z, k, g, *, learning_rate, mix):
    x = (y - (1 - mix) * z) / mix
    k, z = k + 1, z - learning_rate * g
    x = (1 - 1 / k) * x + z / k
    return (1 - mix) * z + mix * x, z, k


RULES = [schedule_free, schedule_free_average, primal_averaging, averaged, nesterov_points]


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_routes_agree(rule, dimension):
    """Graphs and coordinates find the same drift, covariance and shift of the start at order 2."""
    assert not any(difference(modified_equation(rule, SMALL, order=2), dimension).values())


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_routes_agree_where_noise_dominates(rule):
    """At σ = η^(-1/2) they find the same equation of order 1 and the same obstruction at order 2."""
    regime = Regime.noise_dominated()
    assert not any(difference(modified_equation(rule, regime, order=1), 1).values())
    assert not any(difference(modified_equation(rule, regime, order=2), 1).values())


def coefficient(limit, name="x"):
    """The c in -∇(L + η c |∇L|²)."""
    (value,) = [c for graph, c in limit.drift[name] if len(graph) == 2]
    return sp.cancel(-value / ETA / 2)


def test_schedule_free_by_hand():
    """The gradient lags mix(1−w)/w steps behind z: ¼ + ½ mix (1−w)/w, the same for z and for its average."""
    w, mix = hyperparameter("weight"), hyperparameter("mix")
    by_hand = sp.Rational(1, 4) + mix * (1 - w) / w / 2
    for rule in (schedule_free, schedule_free_average):
        found = coefficient(modified_equation(rule, SMALL, order=2), rule.state[0])
        assert sp.cancel(found - by_hand) == 0


def test_primal_averaging_is_momentum():
    """With 1 − w = β the average of z with gradients at itself is SGDM: z − x = −ηβ/(1−β) m."""
    one, other = (modified_equation(rule, SMALL, order=2) for rule in (primal_averaging, sgdm()))
    for part in ("drift", "covariance", "initial_shift"):
        for key, value in getattr(one, part).items():
            assert not value - getattr(other, part)[key]
    assert str(one).count("z₀ = x₀") == 1


def test_nesterov_in_its_two_points():
    """The sequence of points where gradients are taken follows PyTorch's equation, with γ = η(1−β) on t = kη."""
    points = modified_equation(nesterov_points, SMALL, order=2).drift["y"]
    pytorch = modified_equation(nesterov("pytorch"), SMALL, order=2).drift["x"]
    rest = 1 - hyperparameter("momentum")
    slower = [(graph, rest * sp.sympify(c).subs(ETA, ETA * rest)) for graph, c in pytorch]
    assert not points - TensorExpression.collect(slower)


def test_an_average_of_iterates_is_late():
    """An average of SGD follows SGD's equation from a start that is ηρ/(1−ρ)∇L behind."""
    limit = modified_equation(averaged, SMALL, order=2)
    assert not limit.drift["a"] - modified_equation(sgd(), SMALL, order=2).drift["x"]
    assert "A(0) = a₀ + η·ρ/(1 - ρ)·∇L(a₀)      (x₀ = a₀)" in str(limit)
    assert str(limit.slow_variable) == "x"


@pytest.mark.parametrize("rule", [schedule_free_average, nesterov_points], ids=lambda rule: rule.name)
def test_the_mean_on_a_parabola(rule):
    """From a start with a₀ = x₀ the exact mean of the chain on L = x²/2 differs from the limit's by O(η²)."""
    limit, numbers = modified_equation(rule, SMALL, order=2), {"weight": 0.3, "mix": 0.8, "momentum": 0.6}
    first = rule.state[0]
    names = [sp.Symbol(name, real=True) for name in rule.state]
    errors = []
    for eta in (0.02, 0.01):
        values = {hyperparameter(name): value for name, value in (numbers | {"learning_rate": eta}).items()}
        step = [rule.update[name].subs(sp.Symbol("g", real=True), rule.gradient_at).subs(values) for name in rule.state]
        matrix = np.array(sp.Matrix(step).jacobian(names), dtype=float)
        mean = (np.linalg.matrix_power(matrix, round(1 / eta)) @ np.ones(2))[0]
        # On a parabola every graph of a vector is x.
        slope, shift = (
            sum(float(sp.sympify(c).subs(values)) for _, c in part[first])
            for part in (limit.drift, limit.initial_shift)
        )
        errors.append(abs(mean - np.exp(slope) * (1 + shift)))
        # Control: without the shift the error is of order 1.
        assert abs(mean - np.exp(slope)) > 0.2 * eta
    assert errors[1] < 0.3 * errors[0] < 1e-3


@pytest.mark.parametrize(("index", "name"), [("1/2", "overdamped"), (1, "underdamped"), (2, "frictionless")])
def test_the_line_of_momentum_in_points(index, name):
    """Clocks are found for distances too, and the routes agree on them."""
    regime = find_clock(nesterov_points, {"momentum": 1 - LAMBDA * ETA ** sp.Rational(index)})
    assert regime.name == name
    limit = modified_equation(nesterov_points, regime, order=2)
    assert not any(difference(limit, 1).values())
    if name == "underdamped":
        assert "x measured from y" in str(limit)


@pytest.mark.parametrize("dimension", [1, 2])
def test_schedule_free_with_the_mean_of_all_iterates(dimension):
    """With weights 1/k the distance z − y is slow: the limit has it and the time as variables, at order 2."""
    counted = Regime("counted", state_scales={"k": 1 / ETA})
    limit = modified_equation(schedule_free_mean, counted, order=2)
    assert limit.variables == ("y", "z", "k")
    assert not any(difference(limit, dimension).values())


def test_a_limit_keeps_its_start_in_json():
    """The start is part of a rule and survives the round trip."""
    limit = modified_equation(averaged, SMALL)
    assert from_json(to_json(limit)) == limit
    assert dict(from_json(to_json(limit)).rule.start) == {"x": "a"}


def test_a_chain_starts_where_the_rule_says():
    """Both iterates are at x₀; in a full start the second is measured from the first."""
    process = chain(averaged, double_well(), learning_rate=0.1, decay=0.9)
    assert {name: float(value) for name, value in process.init(0.5).items()} == {"a": 0.5, "x": 0.5}
    assert float(process.init({"a": 0.5, "x": 0.25})["x"]) == 0.75


def test_what_remains_impossible():
    """A start at zero beside the parameters, a gradient at a slow distance, and starts elsewhere are refused."""
    empty = UpdateRule("empty", schedule_free.update, schedule_free.hyperparameters, schedule_free.gradient_at, ("x",))
    with pytest.raises(ValueError, match=r'`z` and `x` approach each other within some steps.*`start={"x": "z"}`'):
        modified_equation(empty)
    slow = UpdateRule(
        "slow", schedule_free.update, schedule_free.hyperparameters, schedule_free.gradient_at, start={"x": "z"}
    )
    with pytest.raises(ValueError, match=r"does not approach z .*the point of its gradient as the first variable"):
        modified_equation(slow, Regime(scalings={"weight": "c*learning_rate"}))
    with pytest.raises(ValueError, match="`m` starts at 1, but a variable starts at zero or at the parameters"):
        update_rule(state=("x", "m"), start={"m": 1})(lambda x, m, g, *, learning_rate: (x - learning_rate * g, m))
    with pytest.raises(ValueError, match="`x` stands for the parameters and cannot be fast"):
        update_rule(state=("x", "z"), fast=("x",))(lambda x, z, g, *, learning_rate: (x, z - learning_rate * g))
    with pytest.raises(ValueError, match="`start` names `n`"):
        update_rule(state=("x",), start={"n": "x"})(lambda x, g, *, learning_rate: x - learning_rate * g)
