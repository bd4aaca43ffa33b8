"""Factors where two variables read one Gaussian noise differently: sign updates beside averages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

from sde_momentum.dynamics import chain, sde
from sde_momentum.problems import quadratic
from sde_momentum.symbolic import (
    LEARNING_RATE,
    LOSS_SLOPE,
    NOISE_VARIANCE,
    Regime,
    from_json,
    function_expression,
    hyperparameter,
    modified_equation,
    to_json,
    update_rule,
)

ETA, C = LEARNING_RATE, hyperparameter("c")
INDEPENDENT = "independent Gaussian components"


@update_rule(state=("x", "m"))
def lion(x, m, g, *, learning_rate, beta1, beta2, weight_decay):
    step = sp.sign(beta1 * m + (1 - beta1) * g) + weight_decay * x
    return x - learning_rate * step, beta2 * m + (1 - beta2) * g


@update_rule(state=("x", "v"))
def sign_and_size(x, v, g, *, learning_rate, decay):
    return x - learning_rate * sp.sign(g), decay * v + (1 - decay) * sp.Abs(g)


@update_rule(state=("x", "m", "v"))
def three_readings(x, m, v, g, *, learning_rate, decay):
    m, v = decay * m + (1 - decay) * g, decay * v + (1 - decay) * sp.Abs(g)
    return x - learning_rate * sp.sign(g), m, v


def regime(name):
    return Regime("slow", scalings={name: 1 - C * ETA}, noise_law=INDEPENDENT)


CASES = [(lion, regime("beta2")), (sign_and_size, regime("decay"))]


def columns(expression):
    """The functions before S and before R, at one component."""
    found = {"S": sp.S.Zero, "R": sp.S.Zero}
    for graph, coefficient in expression:
        (kind,) = [node.field for node in graph if node.field in found]
        rest = [node for node in graph if node.field not in found]
        functions = [function_expression(node) or sp.Symbol("loss_slope", real=True) for node in rest]
        assert all(function_expression(node) is not None or node.field == "L" for node in rest)
        found[kind] += coefficient * sp.Mul(*functions)
    return found["S"], found["R"]


@pytest.mark.parametrize(("rule", "slow"), [CASES[0], pytest.param(*CASES[1], marks=pytest.mark.slow)])
def test_the_factor_squares_to_the_covariance(rule, slow):
    """B_v B_wᵀ = S_v S_w Σ + R_v R_w 2Σ², component by component, is A_vw exactly."""
    limit = modified_equation(rule, slow)
    assert not limit.factor_gap
    parts = {name: columns(limit.factor[name]) for name in limit.variables}
    third = sp.Rational(1, 3)
    values = {LOSS_SLOPE: third, NOISE_VARIANCE: sp.Rational(5, 4), sp.Symbol("m", real=True): 2, ETA: third, C: third}
    values[hyperparameter("beta1")] = third
    for (left, right), block in limit.covariance.items():
        square = sum(
            parts[left][k] * parts[right][k] * weight
            for k, weight in enumerate((NOISE_VARIANCE, 2 * NOISE_VARIANCE**2))
        )
        own = sp.S.Zero
        for graph, coefficient in block:
            factors = [function_expression(n) for n in graph if n.field not in ("delta", "L", "Sigma")]
            slopes = [n for n in graph if n.field == "L"]
            sizes = [n for n in graph if n.field == "Sigma"]
            own += coefficient * sp.Mul(*factors) * LOSS_SLOPE ** len(slopes) * NOISE_VARIANCE ** len(sizes)
        assert sp.simplify((square - own).subs(values)) == 0
        assert sp.simplify((2 * square - own).subs(values)) != 0


@pytest.mark.slow
def test_lion_against_its_chain():
    """One step of the chain, 40 000 draws: the covariance of (x, m) is that of B dW within 5 SE, and not twice that."""
    problem, eta = quadratic(jnp.array([1.0, 2.0]), jnp.array([0.8, 1.5])), 0.01
    numbers = {"learning_rate": eta, "beta1": 0.6, "c": 1.5, "weight_decay": 0.1}
    limit = modified_equation(lion, regime("beta2"))
    equation, process = sde(limit, problem, **numbers), chain(lion, problem, regime=regime("beta2"), **numbers)
    state = {"x": jnp.array([0.3, -0.2]), "m": jnp.array([0.4, 0.1])}
    draws = jax.random.normal(jax.random.key(3), (40_000, problem.noise_dim))
    after = jax.vmap(lambda draw: process.step(0, state, draw))(draws)
    moves = np.stack([np.asarray(after[name])[:, 0] for name in ("x", "m")])
    basis = jnp.eye(equation.noise_dim)
    root = jax.vmap(lambda w: equation.noise_product(0.0, state, None, w))(basis)
    rows = np.stack([np.asarray(root[name])[:, 0] for name in ("x", "m")])
    expected = rows @ rows.T * eta  # the clock is eta a step
    centred = moves - moves.mean(axis=1, keepdims=True)
    products = centred[:, None] * centred[None]
    errors = products.std(axis=-1) / np.sqrt(products.shape[-1])
    assert np.all(np.abs(products.mean(axis=-1) - expected) < 5 * errors)
    assert np.all(np.abs(products.mean(axis=-1) - 2 * expected) > 5 * errors)


def test_three_readings_have_no_written_factor():
    """Three functions of one noise need three columns; the limit says why there are none, and keeps its covariance."""
    limit = modified_equation(three_readings, regime("decay"))
    assert "3 different functions of one gradient noise" in limit.factor_gap
    assert ("x", "v") in limit.covariance
    assert "noise N given by its bracket" in str(limit)


def test_the_factor_survives_json():
    """Both columns are kept."""
    limit = modified_equation(lion, regime("beta2"))
    assert from_json(to_json(limit)).factor == limit.factor
