"""The derived equations, against results written down by hand; every statement holds in every dimension."""

from fractions import Fraction

import pytest
import sympy as sp

from sde_momentum.optimizers import heavy_ball, sgd, sgdm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    MOMENTUM,
    Limit,
    Node,
    NoDiffusion,
    Regime,
    TensorExpression,
    hyperparameter,
    modified_equation,
    update_rule,
)

ETA, BETA = LEARNING_RATE, MOMENTUM
LAMBDA = hyperparameter("relaxation_rate")


def L(*indices):
    return Node("L", (indices,))


def Sigma(i, j, *derivative):
    return Node("Sigma", ((i, j), derivative))


def expression(*pairs):
    return TensorExpression.collect([(graph, sp.sympify(coefficient)) for coefficient, *graph in pairs])


def zero(left, right):
    """Exact equality, without simplification by floats."""
    return not (left - right)


def test_sgd_order_one_is_gradient_flow_with_small_noise():
    """DX = −∇L dt + √η Σ^{1/2} dW [Li, Tai, E 2019]."""
    limit = modified_equation(sgd(), order=1)
    assert zero(limit.drift["x"], expression((-1, L(-1))))
    assert zero(limit.covariance["x", "x"], expression((ETA, Sigma(-1, -2))))
    assert zero(limit.factor["x"], expression((sp.sqrt(ETA), Node("S", ((-1,), (-2,), ())))))


def test_sgd_order_two_descends_a_modified_loss():
    """The drift is −∇(L + (η/4)|∇L|²) and the covariance stays ηΣ [Li, Tai, E 2019]."""
    limit = modified_equation(sgd(), order=2)
    assert zero(limit.drift["x"], expression((-1, L(-1)), (-ETA / 2, L(-1, 0), L(0))))
    assert zero(limit.covariance["x", "x"], expression((ETA, Sigma(-1, -2))))
    assert not limit.initial_shift


def test_skewness_obstructs_order_three():
    """At σ = 1 the third cumulant leaves −η²/6 κ₃, so no diffusion has order 3."""
    limit = modified_equation(sgd(), order=3)
    assert isinstance(limit, NoDiffusion)
    tensor = Node("kappa3", ((-1, -2, -3), ()))
    assert zero(limit.obstruction["x", "x", "x"], expression((-(ETA**2) / 6, tensor)))


def test_sgd_order_three_without_skewness():
    """Without κ₃ order 3 exists; its new terms are those of theory: D³L and HΣ + ΣH + ½ DΣ[∇L]."""
    symmetric = Regime("small-noise, symmetric", cumulant_scales={3: ETA})
    limit = modified_equation(sgd(), symmetric, order=3)
    assert isinstance(limit, Limit)
    drift = expression(
        (-1, L(-1)),
        (-ETA / 2, L(-1, 0), L(0)),
        (-(ETA**2) / 3, L(-1, 0), L(0, 1), L(1)),
        (-(ETA**2) / 12, L(-1, 0, 1), L(0), L(1)),
        (ETA**2 / 4, L(-1, 0, 1), Sigma(0, 1)),
    )
    assert zero(limit.drift["x"], drift)
    covariance = expression(
        (ETA, Sigma(-1, -2)),
        (ETA**2 / 2, L(-1, 0), Sigma(0, -2)),
        (ETA**2 / 2, L(-2, 0), Sigma(0, -1)),
        (ETA**2 / 2, Sigma(-1, -2, 0), L(0)),
    )
    assert zero(limit.covariance["x", "x"], covariance)


def test_factor_times_its_transpose_is_the_covariance():
    """B = √η [S + (η/2) HS + (η/2) DS[∇L]] gives B Bᵀ = A up to O(η³), whatever Σ."""
    limit = modified_equation(sgd(), Regime("symmetric", cumulant_scales={3: ETA}), order=3)
    root = sp.sqrt(ETA)
    factor = expression(
        (root, Node("S", ((-1,), (-2,), ()))),
        (root * ETA / 2, L(-1, 0), Node("S", ((0,), (-2,), ()))),
        (root * ETA / 2, Node("S", ((-1,), (-2,), (0,))), L(0)),
    )
    assert zero(limit.factor["x"], factor)


def test_noise_dominated_sgd_has_order_one_only():
    """At σ = η^{-1/2} order 1 is dX = −∇L dt + Σ^{1/2} dW; at order 2 state-dependent Σ, κ₃ and κ₄ obstruct."""
    regime = Regime.noise_dominated()
    limit = modified_equation(sgd(), regime, order=1)
    assert zero(limit.drift["x"], expression((-1, L(-1))))
    assert zero(limit.covariance["x", "x"], expression((1, Sigma(-1, -2))))
    obstruction = modified_equation(sgd(), regime, order=2).obstruction
    third = expression((-ETA / 6, Node("kappa3", ((-1, -2, -3), ()))), (-ETA / 4, Sigma(-1, 0), Sigma(-2, -3, 0)))
    assert zero(obstruction["x", "x", "x"], third)
    assert zero(obstruction[("x",) * 4], expression((ETA / 24, Node("kappa4", ((-1, -2, -3, -4), ())))))


def test_unscaled_skewness_obstructs_noise_dominated_order_one():
    """With κ₃ of order one the error at σ = η^{-1/2} is O(√η): the term −√η/6 κ₃ lies below order 1."""
    regime = Regime("noise-dominated, skewed", ETA ** -sp.Rational(1, 2))
    limit = modified_equation(sgd(), regime, order=1)
    assert isinstance(limit, NoDiffusion)
    tensor = Node("kappa3", ((-1, -2, -3), ()))
    assert zero(limit.obstruction["x", "x", "x"], expression((-sp.sqrt(ETA) / 6, tensor)))


def test_momentum_changes_only_the_drift_correction():
    """SGDM at fixed β: −∇(L + (η/4)(1+β)/(1−β)|∇L|²), covariance ηΣ, shift ηβ/(1−β)∇L [Ghosh et al. 2023]."""
    limit = modified_equation(sgdm(), order=2)
    correction = -ETA / 2 * (1 + BETA) / (1 - BETA)
    assert zero(limit.drift["x"], expression((-1, L(-1)), (correction, L(-1, 0), L(0))))
    assert zero(limit.covariance["x", "x"], expression((ETA, Sigma(-1, -2))))
    assert zero(limit.initial_shift["x"], expression((ETA * BETA / (1 - BETA), L(-1))))


def test_the_slow_variable_needs_no_shift_at_order_two():
    """Y = x − ηβ/(1−β) m follows the same equation from y(0) itself."""
    x, y = (modified_equation(sgdm(), order=2, describes=which) for which in ("x", "slow"))
    assert zero(x.drift["x"], y.drift["x"])
    assert not y.initial_shift


def test_without_momentum_sgdm_is_sgd():
    """β → 0 turns every order-2 statement on SGDM into that on SGD."""
    limit, plain = modified_equation(sgdm(), order=2), modified_equation(sgd(), order=2)
    assert zero(limit.drift["x"].subs(BETA, 0), plain.drift["x"])
    assert not limit.initial_shift["x"].subs(BETA, 0)


def test_change_of_momentum_convention_commutes_with_derivation():
    """Heavy ball with γ = η(1−β), μ = β has the limit of SGDM, on one clock."""
    ball, average = modified_equation(heavy_ball(), order=2), modified_equation(sgdm(), order=2)
    convert = {ETA: ETA * (1 - BETA)}
    for left, right in (
        (ball.drift["x"], average.drift["x"]),
        (ball.covariance["x", "x"], average.covariance["x", "x"]),
        (ball.initial_shift["x"], average.initial_shift["x"]),
    ):
        assert zero(left.subs(convert), right)
    assert sp.simplify(ball.regime.clock.subs(convert) - average.regime.clock) == 0


def test_momentum_index_one_is_underdamped():
    """1 − β = λη: dX = −M dt, dM = λ(∇L − M) dt + λ Σ^{1/2} dW."""
    limit = modified_equation(sgdm(), Regime.noise_dominated(momentum_index=1), order=1)
    m = Node("m", ((-1,),))
    assert zero(limit.drift["x"], expression((-1, m)))
    assert zero(limit.drift["m"], expression((LAMBDA, L(-1)), (-LAMBDA, m)))
    assert zero(limit.covariance["m", "m"], expression((LAMBDA**2, Sigma(-1, -2))))
    assert set(limit.factor) == {"m"}


@pytest.mark.parametrize("index", [Fraction(1, 4), Fraction(1, 2)])
def test_below_momentum_index_one_the_limit_is_that_of_sgd(index):
    """1 − β = λη^α, 0 < α < 1: the limit of SGDM is the limit of SGD, with corrections in powers of η^{1−α}."""
    limit = modified_equation(sgdm(), Regime.noise_dominated(momentum_index=index), order=1)
    plain = modified_equation(sgd(), Regime.noise_dominated(), order=1)
    assert limit.regime.grade == 1 - index
    assert zero(limit.drift["x"], plain.drift["x"])
    assert zero(limit.covariance["x", "x"], plain.covariance["x", "x"])


def test_li_tai_e_clock_of_momentum():
    """V' = v − μηv − ηg, x' = x + ηv', to order 2 [Li, Tai, E 2019]."""
    mu = hyperparameter("friction")

    @update_rule(state=("x", "v"))
    def friction(x, v, g, *, learning_rate, friction):
        v = v - friction * learning_rate * v - learning_rate * g
        return x + learning_rate * v, v

    limit = modified_equation(friction, Regime.small_noise(), order=2)
    v, hv = Node("v", ((-1,),)), (L(-1, 0), Node("v", ((0,),)))
    dv = expression((-(mu + ETA * mu**2 / 2), v), (ETA / 2, *hv), (-(1 + ETA * mu / 2), L(-1)))
    dx = expression((1 - ETA * mu / 2, v), (-ETA / 2, L(-1)))
    assert zero(limit.drift["v"], dv)
    assert zero(limit.drift["x"], dx)
    assert zero(limit.covariance["v", "v"], expression((ETA, Sigma(-1, -2))))


def test_two_momentum_buffers_are_eliminated_together():
    """X' = x − η(a m + (1−a) n) with two EMA buffers: the correction averages (1+β)/(1−β) in the way of the lags."""
    b1, b2, a = (hyperparameter(name) for name in ("beta1", "beta2", "mixing"))

    @update_rule(state=("x", "m", "n"), fast=("m", "n"))
    def buffers(x, m, n, g, *, learning_rate, beta1, beta2, mixing):
        m, n = beta1 * m + (1 - beta1) * g, beta2 * n + (1 - beta2) * g
        return x - learning_rate * (mixing * m + (1 - mixing) * n), m, n

    limit = modified_equation(buffers, order=2)
    # The mean lag of the gradients is a β₁/(1−β₁) + (1−a) β₂/(1−β₂); −∇L picks up η(½ + lag) H∇L.
    lag = a * b1 / (1 - b1) + (1 - a) * b2 / (1 - b2)
    assert zero(limit.drift["x"], expression((-1, L(-1)), (-ETA * (sp.Rational(1, 2) + lag), L(-1, 0), L(0))))
    assert zero(limit.covariance["x", "x"], expression((ETA, Sigma(-1, -2))))


def test_a_wrong_coefficient_is_not_zero():
    """Negative control of the comparison itself: a factor 2 in the correction leaves a difference."""
    limit = modified_equation(sgd(), order=2)
    assert not zero(limit.drift["x"], expression((-1, L(-1)), (-ETA, L(-1, 0), L(0))))


@pytest.mark.parametrize("order", [0, -1, 1.5, "2"])
def test_orders_are_positive_integers(order):
    """Anything else is refused by name."""
    with pytest.raises(ValueError, match="`order` must be a positive integer"):
        modified_equation(sgd(), order=order)


def test_a_fast_variable_has_to_be_declared():
    """Momentum at fixed β that may not be eliminated is refused, with what to do."""

    @update_rule(state=("x", "m"))
    def undeclared(x, m, g, *, learning_rate, momentum):
        m = momentum * m + (1 - momentum) * g
        return x - learning_rate * m, m

    with pytest.raises(ValueError, match=r"`m` changes by O.* must be eliminated"):
        modified_equation(undeclared)


def test_noise_too_large_for_the_clock_is_refused():
    """σ = 1/η makes x jump by O(1) in a step; no diffusion on x alone can follow."""
    with pytest.raises(ValueError, match="`x` changes by O"):
        modified_equation(sgd(), Regime("too loud", 1 / ETA))
