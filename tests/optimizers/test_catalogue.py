"""Every optimizer of the catalogue derives under its own regimes, and reduces to its neighbors."""

import pytest
import sympy as sp

from sde_momentum.optimizers import (
    CATALOGUE,
    adadelta,
    adagrad,
    adam,
    gd,
    heavy_ball,
    nesterov,
    qhm,
    rmsprop,
    sgd,
    sgdm,
)
from sde_momentum.symbolic import (
    LEARNING_RATE,
    MOMENTUM,
    Node,
    TensorExpression,
    elementwise_expression,
    hyperparameter,
    modified_equation,
    to_json,
    to_latex,
)

ETA, BETA = LEARNING_RATE, MOMENTUM


def L(*indices):
    return Node("L", (indices,))


def same(left, right):
    return not (left - right)


@pytest.mark.parametrize("name", CATALOGUE)
def test_order_one_exists_under_every_regime(name):
    """Each row works: a limit of order 1, that prints in every format, under each of the rule's regimes."""
    rule = CATALOGUE[name]()
    assert rule.name == name
    assert str(rule).startswith(name)
    for regime in rule.regimes():
        limit = modified_equation(rule, regime, order=1)
        assert limit.exists
        assert rule.name in str(limit)
        assert "drift" in to_json(limit)
        assert "mathrm" in to_latex(limit)


def test_gradient_descent_has_every_order():
    """Without noise nothing obstructs: −∇(L + (η/4)|∇L|²) − η²(⅓ HH∇L + 1/12 D³L[∇L, ∇L]) to order 3."""
    limit = modified_equation(gd(), order=3)
    expected = TensorExpression.collect(
        [
            ((L(-1),), sp.S(-1)),
            ((L(-1, 0), L(0)), -ETA / 2),
            ((L(-1, 0), L(0, 1), L(1)), -(ETA**2) / 3),
            ((L(-1, 0, 1), L(0), L(1)), -(ETA**2) / 12),
        ]
    )
    assert same(limit.drift["x"], expected)
    assert not limit.covariance


@pytest.mark.parametrize(("nu", "other"), [(0, sgd), (1, sgdm)])
def test_qhm_interpolates(nu, other):
    """ν = 0 is SGD and ν = 1 SGDM, drift and shift."""
    mixed, plain = modified_equation(qhm(), order=2), modified_equation(other(), order=2)
    substitution = {hyperparameter("dampening"): nu}
    assert same(mixed.drift["x"].subs(substitution), plain.drift["x"])
    zero = TensorExpression()
    shifts = [limit.initial_shift.get("x", zero) for limit in (mixed, plain)]
    assert same(shifts[0].subs(substitution), shifts[1])


@pytest.mark.parametrize(
    ("form", "look_ahead"),
    [("textbook", BETA), ("full", sp.S.One)],
)
def test_looking_ahead_shortens_the_lag(form, look_ahead):
    """The gradient lags by β/(1−β) − c steps: the correction is η(½ + β/(1−β) − c) H∇L."""
    limit = modified_equation(nesterov(form), order=2)
    lag = BETA / (1 - BETA) - look_ahead
    expected = TensorExpression.collect([((L(-1),), sp.S(-1)), ((L(-1, 0), L(0)), -ETA * (sp.Rational(1, 2) + lag))])
    assert same(limit.drift["x"], expected)


def test_pytorch_nesterov_is_the_look_ahead_point_of_the_textbook():
    """V' = μv + g(x), x' = x − γ(g + μv'): x is the textbook's θ − γμv; the iterates agree exactly."""
    gamma, mu = sp.symbols("gamma mu")
    theta, v = sp.symbols("theta v")
    g = sp.Function("g")
    look = theta - gamma * mu * v
    gradient = g(look)
    textbook_v = mu * v + gradient
    textbook = theta - gamma * textbook_v
    pytorch = look - gamma * (gradient + mu * (mu * v + gradient))
    assert sp.expand(pytorch - (textbook - gamma * mu * textbook_v)) == 0


def test_pytorch_nesterov_has_the_heavy_ball_clock():
    """On t = kγ/(1 − μ) its drift is −∇L with the textbook's correction in the variable of PyTorch."""
    limit = modified_equation(nesterov("pytorch"), order=1)
    assert same(limit.drift["x"], TensorExpression.collect([((L(-1),), sp.S(-1))]))
    assert limit.regime.clock == heavy_ball().default_regime().clock


def denominator(expression):
    """The one elementwise function of an expression."""
    found = {elementwise_expression(node) for graph, _ in expression for node in graph} - {None}
    assert len(found) == 1
    return found.pop()


def test_rmsprop_is_that_of_malladi_et_al():
    """DX = −P⁻¹(∇L dt + σ₀Σ^{1/2}dW), du = c(diag Σ σ₀² − u) dt with P = √u + ε₀ (u in units of η⁻²)."""
    rule = rmsprop()
    limit = modified_equation(rule, rule.regimes()[0], order=1)
    G, eps, sigma, c = sp.Symbol("G", real=True), *map(hyperparameter, ("eps0", "sigma0", "rate_decay"))
    assert denominator(limit.drift["x"]) == 1 / (sp.sqrt(G) + eps)
    diagonal = (Node("Sigma", ((-1, -1), ())),)
    expected = TensorExpression.collect([((Node("G", ((-1,),)),), -c), (diagonal, c * sigma**2)])
    assert same(limit.drift["G"], expected)
    ((graph, coefficient),) = limit.factor["x"].terms
    assert coefficient == sigma
    assert Node("S", ((-1,), (-2,), ())) in graph


def test_rmsprop_has_no_noise_dominated_order_two():
    """Even for constant Gaussian Σ the terms Σ_ik Σ_jk ∂_xi ∂_xj ∂_uk obstruct."""
    rule = rmsprop()
    limit = modified_equation(rule, rule.regimes()[0], order=2)
    assert not limit.exists
    gaussian = [graph for graph, _ in limit.obstruction["x", "x", "G"] if not any(n.field == "kappa4" for n in graph)]
    assert gaussian
    assert all(not node.slots[1] for graph in gaussian for node in graph if node.field == "Sigma")


def test_adam_without_correction_is_that_of_malladi_et_al():
    """DX = −P⁻¹M dt, dM = c₁(∇L − M) dt + σ₀c₁Σ^{1/2}dW."""
    rule = adam(bias_correction=False)
    limit = modified_equation(rule, rule.regimes()[0], order=1)
    c, sigma = hyperparameter("rate_beta1"), hyperparameter("sigma0")
    m = (Node("m", ((-1,),)),)
    assert same(limit.drift["m"], TensorExpression.collect([((L(-1),), c), (m, -c)]))
    ((_, coefficient),) = limit.factor["m"].terms
    assert coefficient == c * sigma
    assert set(limit.factor) == {"m"}


def test_bias_correction_brings_time_into_the_drift():
    """γ_i = 1 − e^{−c_i t}: the drift of Adam is −(√γ₂/γ₁) M / (√u + ε₀√γ₂), checked at a point."""
    rule = adam()
    limit = modified_equation(rule, rule.regimes()[0], order=1)
    ((graph, coefficient),) = limit.drift["x"].terms
    function = next(elementwise_expression(node) for node in graph if elementwise_expression(node) is not None)
    values = {"G": 0.7, "k": 0.9, "eps0": 0.2, "rate_beta1": 1.3, "rate_beta2": 0.6}
    value = complex((coefficient * function).subs({s: values[str(s)] for s in function.free_symbols}))
    gamma1, gamma2 = (1 - float(sp.exp(-values[f"rate_beta{i}"] * values["k"])) for i in (1, 2))
    expected = -(gamma2**0.5 / gamma1) / (values["G"] ** 0.5 + values["eps0"] * gamma2**0.5)
    assert value == pytest.approx(expected, rel=1e-12)


def test_adagrad_accumulates():
    """DX = −∇L/(√u + ε₀) dt, du = (|∇L|² + Σ)_ii dt on t = kη²."""
    limit = modified_equation(adagrad(), order=1)
    squares = (L(-1), L(-1))
    diagonal = (Node("Sigma", ((-1, -1), ())),)
    assert same(limit.drift["G"], TensorExpression.collect([(squares, sp.S.One), (diagonal, sp.S.One)]))


def test_unknown_form():
    """Nesterov has three forms."""
    with pytest.raises(ValueError, match="`form` must be one of"):
        nesterov("keras")


def test_unknown_form_of_adadelta():
    """AdaDelta has two forms, and with the scaled one's ε in proportion they have one limit."""
    with pytest.raises(ValueError, match='`form` must be "original" or "scaled"'):
        adadelta("torch")
    loud, scaled = (modified_equation(adadelta(form), adadelta(form).regimes()[1]) for form in ("original", "scaled"))
    function = lambda limit: denominator(limit.drift["x"]).subs(hyperparameter("eps0"), hyperparameter("eps"))
    assert function(loud) == function(scaled)


def test_adagrad_with_a_warm_accumulator():
    """At a fixed step size α: DX = −α(∇L dt + Σ^{1/2}dW)/(√u + ε₀), du = diag Σ dt, and no order 2."""
    rule = adagrad(fixed_step=True)
    limit, alpha = modified_equation(rule), hyperparameter("step_size")
    assert denominator(limit.drift["x"]) == 1 / (sp.sqrt(sp.Symbol("G", real=True)) + hyperparameter("eps0"))
    assert {coefficient for _, coefficient in limit.factor["x"]} == {alpha}
    assert same(limit.drift["G"], TensorExpression.collect([((Node("Sigma", ((-1, -1), ())),), sp.S.One)]))
    assert not modified_equation(rule, order=2).exists
