"""What a sampled study says of its solver and of its arithmetic is at least what they are off by."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sde_momentum as sm
from sde_momentum.compare import Verdict, weak_error
from sde_momentum.compare.coupling._solver_bias import bias_share
from sde_momentum.optimizers import gd, sgd
from sde_momentum.problems import general
from sde_momentum.symbolic import Regime, modified_equation

LOUD = modified_equation(sgd(), Regime.noise_dominated())
SQUARE = {"x²": lambda x: x**2}
RATES = (0.1, 0.05, 0.025, 0.0125)


@pytest.mark.parametrize(
    ("noise", "share"),
    [
        (lambda x, w: 0.6 * w[0], 1 / 3),
        (lambda x, w: (0.6 + 0.5 * x) * w[0], 1.0),
        (lambda x, w: x**2 * w[0], 1.0),
    ],
    ids=["additive", "affine", "flat at the start"],
)
def test_the_bias_is_a_third_of_the_difference_for_additive_noise_alone(noise, share):
    """`SmallNoise` is of weak order 2 for additive noise and of order 1 where the noise depends on the state."""
    problem = general(lambda x: 0.5 * x**2, noise, 1)
    assert bias_share(sm.sde(LOUD, problem, learning_rate=0.1), 0.0) == share


def test_the_bias_covers_what_the_solver_is_off_by():
    """Closed moments of dX = −X dt + (.6 + X/2) dW: sampled errors are off by no more than bias and noise allow.

    The solver contributes more than a tenth of every error here, and the study says so.
    """
    problem = general(lambda x: 0.5 * x**2, lambda x, w: (0.6 + 0.5 * x) * w[0], 1)
    ask = {"t1": 1.0, "learning_rates": RATES, "observables": SQUARE, "progress": False}
    true = weak_error(sgd(), LOUD, problem, 1.0, method="exact", **ask).dataset["error"]
    found = weak_error(sgd(), LOUD, problem, 1.0, method="coupled", num_paths=2**18, **ask)
    data, off = found.dataset, np.abs(found.dataset["error"] - true)
    noise = 5 * np.hypot(data["standard_error"], data["solver_bias_standard_error"])
    assert np.all(off <= np.abs(data["solver_bias"]) + noise)
    assert float((off / np.abs(true)).min()) > 0.1
    assert found.verdict is Verdict.SOLVER_BIAS
    assert "solver bias at most" in str(found)


@pytest.mark.parametrize(("double", "verdict"), [(True, Verdict.CONFIRMED), (False, Verdict.MONTE_CARLO_FLOOR)])
def test_rounding_is_no_exact_error(double, verdict):
    """Without noise nothing scatters, but single precision has its own floor: the study names it, and the way out."""
    problem = general(lambda x: 0.5 * jnp.sum(x**2) + 0.1 * jnp.sum(x**4), lambda x, w: 0 * x * w, 3)
    limit = modified_equation(gd(), Regime.noiseless(), order=2)
    with jax.enable_x64(double):
        rates = tuple(rate / 8 for rate in RATES)
        found = weak_error(gd(), limit, problem, np.ones(3), t1=1.0, learning_rates=rates, num_paths=8, progress=False)
    assert found.verdict is verdict
    assert ("jax_enable_x64" in str(found)) is not double


def test_levels_share_their_noise_at_every_time():
    """A multilevel study read at its own last time has the same intervals, from correlated errors."""
    problem = sm.problems.quadratic(np.diag([1.0, 0.5]), noise=0.5 * np.eye(2))
    ask = {"t1": 2.0, "learning_rates": RATES, "saves": 2, "num_paths": 1024, "progress": False}
    found = weak_error(sgd(), modified_equation(sgd()), problem, np.ones(2), method="multilevel", **ask)
    assert found.at(2.0).order.interval == found.order.interval
    assert found.dataset.attrs["t1"] == 2.0
    with pytest.raises(KeyError, match="`time` must be one of 1, 2, got"):
        found.at(1.5)
