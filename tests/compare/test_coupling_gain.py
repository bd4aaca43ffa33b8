"""How much the common Brownian path saves: the variance of the coupled estimate against that of independent runs."""

import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.compare import CoupledLimit
from sde_momentum.dynamics import chain, sde
from sde_momentum.ensembles import simulate
from sde_momentum.optimizers import sgd
from sde_momentum.problems import general
from sde_momentum.solvers import SmallNoise
from sde_momentum.symbolic import Regime, modified_equation

PROBLEM = general(lambda x: 0.5 * x**2, lambda x, w: jnp.sqrt(1 + 0.49 * x**2) * w[0], 1)
LIMIT = modified_equation(sgd(), Regime.small_noise(), order=1)
OBSERVABLES = {
    "coupled": lambda s: s["chain"]["x"] ** 2 - s["fine"]["x"] ** 2,
    "chain": lambda s: s["chain"]["x"] ** 2,
    "equation": lambda s: s["fine"]["x"] ** 2,
}


def variance_ratio(eta, num_paths, orientation=-1.0):
    """(Var f(x) + Var f(X)) / Var(f(x) − f(X)), and its relative standard error."""
    equation = sde(LIMIT, PROBLEM, learning_rate=eta)
    pair = CoupledLimit(chain(sgd(), PROBLEM, learning_rate=eta), equation, SmallNoise(), 1, orientation)
    setting = {"t1": 1.0, "num_paths": num_paths, "seed": 11, "observables": OBSERVABLES, "progress": False}
    last = simulate(pair, 1.0, **setting).isel(time=-1)
    variance, error = last["variance"].values, last["variance_standard_error"].values
    relative = np.hypot(error[0] / variance[0], np.hypot(*error[1:]) / variance[1:].sum())
    return (variance[1] + variance[2]) / variance[0], relative


@pytest.mark.slow
@pytest.mark.parametrize(("eta", "at_least"), [(0.1, 800), (0.05, 4000), (0.01, 100_000)])
def test_common_noise_saves_variance(eta, at_least):
    """SGD on ½x² with noise variance 1 + 0.49x², observable x², t = 1: the gain grows like η⁻²; 5 SE are granted."""
    ratio, relative = variance_ratio(eta, 8192)
    assert ratio * (1 + 5 * relative) > at_least
    # The control: with the noise of the wrong sign nothing is saved.
    if eta == 0.1:
        assert variance_ratio(eta, 1024, orientation=1.0)[0] < 1
