"""Weight decay prints as the loss that it makes of L."""

import pytest
import sympy as sp

from sde_momentum.optimizers import adam, rmsprop, sgd, sgdm, weight_decay
from sde_momentum.symbolic import Regime, hyperparameter, modified_equation, to_latex
from sde_momentum.symbolic.presentation._decayed_loss import decayed, in_decayed_loss

OMEGA = hyperparameter("weight_decay")


@pytest.mark.parametrize(
    ("rule", "order"), [(sgd(), 2), (sgdm(), 2), (sgdm(), 3), (rmsprop(), 1)], ids=lambda case: str(case)[:12]
)
def test_the_limit_is_that_of_the_decayed_loss(rule, order):
    """Inserting L = L̃ − ½ω|x|² into every term of the decayed rule's limit gives the limit of the rule, exactly."""
    regime = Regime.noiseless() if order == 3 else rule.regimes()[0]
    with_decay, plain = (modified_equation(r, regime, order=order) for r in (weight_decay(rule), rule))
    shown, rate = decayed(with_decay)
    assert rate == OMEGA
    for part in ("drift", "covariance", "initial_shift", "factor"):
        assert set(getattr(shown, part)) == set(getattr(plain, part))
        for key, value in getattr(shown, part).items():
            assert not value - getattr(plain, part)[key]
    assert "L̃ = L + 1/2·ω·|x|²" in str(with_decay)
    assert r"\tilde L" in to_latex(with_decay)


def test_what_is_short_stays_short():
    """At order 1 the loss is written out; decoupled decay of an adaptive method is no loss."""
    assert str(modified_equation(weight_decay(sgd())).drift["x"]) == "-∇(L + 1/2·ω·|x|²)"
    beside = modified_equation(weight_decay(adam(bias_correction=False), decoupled=True))
    assert decayed(beside) == (beside, None)
    assert "L̃" not in str(modified_equation(sgdm(), order=2))


def test_a_wrong_rate_leaves_terms():
    """Control: with another rate than ω the parameters do not disappear."""
    drift = modified_equation(weight_decay(sgd()), order=2).drift["x"]
    held = lambda rate: any(node.field == "x" for graph, _ in in_decayed_loss(drift, rate, "x") for node in graph)
    assert not held(OMEGA)
    assert held(OMEGA * sp.Rational(1001, 1000))


def test_an_expression_says_what_its_letters_are():
    """The drift alone defines L̃, and H where it occurs."""
    text = str(modified_equation(weight_decay(sgdm()), Regime.noiseless(), order=3).drift["x"])
    assert text.endswith("with L̃ = L + 1/2·ω·|x|², H = ∇²L̃")
