"""Laws between derivations: what a limit becomes when one of its numbers goes to an end of its range."""

from fractions import Fraction

import pytest
import sympy as sp

from sde_momentum.optimizers import heavy_ball, momentum_regime, nesterov, qhm, sgd, sgdm, svag, weight_decay
from sde_momentum.symbolic import (
    LEARNING_RATE,
    MOMENTUM,
    RELAXATION_RATE,
    Node,
    Regime,
    TensorExpression,
    find_clock,
    hyperparameter,
    modified_equation,
)

ETA, BETA, LAMBDA = LEARNING_RATE, MOMENTUM, RELAXATION_RATE
SYMMETRIC = Regime("symmetric noise", cumulant_scales={3: ETA, 4: ETA})


def agree(left, right, substitution, other=None):
    """Whether two limits are one after a substitution: drift, covariance and start of x."""
    other = other or {}
    pairs = [(left.drift["x"], right.drift["x"]), (left.covariance["x", "x"], right.covariance["x", "x"])]
    pairs.append(tuple(limit.initial_shift.get("x", TensorExpression()) for limit in (left, right)))
    return not any(a.subs(substitution) - b.subs(other) for a, b in pairs)


def law(rule, regime, order):
    """The limit of x, and at order 3, where x with momentum starts from no point, that of the slow variable."""
    return modified_equation(rule, regime, order=order, describes="x" if order < 3 else "slow")


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("make", [sgdm, nesterov, qhm])
def test_without_memory_every_momentum_is_sgd(make, order):
    """β → 0, to order 3."""
    assert agree(*(law(rule(), SYMMETRIC, order) for rule in (make, sgd)), {BETA: 0})


@pytest.mark.parametrize("order", [1, 2, 3])
def test_undamped_quasi_hyperbolic_momentum_is_momentum(order):
    """ν → 1, to order 3."""
    nu = hyperparameter("dampening")
    assert agree(*(law(rule(), SYMMETRIC, order) for rule in (qhm, sgdm)), {nu: 1})


@pytest.mark.parametrize("order", [1, 2, 3])
def test_conventions_of_momentum_commute_with_derivation(order):
    """γ = η(1 − β), μ = β: heavy ball's limit on its own clock is that of the moving average, to order 3."""
    ball = Regime("symmetric noise", clock=ETA / (1 - BETA), cumulant_scales={3: ETA, 4: ETA})
    limits = law(heavy_ball(), ball, order), law(sgdm(), SYMMETRIC, order)
    assert agree(*limits, {ETA: ETA * (1 - BETA)})


def test_nesterov_in_pytorch_is_quasi_hyperbolic():
    """PyTorch's x' = x − γ(g + μv') is QHM with ν = β, γ = η(1 − β), to order 2."""
    other = {ETA: ETA * (1 - BETA)}
    limits = modified_equation(qhm(), order=2), modified_equation(nesterov("pytorch"), order=2)
    assert agree(*limits, {hyperparameter("dampening"): BETA}, other)


@pytest.mark.parametrize("power", [Fraction(1, 10), Fraction(1, 3)])
def test_fast_relaxation_is_sgd(power):
    """λ = Λ η^{−δ} → ∞ at momentum index 1: the limit is that of SGD."""
    faster = {"momentum": 1 - LAMBDA * ETA ** sp.Rational(str(-power)) * ETA}
    regime = find_clock(sgdm(), faster, noise_scale=ETA ** -sp.Rational(1, 2))
    limits = modified_equation(sgdm(), regime), modified_equation(sgd(), Regime.noise_dominated())
    assert agree(*limits, {})


def test_fast_relaxation_on_a_quadratic():
    """λ → ∞ in dX = −M dt, dM = λ(∇L − M) dt + λ s dW with L = hx²/2: rate h and variance s²/(2h), those of SGD."""
    h, s = sp.symbols("h s", positive=True)
    limit = modified_equation(sgdm(), momentum_regime(sgdm(), 1))
    value = {(Node("L", ((-1,),)),): (h, 0), (Node("m", ((-1,),)),): (0, 1)}
    rows = [[sum(c * value[graph][j] for graph, c in limit.drift[v]) for j in (0, 1)] for v in ("x", "m")]
    matrix = sp.Matrix(rows)
    noise = sp.Matrix([[0, 0], [0, sum(c * s**2 for _, c in limit.covariance["m", "m"])]])
    a, b, c = sp.symbols("a b c")
    second = sp.Matrix([[a, b], [b, c]])
    solution = sp.solve(list(matrix * second + second * matrix.T + noise), [a, b, c])
    assert sp.limit(solution[a], LAMBDA, sp.oo) == s**2 / (2 * h)
    slow = max(matrix.eigenvals(), key=lambda rate: sp.N(rate.subs({LAMBDA: 1000, h: 1})))
    assert sp.limit(slow, LAMBDA, sp.oo) == -h


def test_wrappers_commute():
    """SVAG of weight decay is weight decay of SVAG; ℓ = 1 and ω = 0 take the wrappers away."""
    ell, omega = hyperparameter("amplification"), hyperparameter("weight_decay")
    one, other = svag(weight_decay(sgdm())), weight_decay(svag(sgdm()))
    limits = [modified_equation(rule, order=2) for rule in (one, other)]
    assert agree(*limits, {})
    assert agree(limits[0], modified_equation(sgdm(), order=2), {ell: 1, omega: 0})


def test_a_wrong_law_fails():
    """Negative control: β → 1/2 is not SGD."""
    limits = modified_equation(sgdm(), order=2), modified_equation(sgd(), order=2)
    assert not agree(*limits, {BETA: sp.Rational(1, 2)})
