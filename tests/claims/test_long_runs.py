"""The loops behind the claims step as the chains do, and the slow flow is integrated to fourth order."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.claims import Settings
from sde_momentum.claims.evidence._many_runs import trajectories
from sde_momentum.claims.evidence._slow_flow import follow
from sde_momentum.claims.evidence._slow_study import SlowStudy
from sde_momentum.dynamics import chain
from sde_momentum.optimizers import sgdm
from sde_momentum.problems import SignDraw, quadratic


def test_many_runs_are_the_chains_own_steps():
    """Every process and path has the iterates of a plain loop over `step` with the same draws."""
    problem = quadratic(np.diag([1.0, 2.0]), noise=0.5, draw=SignDraw(2))
    chains = [chain(sgdm(), problem, learning_rate=0.1, momentum=beta) for beta in (0.5, 0.9)]
    start = np.array([1.0, -1.0])
    watch = lambda process, state: state["x"]
    found = trajectories(chains, [start, start], watch, steps=6, saves=3, paths=2, seed=7)
    assert found.shape == (2, 2, 3, 2)
    draws = [np.asarray(problem.draw.sample(7, jnp.arange(2, dtype=jnp.uint32), k)) for k in range(6)]
    for number, process in enumerate(chains):
        step = eqx.filter_jit(process.step)
        for path in range(2):
            state = process.init(start)
            for k in range(6):
                state = step(jnp.asarray(k), state, draws[k][:, path])
                if k % 2:
                    np.testing.assert_allclose(found[number, path, k // 2], state["x"], rtol=1e-12)


def test_runs_end_at_a_save():
    """Steps that do not divide are refused."""
    process = chain(sgdm(), quadratic([1.0]), learning_rate=0.1, momentum=0.5)
    with pytest.raises(ValueError, match="multiple of saves"):
        trajectories([process], [np.ones(1)], lambda p, s: s["x"][0], steps=5, saves=2, paths=1, seed=0)


class Decay(eqx.Module):
    """dy/dτ = −y, on a manifold that is everything."""

    def drift(self, t, state):
        return {"x": -state["x"]}


def test_flow_is_of_fourth_order():
    """Twice as many steps leave a sixteenth of the error."""
    errors = []
    for substeps in (2, 4):
        found = follow(Decay(), {"x": jnp.ones(1)}, [0.5, 2.0], lambda s: s["x"][0], substeps=substeps)
        errors.append(abs(found[-1] - np.exp(-2.0)))
    assert 13 < errors[0] / errors[1] < 24


def test_slow_study_has_the_law_of_its_chains():
    """Means and standard errors of SGD and SGDM on a quadratic, against the exact mean; another mean is far away."""
    problem = quadratic([1.0], noise=1.0, start=np.ones(1), draw=SignDraw(1))
    study = SlowStudy(problem, lambda x: x[0], 0.08, 2, (0.1, 0.05), 0.5, 4_096)
    dataset = study.sample(Settings(progress=False))
    for rate in study.rates:
        one = dataset.sel(optimizer="SGD", learning_rate=rate)
        law = (1 - rate) ** np.round(one["time"].values / rate**2)
        away = np.abs(one["mean"].values - law) / one["standard_error"].values
        assert np.all(away < 5)
        assert np.all(np.abs(one["mean"].values - 1.2 * law) / one["standard_error"].values > 5)
    assert dataset.sizes == {"optimizer": 2, "learning_rate": 2, "time": 2}
