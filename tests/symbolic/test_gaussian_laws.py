"""Updates that are not polynomial in the gradient: averages over Gaussian noise, and the limits they give."""

import numpy as np
import pytest
import sympy as sp
from scipy import integrate

from sde_momentum.optimizers import normalized_gd, sgd, sign_gd
from sde_momentum.symbolic import (
    LEARNING_RATE,
    Node,
    Regime,
    TensorExpression,
    from_json,
    function_expression,
    hyperparameter,
    modified_equation,
    scalar_expression,
    squared_norm,
    to_json,
    to_latex,
    update_rule,
)
from sde_momentum.symbolic.noise._gaussian_average import gaussian_average
from sde_momentum.symbolic.symbols._transcendental import with_values

ETA = LEARNING_RATE
DIMENSION = sp.Symbol("dimension", positive=True, integer=True)
P, V = sp.Symbol("loss_slope", real=True), sp.Symbol("noise_variance", positive=True)
Q, S = sp.Symbol("squared_gradient", positive=True), sp.Symbol("noise_deviation", positive=True)
INDEPENDENT, ISOTROPIC = "independent Gaussian components", "isotropic Gaussian"
QUIET = Regime.noiseless()
LOUD = Regime("loud", hyperparameter("sigma0") / ETA, ETA**2, noise_law=INDEPENDENT)
MEAN_LENGTH = sp.sqrt(2) * sp.gamma((DIMENSION + 1) / 2) / sp.gamma(DIMENSION / 2)


def L(*indices):
    return Node("L", (indices,))


def by_graph(expression):
    """Graph without its functions → coefficient times the functions, with the index that carries each."""
    found = {}
    for graph, coefficient in expression:
        rest, value = [], coefficient
        for node in graph:
            function, scalar = function_expression(node), scalar_expression(node)
            if scalar is not None:
                value *= scalar
            elif function is not None:
                index = node.slots[0][0]
                value *= function.subs({P: sp.Symbol(f"p{index}", real=True), V: sp.Symbol(f"v{index}", positive=True)})
            else:
                rest.append(node)
        key = tuple(rest)
        found[key] = found.get(key, 0) + value
    return found


def at(index):
    """(∂_iL, Σ_ii) at an index, as `by_graph` writes them."""
    return sp.Symbol(f"p{index}", real=True), sp.Symbol(f"v{index}", positive=True)


def mean_of_sign(index):
    p, v = at(index)
    return sp.erf(p / sp.sqrt(2 * v))


# --- averages of one variable ----------------------------------------------------------------------------------------

G, MU, BETA, M = sp.Symbol("g", real=True), sp.Symbol("mu", real=True), sp.Symbol("beta", positive=True), sp.Symbol("m")
CLIP = sp.Max(-BETA, sp.Min(BETA, G))


@pytest.mark.parametrize(
    "function",
    [sp.sign(G), sp.Abs(G), G * sp.Abs(G), sp.sign(G) * G**3, CLIP, CLIP**2, CLIP * sp.sign(G), sp.sign(G - BETA) * G],
    ids=str,
)
def test_gaussian_average_is_the_integral(function):
    """E φ(g) over N(μ, V) equals the integral, by adaptive quadrature between the jumps; another variance does not."""
    values = {MU: 0.3, V: 0.7, BETA: 0.4}
    formula = with_values(gaussian_average(function, G, MU, V))
    integrand = sp.lambdify(G, function.subs(values))
    density = lambda z: np.exp(-((z - 0.3) ** 2) / 1.4) / np.sqrt(1.4 * np.pi)
    pieces = [(-9, -0.4), (-0.4, 0), (0, 0.4), (0.4, 9)]
    expected = sum(integrate.quad(lambda z: float(integrand(z)) * density(z), *piece)[0] for piece in pieces)
    assert float(formula.subs(values)) == pytest.approx(expected, abs=1e-12)
    assert abs(float(formula.subs({**values, V: 0.6})) - expected) > 1e-4


def test_sign_of_a_combination():
    """E sign(βm + (1−β)g) = erf((μ + βm/(1−β))/√(2V))."""
    found = gaussian_average(sp.sign(BETA * M + (1 - BETA) * G), G, MU, V)
    expected = sp.erf((MU + BETA * M / (1 - BETA)) / sp.sqrt(2 * V))
    assert sp.simplify(found - expected) == 0


# --- sign descent ----------------------------------------------------------------------------------------------------


def test_sign_descent_is_that_of_compagnoni_et_al():
    """DX = −erf(∇L/√(2Σ)) dt + √η (I − diag erf²)^{1/2} dW: drift, covariance and factor, exactly."""
    limit = modified_equation(sign_gd(), order=1)
    assert limit.regime.noise_law == INDEPENDENT
    (drift,) = by_graph(limit.drift["x"]).values()
    assert sp.expand(drift + mean_of_sign(-1)) == 0
    ((graph, covariance),) = by_graph(limit.covariance["x", "x"]).items()
    assert [node.field for node in graph] == ["delta"]
    assert sp.expand(covariance - ETA * (1 - mean_of_sign(-1) ** 2)) == 0
    ((graph, root),) = by_graph(limit.factor["x"]).items()
    assert graph == (Node("S", ((-1,), (-2,), ())),)
    # S Sᵀ = diag Σ, hence B Bᵀ has the square of the root times Σ_ii on its diagonal.
    assert sp.expand(root**2 * at(-1)[1] - covariance) == 0


def test_sign_descent_to_second_order():
    """The drift gains −(η/2)(m·∇)m: with m_i = erf(∂_iL/√(2Σ_ii)), ∂_jm_i by the chain rule through L and Σ."""
    limit = modified_equation(sign_gd(), order=2)
    (p, v), (density) = at(-1), sp.sqrt(2 / sp.pi) * sp.exp(-(at(-1)[0] ** 2) / (2 * at(-1)[1])) / sp.sqrt(at(-1)[1])
    expected = {
        (): -mean_of_sign(-1),
        (L(-1, 0),): -ETA / 2 * density * mean_of_sign(0),
        (L(-1), Node("Sigma", ((-1, -1), (0,)))): ETA / 4 * density * mean_of_sign(0) / v,
    }
    found = by_graph(limit.drift["x"])
    assert set(found) == set(expected)
    assert all(sp.simplify(found[graph] - value) == 0 for graph, value in expected.items())
    assert p in found[()].free_symbols


def test_third_order_is_obstructed_by_the_skewness_of_a_sign():
    """−(η²/6) κ₃ with κ₃ = −2m(1 − m²) on the diagonal i = j = k."""
    verdict = modified_equation(sign_gd(), order=3)
    assert not verdict.exists
    ((graph, value),) = by_graph(verdict.obstruction["x", "x", "x"]).items()
    assert {node.field for node in graph} == {"delta"}
    m = mean_of_sign(-1)
    assert sp.expand(value - ETA**2 / 3 * m * (1 - m**2)) == 0


def test_large_noise_linearizes_the_sign():
    """DX = −√(2/π) ∇L/(σ₀√Σ) dt + dW on t = kη², and −1/12 Σ_i ∂_i⁴ obstructs order 2: a sign has κ₄ = −2."""
    limit = modified_equation(sign_gd(), LOUD, order=1)
    ((graph, value),) = by_graph(limit.drift["x"]).items()
    assert graph == (L(-1),)
    assert sp.simplify(value + sp.sqrt(2 / sp.pi) / (hyperparameter("sigma0") * sp.sqrt(at(-1)[1]))) == 0
    assert limit.covariance["x", "x"].terms == (((Node("delta", ((-2, -1),)),), sp.S.One),)
    verdict = modified_equation(sign_gd(), LOUD, order=2)
    ((_, fourth),) = verdict.obstruction[("x",) * 4].terms
    assert fourth == -(ETA**2) / 12


# --- normalized descent ----------------------------------------------------------------------------------------------


def test_normalized_descent_without_noise():
    """DX = −n − (η/2)(Dn)n with n = ∇L/|∇L|: −(η/2)(H∇L − n (n·H∇L))/|∇L|²."""
    limit = modified_equation(normalized_gd(), QUIET, order=2)
    found = by_graph(limit.drift["x"])
    expected = {
        (L(-1),): -1 / sp.sqrt(Q),
        (L(-1, 0), L(0)): -ETA / (2 * Q),
        (L(-1), L(0), L(0, 1), L(1)): ETA / (2 * Q**2),
    }
    assert set(found) == set(expected)
    assert all(sp.simplify(found[graph] - value) == 0 for graph, value in expected.items())


def test_normalized_descent_in_large_noise():
    """DX = −c_d ∇L/(σ₀s) dt + d^{−1/2} dW with c_d = √2 Γ((d+1)/2)/(d Γ(d/2)), d a symbol."""
    limit = modified_equation(normalized_gd(), order=1)
    sigma = hyperparameter("sigma0")
    ((graph, value),) = by_graph(limit.drift["x"]).items()
    assert graph == (L(-1),)
    assert sp.simplify(value + MEAN_LENGTH / (DIMENSION * sigma * S)) == 0
    assert limit.covariance["x", "x"].terms == (((Node("delta", ((-2, -1),)),), 1 / DIMENSION),)
    ((graph, root),) = by_graph(limit.factor["x"]).items()
    assert graph == (Node("S", ((-1,), (-2,), ())),)
    assert sp.simplify(root - 1 / (sp.sqrt(DIMENSION) * S)) == 0


def test_large_noise_is_the_limit_of_noise_of_the_gradients_size():
    """The drift with M(1/2, 1 + d/2, −|∇L|²/2s²), to first order in ∇L/s, is that of large noise."""
    exact = modified_equation(normalized_gd(), Regime("even", noise_law=ISOTROPIC), order=1)
    ((graph, value),) = by_graph(exact.drift["x"]).items()
    assert graph == (L(-1),)
    assert sp.simplify(value.subs(Q, 0) + MEAN_LENGTH / (DIMENSION * S)) == 0


@pytest.mark.parametrize("dimension", [1, 2, 3, 7])
def test_fourth_cumulant_of_a_direction(dimension):
    """E (n·e)⁴ = 3/(d(d+2)): order 2 in large noise is obstructed by −(1/4d²(d+2)) Δ², in d = 1 that of a sign."""
    verdict = modified_equation(normalized_gd(), order=2)
    ((graph, fourth),) = verdict.obstruction[("x",) * 4].terms
    assert len(graph) == 2
    moment = sp.Rational(3, dimension * (dimension + 2)) - sp.Rational(3, dimension**2)
    # κ₄/4! along one axis, where ∂_i∂_i∂_j∂_j counts once.
    assert fourth.subs(DIMENSION, dimension) == moment / 24 * ETA**2


def test_one_dimension_is_a_sign():
    """In d = 1 normalizing is taking the sign: E|z| = √(2/π), and the obstruction is −1/12 ∂⁴."""
    limit = modified_equation(normalized_gd(), order=1)
    ((_, value),) = by_graph(limit.drift["x"]).items()
    sign = modified_equation(sign_gd(), LOUD, order=1)
    ((_, other),) = by_graph(sign.drift["x"]).items()
    assert sp.simplify(value.subs({DIMENSION: 1, S: 2}) - other.subs(at(-1)[1], 4)) == 0


# --- rules of users --------------------------------------------------------------------------------------------------


def rule_of(update):
    """A rule x' = x − η u(g)."""

    @update_rule(state=("x",))
    def own(x, g, *, learning_rate):
        return x - learning_rate * update(g)

    return own


def test_smooth_functions_without_noise():
    """X' = x − η φ(∇L): drift −φ − (η/2) φ'(∂_iL) H_ij φ(∂_jL), for a φ that no catalogue entry has."""
    limit = modified_equation(rule_of(sp.atan), QUIET, order=2)
    found = by_graph(limit.drift["x"])
    p, other = at(-1)[0], at(0)[0]
    expected = {(): -sp.atan(p), (L(-1, 0),): -ETA / 2 * sp.atan(other) / (1 + p**2)}
    assert set(found) == set(expected)
    assert all(sp.simplify(found[graph] - value) == 0 for graph, value in expected.items())


def test_functions_of_the_norm_without_noise():
    """X' = x − η g/(ε + |g|): the chain rule through |∇L|."""

    @update_rule(state=("x",))
    def soft(x, g, *, learning_rate, eps):
        return x - learning_rate * g / (eps + sp.sqrt(squared_norm(g)))

    found = by_graph(modified_equation(soft, QUIET, order=2).drift["x"])
    eps, norm = hyperparameter("eps"), sp.sqrt(Q)
    weight = found[(L(-1), L(0), L(0, 1), L(1))]
    assert sp.simplify(weight - ETA / (2 * norm * (eps + norm) ** 3)) == 0


def test_a_linear_update_is_averaged_the_same_way():
    """SGD with a law of its noise has the drift and the covariance that its cumulants give."""
    plain = modified_equation(sgd(), Regime("s"), order=2)
    with_law = modified_equation(sgd(), Regime("s", noise_law=INDEPENDENT), order=2)
    assert not plain.drift["x"] - with_law.drift["x"]
    assert not plain.covariance["x", "x"] - with_law.covariance["x", "x"]


def test_gaussian_noise_has_no_third_cumulant():
    """With a Gaussian law SGD has a limit of order 3, which skewed noise forbids."""
    assert not modified_equation(sgd(), Regime("s"), order=3).exists
    assert modified_equation(sgd(), Regime("s", noise_law=INDEPENDENT), order=3).exists


def test_lion_with_a_slow_average():
    """X' = x − η sign(b₁m + (1−b₁)g), m slow: dX = −erf((b₁M/(1−b₁) + ∇L)/√(2Σ)) dt, dM = c(∇L − M) dt."""

    @update_rule(state=("x", "m"))
    def lion(x, m, g, *, learning_rate, b1, b2):
        return x - learning_rate * sp.sign(b1 * m + (1 - b1) * g), b2 * m + (1 - b2) * g

    regime = Regime("slow", scalings={"b2": 1 - hyperparameter("c") * ETA}, noise_law=INDEPENDENT)
    limit = modified_equation(lion, regime, order=1)
    ((graph, value),) = by_graph(limit.drift["x"]).items()
    p, v = at(-1)
    b1 = hyperparameter("b1")
    expected = sp.erf((p + b1 * sp.Symbol("m", real=True) / (1 - b1)) / sp.sqrt(2 * v))
    assert graph == ()
    assert sp.simplify(value + expected) == 0
    c = hyperparameter("c")
    average = TensorExpression.collect([((L(-1),), c), ((Node("m", ((-1,),)),), -c)])
    assert not limit.drift["m"] - average
    assert not limit.factor_gap


SLOW = {"momentum": 1 - hyperparameter("c") * ETA}


@pytest.mark.parametrize("regime", [Regime("q", sp.S.Zero, scalings=SLOW), Regime("n", scalings=SLOW)])
def test_sign_of_a_slow_average(regime):
    """sign(m + η(…)) is sign(m) away from the jump: dX = −sign(M) dt, with noise in M alone."""

    @update_rule(state=("x", "m"))
    def signum(x, m, g, *, learning_rate, momentum):
        m = momentum * m + (1 - momentum) * g
        return x - learning_rate * sp.sign(m), m

    if regime.noise_exponent is not None:
        regime = Regime("n", scalings=SLOW, noise_law=INDEPENDENT)
    ((graph, value),) = by_graph(modified_equation(signum, regime).drift["x"]).items()
    assert graph == ()
    assert value == -sp.sign(sp.Symbol("m", real=True))


def test_powers_of_the_learning_rate_beside_a_sign():
    """X' = x − η/(1+η) sign(g): the drift is −(1 − η) m − …; no rule for positive symbols may eat the sign."""

    @update_rule(state=("x",))
    def damped(x, g, *, learning_rate):
        return x - learning_rate / (1 + learning_rate) * sp.sign(g)

    found = by_graph(modified_equation(damped, QUIET, order=2).drift["x"])
    assert {graph: sp.expand(value) for graph, value in found.items()} == {
        (): sp.expand(-(1 - ETA) * sp.sign(at(-1)[0])),
    }


REFUSED = [
    (rule_of(sp.sign), Regime.small_noise(), r"not polynomial in the gradient \(sign\(g\)\).*noise_law"),
    (rule_of(sp.tanh), Regime("i", noise_law=INDEPENDENT), r"tanh\(g\).* no known average"),
    (rule_of(lambda g: g / sp.sqrt(squared_norm(g))), Regime("i", noise_law=INDEPENDENT), "isotropic Gaussian"),
    (rule_of(lambda g: g / (1 + squared_norm(g))), Regime("i", noise_law=ISOTROPIC), "only powers of the norm"),
    (rule_of(lambda g: sp.sqrt(sp.Abs(g)) * sp.sign(g)), Regime("i", noise_law=INDEPENDENT), "no known average"),
    (rule_of(sp.sign), Regime("v", sp.sqrt(ETA), noise_law=INDEPENDENT), "noise vanishes"),
]


@pytest.mark.parametrize(("rule", "regime", "message"), REFUSED)
def test_refusals_name_the_part(rule, regime, message):
    """What no law averages is refused in one sentence that names the function."""
    with pytest.raises(ValueError, match=message):
        modified_equation(rule, regime)


def test_the_norm_is_that_of_the_gradient():
    """A norm of momentum is refused."""

    @update_rule(state=("x", "m"))
    def own(x, m, g, *, learning_rate):
        return x - learning_rate * g / sp.sqrt(squared_norm(m)), g

    with pytest.raises(ValueError, match="norm of m"):
        modified_equation(own, QUIET)


def test_unknown_law():
    """The law of the noise is one of three."""
    with pytest.raises(ValueError, match="`noise_law` must be one of"):
        Regime("x", noise_law="Laplace")


# --- presentation ----------------------------------------------------------------------------------------------------

SHOWN = {
    "sign": (sign_gd(), None, 1, "dX = -erf(∇L/√(2·diag Σ)) dt"),
    "sign, loud": (sign_gd(), LOUD, 1, "diag(1/√diag Σ)Σ^{1/2} dW"),
    "normalized, quiet": (normalized_gd(), QUIET, 2, "1/2·η/|∇L|⁴·∇L·H∇L·∇L"),
    "normalized": (normalized_gd(), None, 1, "Γ(1/2 + 1/2·d)/(d·s·σ₀·Γ(1/2·d))·∇L dt + 1/(√d·s) Σ^{1/2} dW"),
    "obstruction": (sign_gd(), LOUD, 2, "1/12·η²·δ_il·δ_ik·δ_ij·∂_ijklf"),
}


@pytest.mark.parametrize("case", SHOWN)
def test_prints_and_round_trips(case):
    """Text in the notation of the papers; JSON brings back an equal object; LaTeX has balanced braces."""
    rule, regime, order, phrase = SHOWN[case]
    statement = modified_equation(rule, regime, order=order)
    assert phrase in str(statement)
    back = from_json(to_json(statement))
    assert back == statement
    assert back.regime.noise_law == statement.regime.noise_law
    assert str(back) == str(statement)
    latex = to_latex(statement)
    assert latex.count("{") == latex.count("}")
    assert "loss_slope" not in latex + str(statement)
    assert "noise_variance" not in latex + str(statement)
