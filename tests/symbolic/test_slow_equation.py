"""The slow equation by derivation: against solved flows, stationary covariances and published equations, exactly."""

import functools
import itertools

import pytest
import sympy as sp

from sde_momentum.optimizers import heavy_ball, nesterov, qhm, rmsprop, sgd, sgdm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    MOMENTUM,
    RELAXATION_RATE,
    Regime,
    limit_map_derivatives,
    linear_rule,
    slow_equation,
    spectral_noise,
)

NORMAL, CROSS = ("tangent", "normal", "normal"), ("tangent", "normal", "tangent")
CURVED = ("normal", "tangent", "tangent")
A, I, J, H = sp.symbols("h_a h_i h_j h", positive=True)
EIGENVALUES = [sp.S.Zero, sp.S.Zero, sp.Rational(3, 2), sp.Integer(2)]


def random_tensors():
    """A symmetric D3 with D3[t, t] normal, as on a manifold, and a full covariance, both in integers."""
    third = [[[sp.S.Zero] * 4 for _ in range(4)] for _ in range(4)]
    for number, (a, i, j) in enumerate(itertools.combinations_with_replacement(range(4), 3)):
        value = sp.Integer((7 * number + 3) % 11 - 5) if j > 1 else sp.S.Zero
        for p, q, r in itertools.permutations((a, i, j)):
            third[p][q][r] = value
    return third, sp.Matrix(4, 4, lambda i, j: 5 if i == j else (i * j + i + j) % 4 - 1)


def flow_curvature(third, covariance):
    """½ ∂²Φ[Σ] from the solved second variation of gradient flow: δ'' = −Hδ − ½ D3[e^{−Ht}u, e^{−Ht}u] as t → ∞."""
    h = EIGENVALUES
    entries = lambda a: ((i, j) for i, j in itertools.product(range(4), repeat=2) if third[a][i][j])
    term = lambda a, i, j: third[a][i][j] * covariance[i, j] * response(h[a], h[i] + h[j])
    return sp.Matrix([sum(term(a, i, j) for i, j in entries(a)) for a in range(4)])


@functools.cache
def response(decay, forcing):
    """The end of δ' = −decay δ − ½ e^{−forcing t}."""
    t, past = sp.symbols("t past", positive=True)
    integrand = sp.exp(sp.expand(-forcing * past - decay * (t - past))) / -2
    return sp.limit(sp.integrate(integrand, (past, 0, t)), t, sp.oo)


def test_sgd_follows_half_the_second_derivative_of_the_limit_map():
    """The derived drift is the second variation of gradient flow, exactly; without any one block it is not."""
    third, covariance = random_tensors()
    slow = slow_equation(sgd())
    expected = flow_curvature(third, covariance)
    assert slow.drift(EIGENVALUES, third, covariance.tolist()) - expected == sp.zeros(4, 1)
    for block in slow.blocks:
        rest = {other: value for other, value in slow.blocks.items() if other != block}
        broken = type(slow)(slow.rule, slow.regime, slow.noise, rest)
        assert broken.drift(EIGENVALUES, third, covariance.tolist()) != expected


def test_the_two_derivations_agree():
    """The invariance of Φ under the flow and of Φ̃ under the rule give the same blocks for SGD, difference 0."""
    found = limit_map_derivatives()
    assert found.first == {"tangent": 1, "normal": 0}
    slow = slow_equation(sgd())
    assert set(slow.blocks) == set(found.second)
    for block, value in found.second.items():
        assert sp.cancel(slow.blocks[block] - value / 2) == 0


@pytest.mark.parametrize(
    "rule",
    [
        sgdm(),
        heavy_ball(),
        nesterov("pytorch"),
        pytest.param(nesterov(), marks=pytest.mark.slow),
        pytest.param(qhm(), marks=pytest.mark.slow),
    ],
    ids=lambda rule: rule.name,
)
def test_momentum_at_fixed_beta_has_the_equation_of_sgd(rule):
    """Wang et al. (2024), theorem 4.5: every block is that of SGD on the clock of the effective learning rate."""
    plain, slow = slow_equation(sgd()), slow_equation(rule)
    assert slow.blocks == plain.blocks
    assert not slow.coinciding


def test_momentum_index_one_has_underdamped_weights():
    """1/(h_i + h_j + (h_i − h_j)²/(2λ)) for normal pairs and, with h_j = 0, for cross pairs; λ → ∞ is SGD."""
    lam = RELAXATION_RATE
    slow = slow_equation(sgdm(), Regime.long_horizon(1))
    weight = 1 / (I + J + (I - J) ** 2 / (2 * lam))
    assert sp.cancel(slow.blocks[NORMAL] + weight / 2) == 0
    assert sp.cancel(slow.blocks[CROSS] + weight.subs(J, 0) / 2) == 0
    assert sp.cancel(sp.limit(slow.blocks[NORMAL], lam, sp.oo) - slow_equation(sgd()).blocks[NORMAL]) == 0
    below = slow_equation(sgdm(), Regime.long_horizon("1/2"))
    assert below.blocks == slow_equation(sgd()).blocks
    # The heavy-ball form reaches the same point at index ½, because its effective rate is γ^{1/2}/λ.
    ball = slow_equation(heavy_ball(), Regime.long_horizon("1/2"))
    assert sp.cancel(ball.blocks[NORMAL] - slow.blocks[NORMAL].subs(lam, lam**2)) == 0


def test_above_index_one_only_equal_eigenvalues_remain():
    """At α = 3/2 distinct pairs average out, equal ones keep 1/(2h), and the cross term is gone."""
    slow = slow_equation(sgdm(), Regime.long_horizon("3/2"))
    assert set(slow.blocks) == {CURVED}
    assert slow.coefficient(NORMAL, 0, I, I) == -1 / (4 * I)
    assert slow.coefficient(NORMAL, 0, I, J) == 0


def test_weights_are_stationary_covariances():
    """w_ij = q·C q/η_e with C = M_i C M_jᵀ + b bᵀ, the covariance of the linear chain, exactly at finite η."""
    numbers = {LEARNING_RATE: sp.Rational(1, 7), MOMENTUM: sp.Rational(2, 3)}
    left, right = sp.Rational(1, 2), sp.Rational(5, 3)
    for rule in (sgdm(), nesterov()):
        linear = linear_rule(rule).subs(numbers)
        near = [linear.transition + h * linear.response * linear.look.T for h in (left, right)]
        entries = sp.symbols("c0:4")
        unknown = sp.Matrix(2, 2, entries)
        balance = unknown - near[0] * unknown * near[1].T - linear.response * linear.response.T
        (solved,) = sp.linsolve(list(balance), *entries)
        spread = (linear.look.T * sp.Matrix(2, 2, solved) * linear.look)[0] / linear.effective_learning_rate
        assert linear.curvature(left, right) - spread == 0


def test_a_schedule_scales_drift_by_its_square_and_noise_by_itself():
    """λ_τ² and λ_τ for SGD; at momentum index 1 the relaxation rate becomes λ/λ_τ."""
    rate = sp.Symbol("schedule", positive=True)
    plain, scheduled = slow_equation(sgd()), slow_equation(sgd(), schedule=True)
    assert scheduled.diffusion == rate
    assert all(sp.cancel(scheduled.blocks[b] - rate**2 * plain.blocks[b]) == 0 for b in plain.blocks)
    one, moving = (slow_equation(sgdm(), Regime.long_horizon(1), schedule=s) for s in (False, True))
    expected = rate**2 * one.blocks[NORMAL].subs(RELAXATION_RATE, RELAXATION_RATE / rate)
    assert sp.cancel(moving.blocks[NORMAL] - expected) == 0


@pytest.mark.parametrize("regime", [Regime.long_horizon(), Regime.long_horizon(1)], ids=str)
def test_functionals(regime):
    """Label noise: (c/4) tr H. Normal and isotropic noise: (s²/4) log det⁺ H. Their drifts have no curl."""
    c, s = sp.symbols("c s", positive=True)
    expected = {"label": c * H / 4, "normal": s**2 * sp.log(H) / 4, "isotropic": s**2 * sp.log(H) / 4}
    for name, density in expected.items():
        slow = slow_equation(sgdm(), regime, noise=name)
        assert sp.expand(slow.regularizer - density) == 0
        assert slow.curl == 0
    assert "tr H" in slow_equation(sgdm(), regime, noise="label").functional


def test_general_noise_has_no_functional():
    """The curl of the drift on a valley does not vanish, so no functional is claimed; without noise nothing moves."""
    general = slow_equation(sgd())
    assert general.regularizer is None
    assert general.curl != 0
    assert "not a gradient" in str(general)
    still = slow_equation(sgd(), noise="interpolation")
    assert still.regularizer == 0
    assert "nothing moves" in str(still)


def test_statements_show_the_weights():
    """Text and LaTeX carry clock, drift and fluctuation weights."""
    slow = slow_equation(sgdm(), Regime.long_horizon(1))
    assert "(h_i - h_j)^2/(2·λ)" in str(slow)
    assert "τ = k·η²" in str(slow)
    assert r"\frac{\left(h_{i} - h_{j}\right)^{2}}{2 \lambda}" in slow._repr_latex_()
    assert "R = s^2/4·log det⁺ H" in str(slow_equation(sgd(), noise="normal"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((rmsprop(),), "not linear"),
        ((heavy_ball(), Regime.long_horizon(1)), "does not vanish"),
        ((sgdm(), Regime("slow", clock=LEARNING_RATE**2, scalings={"momentum": 1 - LEARNING_RATE**2})), "forgets"),
    ],
)
def test_rules_without_this_equation_are_refused(arguments, message):
    """Adaptive rules, a rate that does not vanish, momentum slower than the motion along Γ: ValueError."""
    with pytest.raises(ValueError, match=message):
        slow_equation(*arguments)


def test_bad_noise_is_refused():
    """An unknown name lists the known ones; a tangent part that depends on h has no meaning."""
    with pytest.raises(ValueError, match="label, isotropic"):
        slow_equation(sgd(), noise="lable")
    with pytest.raises(ValueError, match="must be a constant"):
        spectral_noise("h", "h")
    with pytest.raises(ValueError, match="momentum_index"):
        Regime.long_horizon(2)
