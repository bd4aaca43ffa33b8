"""Limits of updates with jumps or kinks say where they do not hold."""

import numpy as np
import pytest
import sympy as sp

from sde_momentum.optimizers import normalized_gd, sgdm, sign_gd
from sde_momentum.symbolic import (
    LEARNING_RATE,
    LOSS_SLOPE,
    SQUARED_GRADIENT,
    Regime,
    from_json,
    hyperparameter,
    modified_equation,
    to_json,
    to_latex,
    update_rule,
)

QUIET = Regime.noiseless()
THRESHOLD = hyperparameter("threshold")


@update_rule(state=("x",))
def clipped(x, g, *, learning_rate, threshold):
    return x - learning_rate * sp.Max(-threshold, sp.Min(threshold, g))


@update_rule(state=("x",))
def sparse(x, g, *, learning_rate, threshold):
    return x - learning_rate * (g + threshold * sp.sign(x))


@update_rule(state=("x", "m"))
def signum(x, m, g, *, learning_rate, momentum):
    m = momentum * m + (1 - momentum) * g
    return x - learning_rate * sp.sign(m), m


SLOW = Regime("slow momentum", scalings={"momentum": 1 - hyperparameter("c") * LEARNING_RATE})
CASES = [
    (sign_gd(), QUIET, {LOSS_SLOPE}),
    (clipped, QUIET, {LOSS_SLOPE - THRESHOLD, LOSS_SLOPE + THRESHOLD}),
    (sparse, Regime.small_noise(), {sp.Symbol("x", real=True)}),
    (signum, SLOW, {sp.Symbol("m", real=True)}),
    (normalized_gd(), QUIET, {SQUARED_GRADIENT}),
]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("rule", "regime", "places"), CASES, ids=lambda case: getattr(case, "name", ""))
def test_where_a_limit_does_not_hold(rule, regime, places, order):
    """The zeros at which coefficients jump, bend or blow up are listed, printed, and survive JSON."""
    limit = modified_equation(rule, regime, order=order)
    assert set(limit.exceptions) == places
    begins = "as long as " if SQUARED_GRADIENT in places else "as long as no component of "
    assert begins in str(limit)
    assert begins in to_latex(limit)
    assert from_json(to_json(limit)).exceptions == limit.exceptions


@pytest.mark.parametrize("rule", [sign_gd(), sgdm()], ids=lambda rule: rule.name)
def test_smooth_limits_have_no_exceptions(rule):
    """An average over Gaussian noise is smooth, and so is what never jumped."""
    limit = modified_equation(rule, order=2)
    assert limit.exceptions == ()
    assert "as long as" not in str(limit)


def test_a_path_on_the_jump_does_not_follow_the_limit():
    """Sign descent on L = |x|²/2 stays within η of zero but never comes to rest: the order is lost, as stated."""
    for eta in (0.1, 0.05):
        x = 1.0 + eta / 3
        for _ in range(round(2 / eta)):
            x -= eta * np.sign(x)
        before = 1.0 + eta / 3 - eta * round(0.5 / eta)
        # Away from the jump the limit is exact: x(t) = x₀ − t.
        assert before == pytest.approx(1.0 + eta / 3 - 0.5, abs=1e-12)
        assert abs(x) > eta / 4
