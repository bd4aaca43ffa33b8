"""What a verdict says besides its tensor: the part at fault, and how a lift is fixed."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from sde_momentum.optimizers import adam, sgd, sgdm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    Node,
    NoDiffusion,
    Regime,
    TensorExpression,
    difference,
    from_json,
    hyperparameter,
    modified_equation,
    to_json,
    to_latex,
    update_rule,
)
from sde_momentum.symbolic.equation._positivity import indefinite_block

ETA = LEARNING_RATE
SIGMA = (Node("Sigma", ((-2, -1), ())),)
SYMMETRIC = Regime("symmetric noise", cumulant_scales={3: ETA, 4: ETA})


def block(power):
    return TensorExpression.collect([(SIGMA, ETA**power)])


def test_the_part_at_fault_is_named():
    """Skewed noise obstructs the generator, and the text says so."""
    verdict = modified_equation(sgd(), order=3)
    assert verdict.part == "generator"
    assert "expectations" in str(verdict)
    assert from_json(to_json(verdict)) == verdict


@pytest.mark.parametrize(("part", "words"), [("start", "transient"), ("covariance", "block too large")])
def test_every_part_has_its_sentence(part, words):
    """Start and covariance are told apart from the generator, in text and LaTeX."""
    verdict = NoDiffusion(sgdm(), Regime.small_noise(), 2, {("x", "m"): block(1)}, part=part)
    assert words in str(verdict)
    assert words in to_latex(verdict)
    assert from_json(to_json(verdict)) == verdict


def test_a_cross_covariance_needs_room():
    """|A_xm|² ≤ A_xx A_mm: ηΣ beside η² and 1 is possible, beside η³ and 1 not, nor beside a block dropped at η³."""
    order = Fraction(3)
    possible = {("x", "x"): block(2), ("m", "m"): block(0), ("x", "m"): block(1)}
    assert not indefinite_block(possible, order)
    assert indefinite_block({**possible, ("x", "x"): block(3)}, order) == {("x", "m"): block(1)}
    dropped = {("m", "m"): block(0), ("x", "m"): block(1)}
    assert indefinite_block(dropped, order)
    assert not indefinite_block(dropped, Fraction(2))


def test_how_the_lift_is_fixed():
    """The law of x has a lift of stationary mean, that of the slow variable one without a part free of m."""
    regime = Regime.noiseless()
    x, y = (modified_equation(sgdm(), regime, order=3, describes=which) for which in ("x", "slow"))
    assert (x.lift_normalization, y.lift_normalization) == ("stationary", "free")
    assert x.drift["x"] - y.drift["x"]
    lower = [modified_equation(sgdm(), regime, order=2, describes=which) for which in ("x", "slow")]
    assert not lower[0].drift["x"] - lower[1].drift["x"]
    assert modified_equation(sgd()).lift_normalization == ""


@pytest.mark.parametrize("dimension", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_order_three_with_symmetric_noise(dimension):
    """Without skewness order 3 exists for SGD, and both routes agree on it."""
    limit = modified_equation(sgd(), SYMMETRIC, order=3)
    assert limit.exists
    assert not limit.factor_gap
    assert not any(difference(limit, dimension).values())


QUARTER = Regime("quarter", ETA ** sp.Rational(-1, 4), cumulant_scales=dict.fromkeys(range(3, 9), ETA**8))


@pytest.mark.parametrize(("regime", "order", "power"), [(SYMMETRIC, 3, 2), (QUARTER, 2, sp.Rational(3, 2))])
def test_a_start_that_would_have_to_be_sharper_than_a_point(regime, order, power):
    """From m₀ = 0, Var x_k stays −η²σ²β(2+β)/(1−β²) Σ behind the line kη²σ²Σ for good: no start makes up for it."""
    verdict = modified_equation(sgdm(), regime, order=order)
    assert (verdict.exists, verdict.part) == (False, "start")
    beta = hyperparameter("momentum")
    missing = -(ETA**power) * beta * (2 + beta) / (1 - beta**2) / 2
    assert not verdict.obstruction["x", "x"] - TensorExpression.collect([(SIGMA, missing)])
    assert not any(difference(verdict, 1).values())
    assert 'the slow variable, `describes="slow"`, starts without it' in str(verdict)
    assert modified_equation(sgdm(), regime, order=order, describes="slow").exists
    assert from_json(to_json(verdict)) == verdict


def test_the_lag_of_the_variance_in_numbers():
    """Linear loss, exact recursion of second moments: Var x_k − kη²s² tends to −η²s²β(2+β)/(1−β²), not to zero."""
    beta, eta = 0.6, 0.1
    step = np.array([[1, -eta * beta], [0, beta]])
    noise = np.outer(drawn := np.array([-eta * (1 - beta), 1 - beta]), drawn)
    moments = np.zeros((2, 2))
    for _ in range(200):
        moments = step @ moments @ step.T + noise
    assert moments[0, 0] - 200 * eta**2 == pytest.approx(-(eta**2) * beta * (2 + beta) / (1 - beta**2), rel=1e-9)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_covariance_that_is_none(sign, dimension):
    """Position and velocity one after the other, σ = η^(−1/4), order 3: A_xv² = ¼η^(5/2), A_xx A_vv = η^(5/2)/6."""

    @update_rule(state=("x", "v"))
    def kinetic(x, v, g, *, learning_rate):
        after = v - learning_rate * v - learning_rate * g
        return x + learning_rate * (v if sign < 0 else after), after

    assert modified_equation(kinetic, QUARTER, order=2).exists
    verdict = modified_equation(kinetic, QUARTER, order=3)
    assert (verdict.exists, verdict.part) == (False, "covariance")
    half = sign * ETA ** sp.Rational(3, 2) / 2
    assert not verdict.obstruction["x", "v"] - TensorExpression.collect([(SIGMA, half)])
    assert not any(difference(verdict, dimension).values())
    assert "block too large" in str(verdict)
    assert from_json(to_json(verdict)) == verdict


def test_balanced_blocks_are_compared():
    """C² ≤ ab is no obstruction, c² > ab is; where the sign depends on hyperparameters nothing is claimed."""
    blocks = lambda c, a: {("x", "x"): block(2) * a, ("m", "m"): block(0), ("x", "m"): block(1) * c}
    third = sp.Rational(1, 3)
    assert not indefinite_block(blocks(sp.Rational(1, 2), third), Fraction(3))
    assert indefinite_block(blocks(sp.Rational(2, 3), third), Fraction(3))
    assert not indefinite_block(blocks(hyperparameter("c"), third), Fraction(3))


def test_a_clock_prints_as_a_clock():
    """The number of the step is a variable of Adam's equation: dK = 1 dt."""
    assert "dK = 1 dt" in str(modified_equation(adam()))


def test_roots_of_differences_have_no_sign_in_front():
    """No update is written √-(…)."""
    assert "√-" not in str(adam())
