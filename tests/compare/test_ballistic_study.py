"""RMSProp and Adam follow their ballistic limits to order 2, and not those of order 1."""

import numpy as np
import pytest

from sde_momentum.compare import Verdict, ballistic_study


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["rmsprop", "adam"])
@pytest.mark.parametrize("dimension", [2, 6])
def test_order_two(rule, dimension):
    """On quadratics of dimension 2 and 6 the fitted order is 2 within its interval, with a signal of 10 or more."""
    study = ballistic_study(rule, dimension, progress=False)
    assert study.verdict is Verdict.CONFIRMED
    answered = [fit for fit in study.orders.values() if fit.obstacle is None]
    assert answered
    assert all(fit.interval[0] <= 2 <= fit.interval[1] and fit.snr >= 10 for fit in answered)


@pytest.mark.slow
def test_order_one_is_not_order_two():
    """The control: the limit of order 1 misses terms of size η, and its errors are far larger at the same paths."""
    first = ballistic_study("adam", 2, order=1, num_paths=16_384, progress=False)
    error, deviation = (first.dataset[name].values[-1, :, -1] for name in ("error", "standard_error"))
    second = ballistic_study("adam", 2, num_paths=16_384, progress=False).dataset["error"].values[-1, :, -1]
    assert np.all(np.abs(error) > 3 * np.abs(second))
    assert np.all(np.abs(error - second) > 5 * deviation)


def test_other_rules_are_refused():
    """Only the rules with this regime and a linear average of squares."""
    with pytest.raises(ValueError, match='must be "rmsprop" or "adam"'):
        ballistic_study("sgd")
