"""What a verdict says besides its tensor: the part at fault, and how a lift is fixed."""

from fractions import Fraction

import pytest

from sde_momentum.optimizers import adam, sgd, sgdm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    Node,
    NoDiffusion,
    Regime,
    TensorExpression,
    difference,
    from_json,
    modified_equation,
    to_json,
    to_latex,
)
from sde_momentum.symbolic._positivity import indefinite_block

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
@pytest.mark.parametrize("make", [sgd, sgdm])
def test_order_three_with_symmetric_noise(make, dimension):
    """Without skewness order 3 exists with momentum too, and both routes agree on it."""
    limit = modified_equation(make(), SYMMETRIC, order=3)
    assert limit.exists
    assert not limit.factor_gap
    assert not any(difference(limit, dimension).values())


def test_a_clock_prints_as_a_clock():
    """The number of the step is a variable of Adam's equation: dK = 1 dt."""
    assert "dK = 1 dt" in str(modified_equation(adam()))


def test_roots_of_differences_have_no_sign_in_front():
    """No update is written √-(…)."""
    assert "√-" not in str(adam())
