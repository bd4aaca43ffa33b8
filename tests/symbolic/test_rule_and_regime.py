"""What a rule or a regime refuses, and how its text reads."""

import pytest
import sympy as sp

from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.symbolic import LEARNING_RATE, Regime, UpdateRule, modified_equation, update_rule


def test_a_rule_reads_the_gradient_once():
    """Two points are two gradients."""
    with pytest.raises(ValueError, match="reads the gradient at 2 points"):

        @update_rule(state=("x",))
        def twice(x, g, *, learning_rate):
            return x - learning_rate * (g + g(x - learning_rate)) / 2


def test_the_point_of_the_gradient_is_found():
    """g(point) is the look-ahead gradient."""

    @update_rule(state=("x", "m"), fast=("m",))
    def ahead(x, m, g, *, learning_rate, momentum):
        m = momentum * m + (1 - momentum) * g(x - momentum * learning_rate * m)
        return x - learning_rate * m, m

    x, m = sp.Symbol("x", real=True), sp.Symbol("m", real=True)
    beta = next(s for s in ahead.gradient_at.free_symbols if str(s) == "momentum")
    assert ahead.gradient_at == x - beta * LEARNING_RATE * m


def test_every_variable_needs_an_update():
    """A function that returns fewer values than there are variables is refused."""
    with pytest.raises(ValueError, match="every state variable needs an update"):

        @update_rule(state=("x", "m"))
        def short(x, m, g, *, learning_rate):
            return x - learning_rate * g


def test_unknown_symbols_are_named():
    """An expression may use state, hyperparameters and g."""
    x = sp.Symbol("x", real=True)
    with pytest.raises(ValueError, match="uses typo, which is neither"):
        UpdateRule("bad", {"x": x - sp.Symbol("typo")}, ("learning_rate",))


def test_the_signature_must_match_the_state():
    """Positional arguments are the state and g."""
    with pytest.raises(ValueError, match=r"must take \(x, m, g\)"):

        @update_rule(state=("x", "m"))
        def other(x, v, g, *, learning_rate):
            return x, v


def test_a_nonlinear_fast_variable_is_refused():
    """Only linear averages can be eliminated."""

    @update_rule(state=("x", "m"), fast=("m",))
    def squared(x, m, g, *, learning_rate, momentum):
        m = momentum * m**2 + (1 - momentum) * g
        return x - learning_rate * m, m

    with pytest.raises(ValueError, match="`m` cannot be eliminated"):
        modified_equation(squared)


def test_a_clock_must_vanish_with_the_learning_rate():
    """T = k is not a clock of a limit η → 0."""
    with pytest.raises(ValueError, match="does not vanish"):
        Regime("frozen", clock=1)


def test_scalings_are_powers():
    """A noise scale that is no power of the learning rate is refused."""
    with pytest.raises(ValueError, match="rational power"):
        Regime("log", sp.log(LEARNING_RATE))


def test_a_regime_must_fit_the_rule():
    """SGD has no momentum to scale."""
    with pytest.raises(ValueError, match="scales `momentum`, which is not a hyperparameter"):
        modified_equation(sgd(), Regime.noise_dominated(momentum_index=1))


def test_negative_momentum_index():
    """1 − β may not grow as η → 0."""
    with pytest.raises(ValueError, match="momentum_index"):
        Regime.noise_dominated(momentum_index=-1)


def test_default_regime_is_the_first():
    """A rule's first regime is its default."""
    assert sgdm().default_regime() == sgdm().regimes()[0]
