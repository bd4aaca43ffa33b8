"""The closeness claim: its exact joint law, and every way it can end."""

import itertools
from fractions import Fraction
from functools import cache

import matplotlib
import numpy as np
import pytest
import xarray as xr

from sde_momentum.claims import Evidence, Settings, load_claim
from sde_momentum.claims.equations import _closeness_study
from sde_momentum.claims.equations._closeness import measure
from sde_momentum.claims.equations._closeness_study import DISTANCE, LOSS, QUANTITIES, SQUARE, Momentum
from sde_momentum.claims.evidence._joint_law import joint_law
from sde_momentum.compare import Outcome
from sde_momentum.problems import linear, quadratic

FIXED, ROOT, LINEAR = Momentum(Fraction(0), 0.9), Momentum(Fraction(1, 2), 1.0), Momentum(Fraction(1), 1.0)
TRACE = 0.6**2 + 2 * 0.2**2 + 0.4**2  # of the quadratic's noise covariance


@pytest.fixture(scope="module")
def small_evidence():
    """The whole experiment with 16 replicas of each optimizer."""
    return load_claim("closeness").experiment(Settings(effort=1e-3, progress=False))


exact_study = cache(_closeness_study.exact_study)


def outcomes(study, bound, quantities=QUANTITIES):
    return [measurement.outcome for measurement in measure(study, bound, quantities)]


@pytest.mark.parametrize("steps", [1, *(pytest.param(steps, marks=pytest.mark.slow) for steps in (7, 200))])
def test_joint_law_of_a_linear_loss(steps):
    """Var(x_k − z_k) = η²σ²s²β²(1 − β^{2k})/(1 − β²), and E x_k − E z_k is the momentum's delay."""
    rate, slope, deviation, beta = 0.01, 0.3, 0.7, 0.9
    law = joint_law(FIXED.pair(linear(np.array([slope]), noise=deviation), rate), np.zeros(1), steps)
    delay = rate * slope * beta * (1 - beta**steps) / (1 - beta)
    variance = rate * deviation**2 * beta**2 * (1 - beta ** (2 * steps)) / (1 - beta**2)
    np.testing.assert_allclose(law.mean[0] - law.mean[1], delay, rtol=1e-12)
    np.testing.assert_allclose(law.mean_square_distance(), variance + delay**2, rtol=1e-10)


def test_joint_law_is_that_of_all_noise_sequences():
    """Moments do not depend on the law of the noise: they are the averages over all sequences of six signs."""
    curvature, deviation, rate, beta, steps = 1.3, 0.7, 0.05, 0.9, 6
    noise = deviation / np.sqrt(rate) * np.array(list(itertools.product((-1.0, 1.0), repeat=steps))).T
    x, z, m = np.ones(2**steps), np.ones(2**steps), np.zeros(2**steps)
    for xi in noise:
        z = z - rate * (curvature * z + xi)
        m = beta * m + (1 - beta) * (curvature * x + xi)
        x = x - rate * m
    law = joint_law(FIXED.pair(quadratic(np.array([curvature]), noise=deviation), rate), np.ones(1), steps)
    weak = law.weak_error(np.array([[curvature]]), np.array([0.2]))
    np.testing.assert_allclose(law.mean_square_distance(), np.mean((x - z) ** 2), rtol=1e-12)
    np.testing.assert_allclose(weak, np.mean(curvature / 2 * (x**2 - z**2) + 0.2 * (x - z)), rtol=1e-12)


def test_joint_law_refuses_what_it_cannot_know():
    """Noise that depends on x has no exact joint law here."""
    with pytest.raises(ValueError, match="additive noise"):
        joint_law(FIXED.pair(quadratic(np.ones(1), noise=lambda x: x), 0.01), np.ones(1), 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("momentum", "constant"), [(FIXED, TRACE * 0.9**2 / (1 - 0.9**2)), (ROOT, TRACE / (2 * ROOT.number))]
)
def test_distance_has_the_constant_of_the_linear_law(momentum, constant):
    """E|x − z|² = c η^{1−α} + …, with c = β²/(1 − β²) tr Σ at fixed β and c = tr Σ/(2λ) at α = ½."""
    fit = exact_study(momentum).fit(DISTANCE)
    assert fit.coefficients[0] == pytest.approx(constant, rel=2e-3)
    assert fit.order == pytest.approx(1 - float(momentum.index), abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("momentum", [FIXED, ROOT])
def test_exact_orders_support_the_claim(momentum):
    """On the quadratic every measured order reaches (1 − α)/2, and the weak ones are 1 − α."""
    study = exact_study(momentum)
    assert set(outcomes(study, momentum.bound)) == {Outcome.SUPPORTED}
    for quantity in (LOSS, SQUARE):
        assert study.fit(quantity).order == pytest.approx(1 - float(momentum.index), abs=1e-3)


def test_closeness_ends_at_momentum_index_one():
    """At 1 − β = λη nothing converges, and the same analysis says that the claim is not supported."""
    study = exact_study(LINEAR)
    assert outcomes(study, ROOT.bound, (LOSS, DISTANCE)) == [Outcome.NOT_SUPPORTED] * 2
    assert Evidence(tuple(measure(study, ROOT.bound)), xr.Dataset()).outcome is Outcome.NOT_SUPPORTED


@pytest.mark.parametrize("momentum", [FIXED, ROOT])
def test_a_promise_above_the_truth_is_refuted(momentum):
    """Weak order 1 − α + ¼ and strong order (1 − α)/2 + ¼ are not supported."""
    study, truth = exact_study(momentum), 1 - float(momentum.index)
    assert set(outcomes(study, truth + 0.25, (LOSS, SQUARE))) == {Outcome.NOT_SUPPORTED}
    assert outcomes(study, truth / 2 + 0.25, (DISTANCE,)) == [Outcome.NOT_SUPPORTED]


@pytest.mark.slow
def test_few_replicas_leave_the_claim_undecided(small_evidence):
    """With 16 replicas the sampled orders are unknown: undecided, and nothing is refuted."""
    found = {measurement.label: measurement.outcome for measurement in small_evidence.measurements}
    assert small_evidence.outcome is Outcome.UNDECIDED
    assert {o for label, o in found.items() if label.startswith("quadratic")} == {Outcome.SUPPORTED}
    assert Outcome.UNDECIDED in {o for label, o in found.items() if label.startswith("logistic")}


@pytest.mark.slow
def test_evidence_survives_the_disk_and_can_be_drawn(small_evidence, tmp_path):
    """The data set is the same after netCDF, and the figure shows every study in both panels."""
    matplotlib.use("agg")
    small_evidence.dataset.to_netcdf(tmp_path / "closeness.nc", engine="h5netcdf")
    dataset = xr.load_dataset(tmp_path / "closeness.nc", engine="h5netcdf")
    xr.testing.assert_identical(dataset, small_evidence.dataset)
    figure = load_claim("closeness").figure(dataset)
    assert [len(axis.containers) for axis in figure.axes] == [dataset.sizes["study"]] * 2
    figure.savefig(tmp_path / "closeness.png")
    matplotlib.pyplot.close(figure)
    assert all(equation.startswith("$$") for equation in small_evidence.equations)


@pytest.mark.slow
def test_the_claim_is_supported_at_full_effort():
    """Exact and sampled orders together support the claim."""
    assert load_claim("closeness").experiment(Settings(progress=False)).outcome is Outcome.SUPPORTED
