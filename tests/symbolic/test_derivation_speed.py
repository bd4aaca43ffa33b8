"""How long derivations take, in processor time, with nothing remembered from before."""

import time
from fractions import Fraction

import pytest

from sde_momentum.optimizers import (
    adadelta,
    adagrad,
    adam,
    heavy_ball,
    momentum_regime,
    nesterov,
    normalized_gd,
    qhm,
    rmsprop,
    sgd,
    sgdm,
    sign_gd,
)
from sde_momentum.symbolic import Regime
from sde_momentum.symbolic.equation._modified_equation import derive

LOUD = Regime.noise_dominated


def seconds(rule, regime, order):
    """Processor time of one derivation."""
    start = time.process_time()
    derive(rule, regime, order)
    return time.process_time() - start


def test_sgd_to_order_three():
    """The third order of SGD takes less than a fifth of a second."""
    derive(sgd(), Regime.small_noise(), 1)
    assert min(seconds(sgd(), Regime.small_noise(), 3) for _ in range(3)) < 0.2


@pytest.mark.parametrize("make", [sgdm, nesterov, qhm])
@pytest.mark.parametrize(
    "regime", [None, LOUD(), LOUD(Fraction(1, 2)), LOUD(1)], ids=lambda regime: regime.name if regime else "default"
)
def test_order_two(make, regime):
    """Every order-2 derivation of the momentum family takes less than two seconds."""
    rule = make()
    assert seconds(rule, regime or rule.default_regime(), 2) < 2


@pytest.mark.parametrize("regime", heavy_ball().regimes(), ids=lambda regime: regime.name)
def test_order_two_of_heavy_ball(regime):
    """So does heavy ball on its own clock."""
    assert seconds(heavy_ball(), regime, 2) < 2


@pytest.mark.slow
@pytest.mark.parametrize("index", [Fraction(1, 3), Fraction(2, 3), Fraction(3, 4), Fraction(4, 5)], ids=str)
@pytest.mark.parametrize("make", [sgdm, nesterov, qhm])
def test_any_momentum_index(make, index):
    """So does every momentum index, where corrections come in small powers of the learning rate."""
    rule = make()
    assert seconds(rule, momentum_regime(rule, index, noise_scale=1), 2) < 2


FUNCTIONS = [rmsprop(), rmsprop(True), adam(False), adam(), adagrad(), adagrad(fixed_step=True)]
FUNCTIONS += [adadelta(), adadelta("scaled"), sign_gd(), normalized_gd()]


@pytest.mark.slow
@pytest.mark.parametrize("rule", FUNCTIONS, ids=lambda rule: rule.name)
def test_order_two_with_functions(rule):
    """So do adaptive, sign and normalized methods in each of their regimes."""
    for regime in rule.regimes():
        assert seconds(rule, regime, 2) < 2
