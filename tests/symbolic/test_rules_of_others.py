"""Optimizers that no file of the project mentions, against derivations by hand."""

import pytest
import sympy as sp
from scalar_limits import X, scalar

from sde_momentum.symbolic import (
    LEARNING_RATE,
    Node,
    Regime,
    TensorExpression,
    difference,
    find_clock,
    function_expression,
    hyperparameter,
    modified_equation,
    squared_norm,
    update_rule,
)
from sde_momentum.symbolic.symbols._symbols import variable

ETA, C, GRADIENT = LEARNING_RATE, hyperparameter("c"), variable("g")
SMALL, LOUD = Regime.small_noise(), Regime.noise_dominated()


@update_rule(state=("x", "m", "n"), fast=("m", "n"))
def aggregated(x, m, n, g, *, learning_rate, b1, b2):
    m, n = b1 * m + g, b2 * n + g
    return x - learning_rate * (m + n) / 2, m, n


@update_rule(state=("x", "m", "p"), fast=("m", "p"))
def controller(x, m, p, g, *, learning_rate, b, gain):
    m = b * m + (1 - b) * g
    return x - learning_rate * (m + gain * (g - p)), m, g


@update_rule(state=("x", "m", "p", "v"), fast=("m", "p", "v"))
def with_differences(x, m, p, v, g, *, learning_rate, b1, b2):
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * (g - p)
    return x - learning_rate * (m + b2 * v), m, g, v


@update_rule(state=("x", "m", "u"), fast=("m", "u"))
def double_average(x, m, u, g, *, learning_rate, b):
    m = b * m + (1 - b) * g
    u = b * u + (1 - b) * m
    return x - learning_rate * (2 * m - u), m, u


@update_rule(state=("x", "m", "p"), fast=("m", "p"))
def optimistic(x, m, p, g, *, learning_rate, b):
    m = b * m + (1 - b) * (2 * g - p)
    return x - learning_rate * m, m, g


@update_rule(state=("w", "v"), fast=("v",), start={"v": "w"})
def accelerated(w, v, g, *, learning_rate, a, b, long):
    after = b * w + (1 - b) * v - long * learning_rate * g(w)
    return a * (w - learning_rate * g(w)) + (1 - a) * after, after


LINEAR = [aggregated, controller, with_differences, double_average, optimistic, accelerated]


def response(rule):
    """The steps −η Σ_i w_i g_{k−i}: w(1), and w′(1) by which the parameters stay behind, from the transfer function."""
    first, *others = rule.state
    start = {variable(v): variable(v) + variable(first) for v in rule.start}
    own = {v: (e - (rule.update[first] if v in rule.start else 0)).subs(start) for v, e in rule.update.items()}
    symbols, z = sp.Matrix([variable(v) for v in others]), sp.Symbol("z")
    update = sp.Matrix([sp.expand(own[v]) for v in others])
    move = sp.expand(own[first] - variable(first))
    memory, entry = update.jacobian(symbols), update.diff(GRADIENT)
    out = sp.Matrix([move]).jacobian(symbols)
    transfer = move.diff(GRADIENT) + (out * (sp.eye(len(others)) - z * memory).inv() * entry)[0] * z
    transfer = sp.cancel(-transfer / ETA)
    return transfer.subs(z, 1), sp.diff(transfer, z).subs(z, 1)


def tensors():
    gradient, hessian = Node("L", ((-1,),)), Node("L", ((-1, 0),))
    return (gradient,), (hessian, Node("L", ((0,),))), (Node("Sigma", ((-2, -1), ())),)


@pytest.mark.parametrize("rule", LINEAR, ids=lambda rule: rule.name)
def test_linear_memories_by_hand(rule):
    """−W∇(L + η(W/4 + D/2)|∇L|²), ηW²Σ, from x₀ + ηD∇L; with large noise W∇L and W²Σ; at order 3 −η²W³κ₃/6."""
    gain, delay = response(rule)
    gradient, product, noise = tensors()
    limit, first = modified_equation(rule, SMALL, order=2), rule.state[0]
    drift = [(gradient, -gain), (product, -2 * ETA * gain * (gain / 4 + delay / 2))]
    assert not limit.drift[first] - TensorExpression.collect(drift)
    assert not limit.covariance[first, first] - TensorExpression.collect([(noise, ETA * gain**2)])
    shift = limit.initial_shift.get(first, TensorExpression())
    assert not shift - TensorExpression.collect([(gradient, ETA * delay)])
    loud = modified_equation(rule, LOUD)
    assert not loud.drift[first] - TensorExpression.collect([(gradient, -gain)])
    assert not loud.covariance[first, first] - TensorExpression.collect([(noise, gain**2)])
    third = modified_equation(rule, SMALL, order=3)
    skewness = (Node("kappa3", ((-3, -2, -1), ())),)
    by_hand = TensorExpression.collect([(skewness, -(ETA**2) * gain**3 / 6)])
    assert not third.obstruction[first, first, first] - by_hand


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("rule", [controller, with_differences, accelerated], ids=lambda rule: rule.name)
def test_the_second_route_agrees_on_linear_memories(rule, dimension):
    """A memory of one step, which forgets everything at once, is one of them."""
    assert not any(difference(modified_equation(rule, SMALL, order=2), dimension).values())


# --- adaptive ones ---------------------------------------------------------------------------------------------------


@update_rule(state=("x", "G", "m"), fast=("m",))
def preconditioned_momentum(x, G, m, g, *, learning_rate, decay, momentum):
    G = decay * G + (1 - decay) * g**2
    m = momentum * m + g / sp.sqrt(G)
    return x - learning_rate * m, G, m


def test_momentum_of_preconditioned_gradients_by_hand():
    """For ∇L = a: −φa/(1−β) + ηc(a² + s² − G)aφ′(3β−1)/(2(1−β)²) − ηc(κ₃ + 2as²)φ′/(1−β) with φ = G^(−1/2)."""
    a, s2, k3 = sp.symbols("a s2 kappa3", positive=True)
    beta, G = hyperparameter("momentum"), variable("G")
    phi, rest = G ** sp.Rational(-1, 2), 1 - beta
    pull = ETA * C * sp.diff(phi, G)
    by_hand = -phi * a / rest + pull * a * (a**2 + s2 - G) * (3 * beta - 1) / (2 * rest**2)
    by_hand -= pull * (k3 + 2 * a * s2) / rest
    limit = modified_equation(preconditioned_momentum, Regime("slow", scalings={"decay": 1 - C * ETA}), order=2)
    assert sp.simplify(scalar(limit.drift["x"], a * X, {2: s2, 3: k3}) - by_hand) == 0


@update_rule(state=("x", "m", "v"))
def nesterov_adam(x, m, v, g, *, learning_rate, b1, b2, eps):
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
    return x - learning_rate * (b1 * m + (1 - b1) * g) / (sp.sqrt(v) + eps), m, v


@update_rule(state=("x", "m", "v"))
def centered(x, m, v, g, *, learning_rate, decay, eps):
    m, v = decay * m + (1 - decay) * g, decay * v + (1 - decay) * g**2
    return x - learning_rate * g / sp.sqrt(v - m**2 + eps), m, v


def test_centered_squares():
    """DX = −∇L/√(V − M² + ε); with large noise M is small beside √V and drops out."""
    ballistic = Regime("ballistic", scalings={"decay": 1 - C * ETA})
    limit = modified_equation(centered, ballistic)
    assert str(limit.drift["x"]) == "-1/√(eps + v - m²) ⊙ ∇L".replace("eps", "ε")
    assert not any(difference(limit, 1).values())
    scalings = {"decay": 1 - C * ETA**2, "eps": "eps0/learning_rate**2"}
    loud = Regime("loud", 1 / ETA, ETA**2, scalings, {"v": ETA**-2}, {3: ETA})
    assert str(modified_equation(centered, loud).drift["x"]) == "-1/√(ε₀ + v) ⊙ ∇L"


def test_nesterov_momentum_of_adam():
    """Both routes find the same equation of order 2, whose drift of x gains −3/2 ηc₁(∇L − M)/(√V + ε)."""
    rates = {name: 1 - hyperparameter(f"rate_{name}") * ETA for name in ("b1", "b2")}
    limit = modified_equation(nesterov_adam, Regime("ballistic", scalings=rates), order=2)
    assert not any(difference(limit, 1).values())
    (ahead,) = [c for graph, c in limit.drift["x"] if {n.field for n in graph if n.field in ("L", "m")} == {"L"}]
    assert sp.cancel(ahead + sp.Rational(3, 2) * ETA * hyperparameter("rate_b1")) == 0


@update_rule(state=("x", "v"))
def largest(x, v, g, *, learning_rate, b2):
    v = sp.Max(v, b2 * v + (1 - b2) * g**2)
    return x - learning_rate * g / sp.sqrt(v), v


def test_a_running_maximum_is_refused():
    """max(v, v + O(η)) sits on its kink: no expansion, and not half of the change."""
    with pytest.raises(ValueError, match=r"Max\(v, .*\) sits on its jump as the learning rate vanishes"):
        modified_equation(largest, Regime("slow", scalings={"b2": 1 - C * ETA}))


@update_rule(state=("x", "v"))
def one_scale(x, v, g, *, learning_rate, decay):
    v = decay * v + (1 - decay) * squared_norm(g)
    return x - learning_rate * g / sp.sqrt(v), v


def test_one_scale_for_all_components():
    """V averages |g|²: E = |∇L|² + ds², Var = 2ds⁴ + 4s²|∇L|², Cov(g, |g|²) = 2s²∇L, for isotropic Gaussian noise."""
    slow = Regime("slow", scalings={"decay": 1 - C * ETA}, noise_law="isotropic Gaussian")
    limit = modified_equation(one_scale, slow)
    sizes = {len([n for n in graph if n.field == "L"]): str(c) for graph, c in limit.covariance["v", "v"]}
    assert sizes == {0: "2*c**2*dimension*learning_rate", 2: "4*c**2*learning_rate"}
    ((graph, mixed),) = limit.covariance["x", "v"].terms
    assert mixed == -2 * C * ETA
    (function,) = [f for f in map(function_expression, graph) if f is not None]
    assert function == 1 / sp.sqrt(variable("v"))


@update_rule(state=("x", "a", "k"), start={"a": "x"})
def mean_of_iterates(x, a, k, g, *, learning_rate):
    x = x - learning_rate * g
    return x, a + (x - a) / (k + 1), k + 1


@pytest.mark.parametrize("dimension", [1, 2])
def test_the_mean_of_all_iterates(dimension):
    """The mean's distance D from SGD follows dD = (∇L − D/K) dt − √ηS dW, and both routes agree at order 2."""
    counted = Regime("counted", state_scales={"k": 1 / ETA})
    limit = modified_equation(mean_of_iterates, counted, order=2)
    assert not any(difference(limit, dimension).values())
    first = modified_equation(mean_of_iterates, counted)
    assert "dA = (∇L - A ⊙ 1/K) dt - √η Σ^{1/2} dW" in str(first)


def test_a_finer_power_than_any_that_is_written():
    """RMSProp before momentum runs on t = k√η with G = √η Ĝ, whose root brings in η^(1/4)."""

    @update_rule(state=("x", "G", "m"))
    def before_momentum(x, G, m, g, *, learning_rate, decay, momentum, eps):
        G = decay * G + (1 - decay) * g**2
        m = momentum * m + g / (sp.sqrt(G) + eps)
        return x - learning_rate * m, G, m

    regime = find_clock(before_momentum, {"decay": 1 - C * ETA, "momentum": 1 - C * ETA})
    assert (regime.clock, regime.small_parameter) == (sp.sqrt(ETA), ETA ** sp.Rational(1, 4))
    assert str(modified_equation(before_momentum, regime).drift["m"]) == "1/ε·∇L"
