"""Elementwise functions have a canonical form: what is equal is found equal, and cancels."""

import itertools

import pytest
import sympy as sp

from sde_momentum.optimizers import adadelta, adagrad, adam, rmsprop
from sde_momentum.symbolic import (
    LEARNING_RATE,
    Regime,
    TensorExpression,
    elementwise_expression,
    hyperparameter,
    modified_equation,
    update_rule,
)
from sde_momentum.symbolic.functions._function_field import FunctionField
from sde_momentum.symbolic.functions._linear_relations import Relations

G, H, t = sp.symbols("G H t", real=True)
EPS, C, D = (hyperparameter(name) for name in ("eps", "c", "d"))
ROOT = sp.sqrt(G)
CORRECTED = 1 / ((1 - sp.exp(-C * t)) * (sp.sqrt(G / (1 - sp.exp(-D * t))) + EPS))
FUNCTIONS = {
    "outside": 1 / (ROOT + EPS),
    "inside": 1 / sp.sqrt(G + EPS),
    "two roots": sp.sqrt(H + EPS) / sp.sqrt(G),
    "corrected": CORRECTED,
    "cube root": (G + EPS) ** sp.Rational(-1, 3) * H,
    "exponential": sp.exp(-G / 2) / (1 + sp.exp(-3 * G / 2)),
}
POINT = {G: sp.Rational(7, 10), H: sp.Rational(3, 5), t: sp.Rational(9, 10), EPS: sp.Rational(1, 5), C: 1, D: 2}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_are_those_of_calculus(name):
    """Second derivatives in the function field have the values of sympy's."""
    function, state = FUNCTIONS[name], (G, H, t)
    field = FunctionField([function], state)
    for one, other in itertools.combinations_with_replacement(state, 2):
        element = field.derivative(field.derivative(field.element(function), one), other)
        found = field.factored(element) if element else sp.S.Zero
        expected = sp.diff(function, one, other)
        assert abs(sp.N((found - expected).subs(POINT), 30)) < 1e-25


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (ROOT * ROOT, G),
        (EPS / (ROOT + EPS), 1 - ROOT / (ROOT + EPS)),
        ((ROOT - EPS) / (G - EPS**2), 1 / (ROOT + EPS)),
        (sp.sqrt(G / (1 - sp.exp(-D * t))) * sp.sqrt(1 - sp.exp(-D * t)), ROOT),
        ((1 - sp.exp(-2 * C * t)) / (1 + sp.exp(-C * t)), 1 - sp.exp(-C * t)),
    ],
)
def test_equal_functions_have_one_normal_form(left, right):
    """Identities between roots and exponentials hold in the field, and a wrong one does not."""
    field = FunctionField([left, right], (G, t))
    assert field.element(left) == field.element(right)
    assert field.element(left) != field.element(right * 2)


def test_relations_are_exact():
    """A dependent function is the stated combination of independent ones."""
    functions = [
        1 / (ROOT + EPS),
        ROOT / (ROOT + EPS),
        1 / (ROOT + EPS) ** 2,
        ROOT / (ROOT + EPS) ** 2,
        G / (ROOT + EPS),
    ]
    field = FunctionField(functions, (G,))
    elements = [field.element(f) for f in functions]
    relations = Relations(field, elements, [field.field.one, field.element(G)])
    independent = {basis for f in elements for basis, _ in relations.written(f)}
    assert len(independent) == 4  # 1/(s + ε), its square, 1 and s: sums over them reach the others
    for element, function in zip(elements, functions, strict=True):
        total = sum(sp.sympify(c) * field.factored(basis) for basis, c in relations.written(element))
        assert sp.simplify(total - function) == 0


def scaled_twice():
    @update_rule(state=("x", "G"))
    def one(x, G, g, *, learning_rate, rate, eps):
        G = G + learning_rate * rate * (g**2 - G)
        return x - learning_rate * g / (sp.sqrt(G) + eps), G

    @update_rule(state=("x", "G"))
    def other(x, G, g, *, learning_rate, rate, eps):
        G = G + learning_rate * rate * (g**2 - G)
        return x - learning_rate * g * (sp.sqrt(G) - eps) / (G - eps**2), G

    return one, other


def test_rules_that_are_equal_have_equal_limits():
    """(√G − ε)/(G − ε²) = 1/(√G + ε): two ways of writing a rule give one limit of order 2, term by term."""
    limits = [modified_equation(rule, Regime.small_noise(), order=2) for rule in scaled_twice()]
    for name in ("x", "G"):
        assert limits[0].drift[name].terms == limits[1].drift[name].terms


def test_cancellation_needs_the_functions():
    """Where x moves by g√(G²+ε)·… and its inverse, the functions cancel and SGD's obstruction-free order 2 remains."""

    @update_rule(state=("x", "G"))
    def cancelling(x, G, g, *, learning_rate, eps):
        step = g * (1 / (sp.sqrt(G) + eps) + (sp.sqrt(G) + eps - 1) / (sp.sqrt(G) + eps))
        return x - learning_rate * step, G

    limit = modified_equation(cancelling, Regime.small_noise(), order=2)
    assert all(elementwise_expression(node) is None for graph, _ in limit.drift["x"] for node in graph)
    assert str(limit.drift["x"]) == "-∇(L + 1/4·η·|∇L|²)"


FACTORED = [rmsprop(), adam(False), adagrad(), pytest.param(adadelta(), marks=pytest.mark.slow)]


@pytest.mark.parametrize("rule", FACTORED, ids=lambda rule: rule.name)
def test_factor_of_the_joint_noise(rule):
    """B Bᵀ = A at leading order, with S Sᵀ = Σ, S Rᵀ = κ₃ and R Rᵀ = 2Σ∘Σ + κ₄, checked in numbers of one dimension."""
    regime = next(r for r in rule.regimes() if r.name in ("ballistic", "accumulating"))
    limit = modified_equation(rule, regime, order=1)
    assert not limit.factor_gap
    s, third, fourth, slope = sp.symbols("s kappa3 kappa4 slope")
    values = {"Sigma": s**2, "kappa3": third, "kappa4": fourth, "L": slope}

    def number(expression: TensorExpression, columns) -> sp.Expr:
        total = sp.S.Zero
        for graph, coefficient in expression:
            term = coefficient
            for node in graph:
                function = elementwise_expression(node)
                held = function if function is not None else columns.get(node.field, values.get(node.field))
                term *= sp.Symbol(node.field, real=True) if held is None else held
            total += term
        return total

    along, across = (third / s, sp.sqrt(2 * s**4 + fourth - third**2 / s**2))
    for (v, w), block in limit.covariance.items():
        own = [number(limit.factor[name], {"S": s, "R": along}) for name in (v, w)]
        other = [number(limit.factor[name], {"S": 0, "R": across}) for name in (v, w)]
        product = own[0] * own[1] + other[0] * other[1]
        assert sp.simplify(product - number(block, {})) == 0
        assert sp.simplify(product - 2 * number(block, {})) != 0


def test_adadelta_accelerates():
    """Where G = (∇L)² + diag Σ, the average of squared steps grows at the rate c ε₀."""
    limit = modified_equation(adadelta(), order=1)
    s, q, c, eps = (
        sp.Symbol("s", real=True),
        sp.Symbol("q", positive=True),
        *map(hyperparameter, ("rate_decay", "eps0")),
    )
    total = sp.S.Zero
    for graph, coefficient in limit.drift["s"]:
        term = coefficient
        for node in graph:
            function = elementwise_expression(node)
            # one half of q is the squared gradient, the other one Σ
            known = {"L": sp.sqrt(q / 2), "Sigma": q / 2, "s": s, "one": 1}
            term *= known[node.field] if function is None else function.subs(G, q)
        total += term
    assert sp.simplify(total - c * eps) == 0
    assert LEARNING_RATE not in total.free_symbols


def test_momentum_of_adam_can_be_eliminated():
    """Fixed β₁, 1 − β₂ = cη: RMSProp's order-2 limit with H∇L's coefficient times (1 + β₁)/(1 − β₁)."""

    @update_rule(state=("x", "m", "G"), fast=("m",))
    def with_fast_momentum(x, m, G, g, *, learning_rate, beta1, decay, eps):
        m = beta1 * m + (1 - beta1) * g
        G = decay * G + (1 - decay) * g**2
        return x - learning_rate * m / (sp.sqrt(G) + eps), m, G

    regime = rmsprop().regimes()[1]
    limit, plain = modified_equation(with_fast_momentum, regime, order=2), modified_equation(rmsprop(), regime, order=2)
    beta = hyperparameter("beta1")
    assert not limit.drift["x"].subs(beta, 0) - plain.drift["x"]
    assert not limit.drift["G"] - plain.drift["G"]
    changed = limit.drift["x"] - plain.drift["x"]
    ((graph, coefficient),) = changed.terms
    assert sum(node.field == "L" for node in graph) == 2
    assert sp.cancel(coefficient + LEARNING_RATE * beta / (1 - beta)) == 0
