"""How long derivations take, in processor time, with nothing remembered from before."""

import time
from fractions import Fraction

import pytest

from sde_momentum.optimizers import heavy_ball, nesterov, qhm, sgd, sgdm
from sde_momentum.symbolic import Regime, modified_equation
from sde_momentum.symbolic._modified_equation import _derive

LOUD = Regime.noise_dominated


def seconds(rule, regime, order):
    """Processor time of one derivation."""
    _derive.cache_clear()
    start = time.process_time()
    modified_equation(rule, regime, order=order)
    return time.process_time() - start


def test_sgd_to_order_three():
    """The third order of SGD takes less than a fifth of a second."""
    modified_equation(sgd())
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
