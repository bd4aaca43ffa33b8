"""Formulas and names that users hand over: read exactly, never run, refused where they mean something else already."""

import pytest
import sympy as sp

from sde_momentum.optimizers import sgd
from sde_momentum.symbolic import (
    LEARNING_RATE,
    Regime,
    UpdateRule,
    modified_equation,
    spectral_noise,
    update_rule,
)
from sde_momentum.symbolic import hyperparameter as symbol


def test_text_is_read_as_the_formula_it_shows():
    """Names, decimals, powers and roots in text mean what they mean in sympy."""
    regime = Regime(noise_scale="0.1 * learning_rate**(-1/4)", scalings={"momentum": "1 - c*sqrt(learning_rate)"})
    assert regime.noise_scale == sp.Rational(1, 10) * LEARNING_RATE ** sp.Rational(-1, 4)
    assert regime.scalings["momentum"] == 1 - symbol("c") * sp.sqrt(LEARNING_RATE)


@pytest.mark.parametrize(
    "text",
    ["__import__('os').getcwd()", "learning_rate.func", "learning_rate +", "[1, 2]", "lambda: 1", "sin(learning_rate)"],
)
def test_text_is_never_run(text):
    """What is no formula is refused in one sentence that shows it."""
    for read in (lambda: Regime(noise_scale=text), lambda: Regime(clock=text), lambda: spectral_noise(text)):
        with pytest.raises(ValueError, match="cannot be read; write numbers and names") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_other_types_are_refused():
    """Neither lists nor strings of names pass for expressions."""
    with pytest.raises(TypeError, match=r"`noise_scale` must be a number or a sympy expression, got \[1\]"):
        Regime(noise_scale=[1])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"write \('learning_rate',\)"):
        Regime(schedules="learning_rate")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="the update of `x` must be a number or a sympy expression, got 'x - g'"):
        UpdateRule("text", {"x": "x - g"}, ("learning_rate",))  # pyright: ignore[reportArgumentType]


def test_decimals_in_rules_are_exact():
    """A decimal in a user's rule is the fraction that it is written as."""

    @update_rule()
    def damped(x, g, *, learning_rate):
        return x - 0.9 * learning_rate * g

    assert not damped.update["x"].atoms(sp.Float)
    assert str(modified_equation(damped).drift["x"]) == "-9/10·∇L"


@pytest.mark.parametrize("name", ["L", "S", "Sigma", "f", "xi", "delta", "one", "kappa", "kappa3", "g", "loss_slope"])
def test_names_of_fields_are_not_names_of_variables(name):
    """A state variable called L would be taken for the loss: it is refused."""
    x, v, eta, g = sp.Symbol("x", real=True), sp.Symbol(name, real=True), LEARNING_RATE, sp.Symbol("g", real=True)
    with pytest.raises(ValueError, match=f"cannot be called `{name}`"):
        UpdateRule("clash", {"x": x - eta * (g + v), name: v + eta * (x - v)}, ("learning_rate",))


def test_catalogue_still_reads():
    """The default regime of a catalogue rule survives the round through its own texts."""
    regime = sgd().default_regime()
    assert Regime(regime.name, str(regime.noise_scale), str(regime.clock)) == regime
