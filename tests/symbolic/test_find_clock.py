"""Clocks are found: the line of momentum, and rules and scalings that no file mentions."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from sde_momentum.optimizers import (
    adadelta,
    adagrad,
    adam,
    gd,
    heavy_ball,
    momentum_regime,
    nesterov,
    qhm,
    rmsprop,
    sgd,
    sgdm,
)
from sde_momentum.symbolic import (
    LEARNING_RATE,
    RELAXATION_RATE,
    Node,
    Regime,
    TensorExpression,
    difference,
    find_clock,
    hyperparameter,
    modified_equation,
    update_rule,
)

ETA, LAMBDA = LEARNING_RATE, RELAXATION_RATE


def expression(*pairs):
    return TensorExpression.collect([(graph, sp.sympify(coefficient)) for coefficient, *graph in pairs])


def same(left, right):
    return not (left - right)


GRADIENT, MOMENTUM = Node("L", ((-1,),)), Node("m", ((-1,),))


@pytest.mark.parametrize("index", [0, Fraction(1, 4), Fraction(1, 2), Fraction(2, 3), 1])
@pytest.mark.parametrize("make", [sgdm, nesterov, qhm])
def test_the_known_part_of_the_line_is_found(make, index):
    """Up to index 1 clock, scalings, small parameter and cumulants are those that `Regime.noise_dominated` states."""
    found, stated = momentum_regime(make(), index), Regime.noise_dominated(index)
    for field in ("noise_scale", "clock", "scalings", "state_scales", "cumulant_scales", "small_parameter"):
        assert getattr(found, field) == getattr(stated, field)


@pytest.mark.parametrize(
    ("index", "kind"),
    [(0, "overdamped"), (Fraction(3, 7), "overdamped"), (1, "underdamped"), (Fraction(8, 5), "frictionless")],
)
def test_every_part_of_the_line_has_its_name(index, kind):
    """Below 1 momentum is eliminated, at 1 it is a variable, above it keeps its memory."""
    assert momentum_regime(sgdm(), index).name.split(",")[0] == kind


@pytest.mark.parametrize("index", [Fraction(5, 4), Fraction(3, 2), 2, 3])
def test_above_one_momentum_is_a_frictionless_oscillator(index):
    """On t = kη^{(1+α)/2}, m = η^{(α−1)/2} m̂: dX = −M dt, dM = λ∇L dt; friction is the next order, η^{(α−1)/2}λM."""
    alpha = sp.Rational(str(index))
    regime = momentum_regime(sgdm(), index)
    assert regime.clock == ETA ** ((1 + alpha) / 2)
    assert regime.state_scales["m"] == ETA ** ((alpha - 1) / 2)
    first, second = (modified_equation(sgdm(), regime, order=order) for order in (1, 2))
    assert same(first.drift["x"], expression((-1, MOMENTUM)))
    assert same(first.drift["m"], expression((LAMBDA, GRADIENT)))
    if regime.small_parameter == ETA ** ((alpha - 1) / 2):
        friction = second.drift["m"] - first.drift["m"]
        assert same(friction, expression((-LAMBDA * ETA ** ((alpha - 1) / 2), MOMENTUM)))


def test_the_oscillator_in_numbers():
    """The mean of SGDM on L = x²/2 at α = 3/2 nears cos(√λ t) at rate η^{1/4}, and with friction at η^{1/2}."""
    lam, t1, errors = 0.7, 2.0, []
    for eta in (1e-4, 1e-6):
        steps, rate = round(t1 / eta**1.25), lam * eta**1.5
        matrix = np.array([[1 - eta * rate, -eta * (1 - rate)], [rate, 1 - rate]])
        x = (np.linalg.matrix_power(matrix, steps) @ [1.0, 0.0])[0]
        t, friction = steps * eta**1.25, lam * eta**0.25
        damped = np.array([[0, -1], [lam, -friction]])
        values, vectors = np.linalg.eig(damped)
        second = (vectors @ (np.exp(values * t) * np.linalg.solve(vectors, [1.0, 0.0])))[0].real
        errors.append([abs(x - np.cos(np.sqrt(lam) * t)), abs(x - second)])
    orders = np.log(np.divide(*errors)) / np.log(100)
    assert orders[0] == pytest.approx(1 / 4, abs=0.03)
    assert orders[1] > 0.4


def test_heavy_ball_has_its_critical_index_at_one_half():
    """1 − μ = λγ^α with σ = 1: on t = k√γ the momentum v/√γ stays for α ≥ ½; below it is eliminated on kγ^{1−α}."""
    at = lambda index: find_clock(heavy_ball(), {"momentum": 1 - LAMBDA * ETA ** sp.Rational(index)})
    assert at("1/4").clock == ETA ** sp.Rational(3, 4)
    assert at("1/4").name == "overdamped"
    assert at("1/2").clock == sp.sqrt(ETA)
    assert at("1/2").name == "underdamped"
    assert at("2/3").name == "frictionless"
    limit = modified_equation(heavy_ball(), at("1/2"))
    v = Node("v", ((-1,),))
    assert same(limit.drift["x"], expression((-1, v)))
    assert same(limit.drift["v"], expression((1, GRADIENT), (-LAMBDA, v)))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("make", "index"), [(sgdm, Fraction(3, 2)), (sgdm, 2), (nesterov, Fraction(3, 2)), (qhm, 1)])
def test_the_second_route_agrees_on_what_is_found(make, index, order):
    """In coordinates the found regimes have the same drift, covariance or obstruction."""
    limit = modified_equation(make(), momentum_regime(make(), index), order=order)
    assert not any(difference(limit, 1).values())


def test_a_rule_of_ones_own():
    """X' = x + η^{1/3}v, v' = v − ηg: on kη^{2/3}, v = η^{1/3}v̂, Newton's equation."""

    @update_rule(state=("x", "v"))
    def newton(x, v, g, *, learning_rate):
        v = v - learning_rate * g
        return x + learning_rate ** sp.Rational(1, 3) * v, v

    regime = find_clock(newton)
    assert regime.clock == ETA ** sp.Rational(2, 3)
    assert regime.state_scales["v"] == ETA ** sp.Rational(1, 3)
    limit = modified_equation(newton, regime)
    v = Node("v", ((-1,),))
    assert same(limit.drift["x"], expression((1, v)))
    assert same(limit.drift["v"], expression((-1, GRADIENT)))


def test_rules_without_momentum():
    """SGD and GD run on kη."""
    assert find_clock(sgd()).clock == find_clock(gd(), noise_scale=0).clock == ETA
    assert find_clock(sgd()).name == "first-order"


@pytest.mark.parametrize("rule", [rmsprop(), rmsprop(True), adagrad()], ids=lambda rule: rule.name)
def test_clocks_of_adaptive_methods(rule):
    """Clock, scales and small parameter that the catalogue states follow from its scalings and the noise scale."""
    for stated in rule.regimes():
        found = find_clock(rule, stated.scalings, noise_scale=stated.noise_scale)
        assert found.name == "adaptive"
        for field in ("clock", "state_scales", "cumulant_scales", "small_parameter"):
            assert getattr(found, field) == getattr(stated, field)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [adam(), adam(False), adadelta(), adadelta("scaled")], ids=lambda rule: rule.name)
def test_clocks_of_longer_adaptive_methods(rule):
    """With a counter of steps, and with steps that are small by their own scale, they are found too."""
    test_clocks_of_adaptive_methods(rule)


@pytest.mark.parametrize("power", [Fraction(1, 3), Fraction(3, 5)])
def test_noise_of_any_rational_power(power):
    """At σ = η^(−p), p < 1, RMSProp runs on kη^{1+p} with G = η^(−2p)Ĝ; its noise is of size η^((1−p)/2)."""
    p = sp.Rational(power)
    scalings = {"decay": 1 - hyperparameter("c") * ETA ** (1 + p), "eps": hyperparameter("eps0") * ETA**-p}
    regime = find_clock(rmsprop(), scalings, noise_scale=ETA**-p)
    assert regime.clock == ETA ** (1 + p)
    assert regime.state_scales["G"] == ETA ** (-2 * p)
    limit = modified_equation(rmsprop(), regime)
    assert str(limit.drift["x"]) == "-1/(√G + ε₀) ⊙ ∇L"
    ((_, size),) = limit.covariance["x", "x"].terms
    assert size == ETA ** (1 - p)
    assert not any(difference(limit, 1).values())


def test_an_average_that_hardly_starts():
    """With 1 − ρ = cη² at σ = 1 the squares reach size η on kη: ε alone divides, and dĜ = c(g² in the mean) dt."""
    regime = find_clock(rmsprop(), {"decay": 1 - hyperparameter("c") * ETA**2})
    assert (regime.clock, regime.state_scales["G"]) == (ETA, ETA)
    limit = modified_equation(rmsprop(), regime)
    assert str(limit.drift["x"]) == "-1/ε·∇L"
    assert str(limit.drift["G"]) == "c·(diag Σ + ∇L ⊙ ∇L)"


def test_what_has_no_clock():
    """Noise that outweighs the gradient on every clock, and squares that relax within some steps."""
    with pytest.raises(ValueError, match="on no clock does a limit exist that the gradient enters"):
        find_clock(sgd(), noise_scale=1 / ETA)
    with pytest.raises(ValueError, match=r"no clock .* G must relax as slowly as x moves, being inside a function"):
        find_clock(rmsprop())
    with pytest.raises(ValueError, match="on no clock does a limit exist"):
        find_clock(rmsprop(), {"decay": 1 - hyperparameter("c") * ETA**3}, noise_scale=ETA**-2)
    with pytest.raises(ValueError, match="has no momentum"):
        momentum_regime(sgd(), 1)
    with pytest.raises(ValueError, match="rational number"):
        momentum_regime(sgdm(), "a half")


def test_regimes_refuse_what_is_inconsistent():
    """A rate of an average that leaves [0, 1], a scaled learning rate, an index without its clock, a clock too slow."""
    with pytest.raises(ValueError, match="must stay between 0 and 1"):
        Regime("growing", scalings={"momentum": 1 + LAMBDA / ETA})
    with pytest.raises(ValueError, match="`learning_rate` is what tends to zero"):
        Regime("circular", scalings={"learning_rate": ETA**2})
    with pytest.raises(ValueError, match="find_clock"):
        Regime.noise_dominated(2)
    with pytest.raises(ValueError, match="`momentum` is scaled"):
        Regime.noise_dominated(1).scheduled("momentum")
    with pytest.raises(ValueError, match=r"the motion of x grows like learning_rate\*\*\(-1\)"):
        modified_equation(sgd(), Regime("too slow", clock=ETA**2))


def test_a_rule_lists_the_regimes_that_fit():
    """A rule without a list of its own offers those of the SGD family under which it has a limit."""

    @update_rule(state=("x", "m"), fast=("m",))
    def mine(x, m, g, *, learning_rate, momentum):
        m = momentum * m + (1 - momentum) * g
        return x - learning_rate * m, m

    assert [regime.name for regime in mine.regimes()] == [
        "small-noise",
        "noise-dominated",
        "noise-dominated, momentum index 1/2",
        "noise-dominated, momentum index 1",
    ]

    @update_rule(state=("x",))
    def loud(x, g, *, learning_rate, scale):
        return x - learning_rate * scale * g + learning_rate * g**2

    # With σ = η^(-1/2) the square of the noise would move x by O(1) in one step.
    assert [regime.name for regime in loud.regimes()] == ["small-noise"]
