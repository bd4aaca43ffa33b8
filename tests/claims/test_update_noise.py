"""The update-noise claim: its exact laws, its standard errors, and every way it can end."""

import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
import xarray as xr

from sde_momentum.claims import Settings, load_claim
from sde_momentum.claims.equations._update_noise import (
    against_law,
    gap_variance,
    near,
    path_variance,
    sample,
    update_ratio,
)
from sde_momentum.claims.evidence._joint_law import joint_law
from sde_momentum.claims.evidence._variances import total_variance, variance_ratio
from sde_momentum.compare import Outcome, PairedChains, affine_chain
from sde_momentum.dynamics import chain
from sde_momentum.optimizers import sgdm
from sde_momentum.problems import linear

BETA, RATE, STEPS = 0.9, 0.01, 60


@pytest.fixture(scope="module")
def sampled():
    """SGDM and SGD on a linear loss: the table after 60 steps."""
    problem, settings = linear(0.1, dtype=jnp.float32), Settings(seed=3, progress=False)
    return sample(problem, RATE, (STEPS,), 131_072, settings).isel(time=-1)


@pytest.fixture(scope="module")
def small_evidence():
    """The whole experiment with the fewest replicas."""
    return load_claim("update-noise").experiment(Settings(effort=1e-3, progress=False))


@pytest.mark.parametrize("beta", [0.5, 0.9])
@pytest.mark.parametrize("steps", [1, 5, 300])
def test_laws_of_the_linear_loss(beta, steps):
    """The closed forms are the moments of the joint linear chain of SGDM and SGD."""
    rule, problem, x0 = sgdm(), linear(np.array([0.1]), noise=1.0), np.zeros(1)
    first, second = (chain(rule, problem, learning_rate=RATE, momentum=b) for b in (beta, 0.0))
    law = joint_law(PairedChains(first, second), x0, steps)
    variances = law.covariance[:, 0, :, 0] / RATE**2
    np.testing.assert_allclose(variances[0, 0], path_variance(beta, steps), rtol=1e-10)
    np.testing.assert_allclose(variances[1, 1], steps, rtol=1e-10)
    gap = variances[0, 0] + variances[1, 1] - 2 * variances[0, 1]
    np.testing.assert_allclose(gap, gap_variance(beta, steps), rtol=1e-9)
    spread = affine_chain(first, x0).moments(np.zeros(2), [steps]).covariance[0]
    np.testing.assert_allclose(spread[0, 0], update_ratio(beta, steps), rtol=1e-10)


def table_of(x, z):
    """The data set that `simulate` would give for scalar samples x and z."""
    rows = np.stack([x, z, x**2, z**2])
    return xr.Dataset(
        {
            "mean": ("observable", rows.mean(axis=1)),
            "variance": ("observable", rows.var(axis=1, ddof=1)),
            "covariance": (("observable", "other"), np.cov(rows)),
            "count": ((), x.size),
        },
        {"name": ("observable", ["x", "z", "|x|²", "|z|²"])},
    )


def test_standard_errors_know_of_the_coupling():
    """The delta-method error is the spread of repeated ratios; forgetting the correlation overstates it."""
    generator = np.random.default_rng(0)
    ratios, errors, naive = [], [], []
    for _ in range(400):
        z = 1 + generator.gamma(2.0, size=300)
        table = table_of(z + 0.3 * generator.normal(size=300), z)
        for found, value in zip((ratios, errors), variance_ratio(table, "x", "z"), strict=True):
            found.append(value)
        relative = [error / value for value, error in (total_variance(table, name) for name in ("x", "z"))]
        naive.append(ratios[-1] * np.hypot(*relative))
    spread = np.std(ratios, ddof=1)
    # 400 repetitions know the spread to 1/√800; 5 of these, and the bias of the estimate at 300 samples.
    assert abs(np.mean(errors) / spread - 1) < 5 / np.sqrt(800) + 0.03
    assert np.mean(naive) / spread > 1.5


def test_sampled_variances_support_the_exact_laws(sampled):
    """Update, path and gap agree with the exact laws within 5 SE, at 3 % resolution."""
    scale = RATE**2
    laws = {"m": update_ratio(BETA, STEPS), "x": path_variance(BETA, STEPS) * scale, "z": STEPS * scale, "g": 1.0}
    laws["x − z"] = gap_variance(BETA, STEPS) * scale
    for name, law in laws.items():
        assert against_law(name, total_variance(sampled, name), law).outcome is Outcome.SUPPORTED


def test_wrong_laws_are_not_supported(sampled):
    """A path quieter by the update's factor, an update as noisy as SGD's, and a gap off by β² are refuted."""
    scale = RATE**2
    wrong = {"m": 1.0, "x": update_ratio(BETA) * STEPS * scale, "x − z": gap_variance(BETA, STEPS) / BETA**2 * scale}
    for name, law in wrong.items():
        assert against_law(name, total_variance(sampled, name), law).outcome is Outcome.NOT_SUPPORTED
    reduced = near("path", variance_ratio(sampled, "x", "z"), update_ratio(BETA), 0.25 * update_ratio(BETA))
    assert reduced.outcome is Outcome.NOT_SUPPORTED


@pytest.mark.slow
def test_few_replicas_leave_the_claim_undecided(small_evidence):
    """With 1 024 replicas no exact law and with 64 no equivalence is settled, and nothing is refuted."""
    found = {measurement.label: measurement.outcome for measurement in small_evidence.measurements}
    assert small_evidence.outcome is Outcome.UNDECIDED
    assert found["linear: Var m/s²"] is Outcome.UNDECIDED
    assert found["logistic: Var m/Var g"] is Outcome.UNDECIDED
    assert Outcome.NOT_SUPPORTED not in found.values()


def test_interval_of_an_equivalence_is_around_the_estimate():
    """The interval is the estimate ± 5 standard errors, whatever the target."""
    found = near("ratio", (1.03, 0.002), 1.0, 0.1)
    np.testing.assert_allclose(found.interval, (1.02, 1.04), rtol=1e-6)
    assert found.value == 1.03
    assert found.outcome is Outcome.SUPPORTED


@pytest.mark.slow
def test_evidence_survives_the_disk_and_can_be_drawn(small_evidence, tmp_path):
    """The data set is the same after netCDF, and the figure shows both ratios for both problems."""
    matplotlib.use("agg")
    small_evidence.dataset.to_netcdf(tmp_path / "noise.nc", engine="h5netcdf")
    dataset = xr.load_dataset(tmp_path / "noise.nc", engine="h5netcdf")
    xr.testing.assert_identical(dataset, small_evidence.dataset)
    figure = load_claim("update-noise").figure(dataset)
    assert [len(axis.containers) for axis in figure.axes] == [2, 2]
    figure.savefig(tmp_path / "noise.png")
    matplotlib.pyplot.close(figure)


@pytest.mark.slow
def test_the_claim_is_supported_at_full_effort():
    """Sampling on the linear loss and on the logistic regression supports the claim."""
    assert load_claim("update-noise").experiment(Settings(progress=False)).outcome is Outcome.SUPPORTED
