"""The multilevel route gives the errors of the exact one, and tells the fit how they are correlated."""

import numpy as np
import pytest

from sde_momentum.compare import CoupledLevels, CoupledLimit, Verdict, weak_error
from sde_momentum.dynamics import chain, sde
from sde_momentum.optimizers import sgd
from sde_momentum.problems import quadratic
from sde_momentum.solvers import SmallNoise
from sde_momentum.symbolic import Regime, modified_equation

RATES = (0.4, 0.2, 0.1, 0.05)
SQUARE = {"x²": lambda x: x[0] ** 2}


def bowl():
    return quadratic(np.array([[1.0]]), noise=np.array([[0.6]]))


def study(regime, order=1, **changes):
    limit = modified_equation(sgd(), regime, order=order)
    setting = {"t1": 0.8, "learning_rates": RATES, "observables": SQUARE, "progress": False, "seed": 4}
    return weak_error(sgd(), limit, bowl(), np.array([0.7]), **(setting | changes))


LOUD, QUIET = Regime.noise_dominated(), Regime.small_noise()


@pytest.mark.slow
@pytest.mark.parametrize("regime", [LOUD, QUIET], ids=lambda regime: regime.name)
def test_levels_sum_to_the_exact_errors(regime):
    """Within 5 SE and the solver's bias; where the limit does not depend on η it cancels. A doubled error is seen."""
    exact = study(regime, method="exact").dataset["error"].values[:, 0, 0]
    found = study(regime, method="multilevel", num_paths=4096).dataset
    cancels = "the limit cancels" in found.attrs["method"]
    assert cancels is (regime.name == "noise-dominated")
    error, spread = (found[name].values[:, 0, 0] for name in ("error", "standard_error"))
    bias = np.abs(found["solver_bias"].values[:, 0, 0])
    assert np.all(np.abs(error - exact) < 5 * spread + 2 * bias)
    assert np.any(np.abs(error - 2 * exact) > 5 * spread + 2 * bias)
    # The variances of all levels below add.
    assert np.all(np.diff(spread) < 0)


@pytest.mark.slow
def test_planned_levels_confirm_the_order():
    """Sample sizes from a pilot reach SNR 10 within a third, and order 1 is confirmed; the plan is kept."""
    found = study(LOUD, method="multilevel", target_snr=12, budget=60)
    assert found.order.snr > 8
    assert found.verdict in (Verdict.CONFIRMED, Verdict.MONTE_CARLO_FLOOR)
    assert "target SNR 12" in found.dataset.attrs["plan"]


def test_levels_must_halve_the_step():
    """Learning rates η and η/3 share no grid."""
    limit = modified_equation(sgd(), order=1)
    one, other = (
        CoupledLimit(
            chain(sgd(), bowl().gaussian(), learning_rate=rate), sde(limit, bowl(), learning_rate=rate), SmallNoise(), 1
        )
        for rate in (0.3, 0.1)
    )
    with pytest.raises(ValueError, match="halve the time per step"):
        CoupledLevels(one, other)
