"""Mean paths of an optimizer and its equations are those that theory gives, in one scale."""

import jax.numpy as jnp
import numpy as np
import pytest

import sde_momentum as sm
from sde_momentum.compare import mean_paths

RATE, TIMES = 0.4, np.array([0.8, 1.6])
SGD = sm.optimizers.sgd()
LIMITS = [sm.modified_equation(SGD, order=order) for order in (1, 2)]


@pytest.mark.slow
def test_means_of_sgd_on_a_quadratic():
    """E x_k = (1 − ηh)^k, and Euler's E x = (1 − h′ dt)^n with h′ = h, h + ηh²/2, within 5 SE; no two agree."""
    problem = sm.problems.quadratic(1.0, noise=0.2)
    setting = {"t1": 1.6, "num_paths": 4096, "seed": 3, "saves": 2, "learning_rate": RATE}
    paths = mean_paths(SGD, LIMITS, problem, np.array(1.0), **setting)
    substeps = 8 * TIMES / RATE
    exact = [(1 - RATE) ** (TIMES / RATE), *((1 - RATE / 8 * h) ** substeps for h in (1, 1 + RATE / 2))]
    mean, error = (paths.dataset[name].sel(observable="x").values for name in ("mean", "standard_error"))
    distance = abs(mean - np.stack(exact)) / error
    assert distance.max() < 5
    # Negative control: the mean of another process is rejected.
    assert (abs(mean - np.roll(exact, 1, axis=0)) / error).max(axis=1).min() > 5
    assert paths.gaps.sel(process="order 2").item() < paths.gaps.sel(process="order 1").item()
    assert "order 2: x" in str(paths)


@pytest.mark.parametrize("name", ["adagrad", "adadelta"])
def test_states_of_a_chain_in_the_scale_of_the_limit(name):
    """Returning to the limit's variables undoes what a full start goes through; the chain's own scale is another."""
    rule = sm.optimizers.CATALOGUE[name]()
    numbers = {"learning_rate": 0.1, "eps0": 0.2, **({"rate_decay": 1.0} if name == "adadelta" else {})}
    process = sm.chain(rule, sm.problems.quadratic(1.0), **numbers)
    start = {variable: jnp.asarray(0.3 + j) for j, variable in enumerate(rule.state)}
    returned = process.in_limit_variables(process.init(start))
    for variable in rule.state:
        np.testing.assert_allclose(returned[variable], start[variable], rtol=1e-12)
    assert any(process.init(start)[v] != start[v] for v in rule.state)


def test_limits_of_another_rule_or_regime():
    """Only limits of the rule, under one regime, can be put beside it."""
    problem, setting = sm.problems.quadratic(1.0), {"t1": 0.8, "num_paths": 8, "seed": 0, "learning_rate": RATE}
    loud = sm.modified_equation(SGD, sm.Regime.noise_dominated())
    for limits in ([], [LIMITS[0], loud], [sm.modified_equation(sm.optimizers.sgdm())]):
        with pytest.raises(ValueError, match=r"derive all limits|is empty"):
            mean_paths(SGD, limits, problem, 1.0, **setting)
