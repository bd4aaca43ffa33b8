"""A fast momentum over a slow average of squares: Adam's m at fixed β₁."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import sympy as sp
from scalar_limits import X, scalar
from scipy.integrate import solve_ivp

from sde_momentum.symbolic import (
    LEARNING_RATE,
    Regime,
    hyperparameter,
    modified_equation,
    update_rule,
)
from sde_momentum.symbolic.equation import _modified_equation as derivation
from sde_momentum.symbolic.step._reduction import reduce_rule

ETA, C, BETA = LEARNING_RATE, hyperparameter("c"), hyperparameter("momentum")
V = sp.Symbol("v", real=True)
SLOW = Regime("slow squares", scalings={"decay": 1 - C * ETA})
LOUD = Regime(
    "noise-dominated",
    1 / ETA,
    ETA**2,
    {"decay": 1 - C * ETA**2, "eps": hyperparameter("eps0") / ETA},
    {"v": ETA**-2},
    {3: ETA},
)


@update_rule(state=("x", "m", "v"), fast=("m",))
def bare(x, m, v, g, *, learning_rate, momentum, decay):
    m = momentum * m + (1 - momentum) * g
    v = decay * v + (1 - decay) * g**2
    return x - learning_rate * m / sp.sqrt(v), m, v


@update_rule(state=("x", "m", "v"), fast=("m",))
def guarded(x, m, v, g, *, learning_rate, momentum, decay, eps):
    m = momentum * m + (1 - momentum) * g
    v = decay * v + (1 - decay) * g**2
    return x - learning_rate * m / (sp.sqrt(v) + eps), m, v


@pytest.mark.parametrize(
    ("rule", "regime", "order"), [pytest.param(bare, SLOW, 2, marks=pytest.mark.slow), (guarded, LOUD, 1)]
)
def test_the_slow_variable_is_a_choice(rule, regime, order, monkeypatch):
    """The slow law is the same, exactly, whether x − ηβ/(1−β) m/√v is followed or x itself."""
    itself = modified_equation(rule, regime, order=order, describes="slow")
    followed = partial(derivation.reduce_rule, follow="conserved")
    monkeypatch.setattr(derivation, "reduce_rule", followed)
    conserved = derivation.derive(rule, regime, order, "slow")
    assert str(followed(rule, regime).displacement["x"]) != str(reduce_rule(rule, regime).displacement["x"])
    for part in ("drift", "covariance"):
        assert set(getattr(conserved, part)) == set(getattr(itself, part))
        for key, value in getattr(conserved, part).items():
            assert not value - getattr(itself, part)[key]


def test_what_is_conserved_depends_on_the_squares():
    """Without gradients x comes to rest at x − ηβ/(1−β) m/√v."""
    limit = modified_equation(bare, SLOW)
    m = sp.Symbol("m", real=True)
    assert sp.simplify(limit.slow_variable - (X - ETA * BETA / (1 - BETA) * m / sp.sqrt(V))) == 0
    assert "slow variable x - η·β/(√v·(1 - β))·m" in str(limit)


def test_a_linear_loss_by_hand():
    """For ∇L = a the drift is −aφ − ½ηaφ′c(a² + s² − v) − ηφ′c(κ₃ + 2as²), φ = 1/√v: m and v share their noise."""
    a, s2, k3 = sp.symbols("a s2 kappa3", positive=True)
    phi = 1 / sp.sqrt(V)
    slope = sp.diff(phi, V)
    by_hand = -a * phi - ETA * a * slope * C * (a**2 + s2 - V) / 2 - ETA * slope * C * (k3 + 2 * a * s2)
    found = scalar(modified_equation(bare, SLOW, order=2).drift["x"], a * X, {2: s2, 3: k3})
    assert sp.expand(found - by_hand) == 0


def test_the_chain_without_noise():
    """On L = x²/2 + x³/9 the limit of order 2, from its shifted start, is O(η²) away; without the shift O(η)."""
    quiet, loss = replace(SLOW, noise_scale=0), X**2 / 2 + X**3 / 9
    limit, errors = modified_equation(bare, quiet, order=2), []
    for eta in (0.02, 0.01):
        numbers = {ETA: eta, C: 0.7, BETA: 0.6}
        drift = [scalar(limit.drift[name], loss).subs(numbers) for name in "xv"]
        shift = float(scalar(limit.initial_shift["x"], loss).subs({**numbers, X: 1, V: 2}))
        slope = sp.lambdify((X, V), drift)
        after = [
            solve_ivp(lambda _, z, f=slope: f(*z), (0, 1), (start, 2), rtol=1e-10, atol=1e-10).y[0, -1]
            for start in (1 + shift, 1)
        ]
        x, m, v = 1.0, 0.0, 2.0
        for _ in range(round(1 / eta)):
            g = x + x**2 / 3
            m, v = 0.6 * m + 0.4 * g, v + 0.7 * eta * (g**2 - v)
            x -= eta * m / np.sqrt(v)
        errors.append([abs(x - value) for value in after])
    assert errors[1][0] < 0.3 * errors[0][0] < 1e-3
    assert errors[1][1] > 0.4 * errors[0][1]
