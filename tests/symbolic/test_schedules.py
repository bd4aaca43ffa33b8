"""Learning rates and momenta that change with time: coefficients of the limit, derivatives included."""

from dataclasses import replace
from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

import sde_momentum as sm
from sde_momentum.optimizers import gd, heavy_ball, nesterov, sgd, sgdm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    MOMENTUM,
    RELAXATION_RATE,
    Node,
    Regime,
    TensorExpression,
    from_json,
    hyperparameter,
    modified_equation,
    to_json,
)

ETA, BETA, PHI, RATE = LEARNING_RATE, MOMENTUM, hyperparameter("schedule"), hyperparameter("schedule'")
SMALL = Regime.small_noise()


def L(*indices):
    return Node("L", (indices,))


def expression(*pairs):
    return TensorExpression.collect([(graph, sp.sympify(coefficient)) for coefficient, *graph in pairs])


def same(left, right):
    return not (left - right)


@pytest.mark.parametrize("rule", [sgd(), sgdm()], ids=lambda rule: rule.name)
def test_the_learning_rate_follows_a_schedule(rule):
    """−φ∇L + (η/2)φ′∇L − (η/2)φ² c H∇L with c = 1 or (1+β)/(1−β), and ηφ²Σ [Li, Tai, E 2019 for SGD]."""
    limit = modified_equation(rule, SMALL.scheduled(), order=2)
    lag = (1 + BETA) / (1 - BETA) if rule.name == "sgdm" else 1
    drift = expression((-PHI + ETA * RATE / 2, L(-1)), (-ETA / 2 * PHI**2 * lag, L(-1, 0), L(0)))
    assert same(limit.drift["x"], drift)
    assert same(limit.covariance["x", "x"], expression((ETA * PHI**2, Node("Sigma", ((-1, -2), ())))))


@pytest.mark.parametrize("rule", [sgd(), sgdm(), nesterov(), heavy_ball()], ids=lambda rule: rule.name)
def test_a_constant_schedule_is_no_schedule(rule):
    """φ = 1, φ′ = 0 gives the limit of the regime without schedule."""
    regime = rule.default_regime()
    moving, still = (modified_equation(rule, r, order=2) for r in (regime.scheduled(), regime))
    constant = {PHI: 1, RATE: 0, hyperparameter("schedule''"): 0}
    for left, right in ((moving.drift, still.drift), (moving.initial_shift, still.initial_shift)):
        assert set(left) == set(right)
        assert all(same(left[name].subs(constant), right[name]) for name in right)


def test_underdamped_momentum_with_schedules():
    """At momentum index 1: dX = −φM dt, dM = λ(t)(∇L − M) dt + λ(t)Σ^{1/2}dW."""
    limit = modified_equation(sgdm(), Regime.noise_dominated(1).scheduled("learning_rate", "relaxation_rate"))
    m = Node("m", ((-1,),))
    assert same(limit.drift["x"], expression((-PHI, m)))
    assert same(limit.drift["m"], expression((RELAXATION_RATE, L(-1)), (-RELAXATION_RATE, m)))


def _phi(t):
    return 1 / (1 + t)


def _beta(t):
    return 0.3 + 0.3 * np.sin(t)


VALUES = {
    "schedule": _phi,
    "schedule'": lambda t: -1 / (1 + t) ** 2,
    "schedule''": lambda t: 2 / (1 + t) ** 3,
    "momentum": _beta,
    "momentum'": lambda t: 0.3 * np.cos(t),
    "momentum''": lambda t: -0.3 * np.sin(t),
}


@cache
def _compiled(value):
    symbols = sorted(sp.sympify(value).free_symbols, key=str)
    return [str(s) for s in symbols], sp.lambdify(symbols, value, "math")


def _mean_error(rule, limit, eta, curvature=1.3, t1=1.0):
    """|x_k − X(t1)| without noise on L = h x²/2: the chain by its own recursion, the limit by an ODE solver."""
    x, m = 1.0, 0.0
    fixed = {"momentum": 0.6}
    names = [str(s) for s in rule.update["x"].free_symbols]
    step = sp.lambdify(sorted(names), [rule.update[v] for v in rule.state], "math")
    for k in range(round(t1 / eta)):
        values = {"x": x, "m": m, "g": curvature * x, "learning_rate": eta * _phi(k * eta)}
        values["momentum"] = _beta(k * eta) if "momentum" in limit.regime.schedules else fixed["momentum"]
        x, *rest = step(*(values[name] for name in sorted(names)))
        m = rest[0] if rest else 0.0

    def coefficient(value, t):
        symbols, function = _compiled(value)
        known = {name: VALUES[name](t) if name in VALUES else eta for name in symbols}
        if "momentum" in known and "momentum" not in limit.regime.schedules:
            known["momentum"] = fixed["momentum"]
        return function(*known.values())

    power = {(L(-1),): 1, (L(-1, 0), L(0)): 2, (L(-1, 0), L(0, 1), L(1)): 3}
    slopes = lambda part, t: sum(
        coefficient(c, t) * curvature ** next(p for g, p in power.items() if len(g) == len(graph))
        for graph, c in part
        if all(len(node.slots[0]) < 3 for node in graph)
    )
    start = 1.0 + (slopes(limit.initial_shift["x"], 0.0) if limit.initial_shift else 0.0)
    found = solve_ivp(lambda t, z: slopes(limit.drift["x"], t) * z, (0, t1), [start], rtol=1e-11, atol=1e-13)
    return abs(found.y[0, -1] - x)


def _order(rule, limit):
    errors = [_mean_error(rule, limit, eta) for eta in (1 / 40, 1 / 80)]
    return np.log2(errors[0] / errors[1])


@pytest.mark.parametrize(
    ("rule", "names", "order"),
    [
        (gd(), ("learning_rate",), 2),
        (gd(), ("learning_rate",), 3),
        (sgdm(), ("learning_rate",), 2),
        (sgdm(), ("learning_rate", "momentum"), 2),
    ],
    ids=["gd2", "gd3", "sgdm-schedule", "sgdm-both"],
)
def test_scheduled_limits_have_their_order(rule, names, order):
    """The mean on a quadratic, by recursion and by the limit's ODE, differs by O(η^order)."""
    limit = modified_equation(rule, Regime.noiseless().scheduled(*names), order=order)
    assert _order(rule, limit) == pytest.approx(order, abs=0.15)


def test_without_the_derivative_an_order_is_lost():
    """Negative control: φ′ left out, order 2 measures as order 1."""
    limit = modified_equation(gd(), Regime.noiseless().scheduled(), order=2)
    wrong = replace(limit, drift={"x": limit.drift["x"].subs(RATE, 0)})
    assert _order(gd(), wrong) == pytest.approx(1, abs=0.15)


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_a_schedule_is_lowered_to_jax():
    """Drift, noise and step of `sde` and `chain` take φ at their own time, φ′ by automatic differentiation."""
    problem = sm.problems.quadratic(2.0, noise=0.5)
    regime, eta, t = SMALL.scheduled(), 0.1, 0.7
    schedule = lambda s: jnp.exp(-s)
    equation = sm.sde(modified_equation(sgd(), regime, order=2), problem, learning_rate=eta, schedule=schedule)
    state = equation.init(1.5)
    phi = np.exp(-t)
    drift = -phi * 3.0 - eta / 2 * phi * 3.0 - eta / 2 * phi**2 * 2.0 * 3.0  # φ′ = −φ
    assert float(equation.drift(t, state, None)["x"]) == pytest.approx(drift)
    noise = equation.noise_product(t, state, None, jnp.ones(1))
    assert float(noise["x"]) == pytest.approx(np.sqrt(eta) * phi * 0.5)
    together = equation.increment(t, state, None, 0.01, jnp.full(1, 0.2))
    assert float(together["x"]) == pytest.approx(drift * 0.01 + np.sqrt(eta) * phi * 0.5 * 0.2)
    process = sm.chain(sgd(), problem, regime=regime, learning_rate=eta, schedule=schedule)
    stepped = process.step(7, process.init(1.5), jnp.full(1, 0.3))
    assert float(stepped["x"]) == pytest.approx(1.5 - eta * np.exp(-0.7) * (3.0 + 0.5 * 0.3))


def test_a_scheduled_momentum_is_lowered_to_jax():
    """The chain takes β(t_k), and λ(t_k) through the regime's scaling."""
    problem = sm.problems.quadratic(2.0, noise=0.0)
    process = sm.chain(sgdm(), problem, regime=SMALL.scheduled("momentum"), learning_rate=0.1, momentum=lambda t: t)
    state = process.step(5, process.init(1.0), jnp.zeros(1))
    assert float(state["m"]) == pytest.approx(0.5 * 2.0)
    regime = Regime.noise_dominated(1).scheduled("relaxation_rate")
    process = sm.chain(sgdm(), problem, regime=regime, learning_rate=0.1, relaxation_rate=lambda t: 1 + t)
    assert float(process.step(5, process.init(1.0), jnp.zeros(1))["m"]) == pytest.approx(0.15 * 2.0)


def test_what_schedules_refuse():
    """An unknown name, a clock that would move, a number for a function and a function for a number."""
    with pytest.raises(ValueError, match="schedules `momentum`, which is none of"):
        modified_equation(sgd(), SMALL.scheduled("momentum"))
    with pytest.raises(ValueError, match="clock depends on the scheduled `momentum`"):
        heavy_ball().default_regime().scheduled("momentum")
    problem = sm.problems.double_well()
    with pytest.raises(TypeError, match="`momentum` as a function of the time t"):
        sm.chain(sgdm(), problem, regime=SMALL.scheduled("momentum"), learning_rate=0.1, momentum=0.5)
    with pytest.raises(TypeError, match="`momentum` must be a number"):
        sm.chain(sgdm(), problem, learning_rate=0.1, momentum=lambda t: 0.5)


def test_scheduled_limits_survive_json():
    """Schedules are part of the regime that is written, their derivatives of the coefficients."""
    limit = modified_equation(sgdm(), SMALL.scheduled(), order=2)
    assert from_json(to_json(limit)) == limit
