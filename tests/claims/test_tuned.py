"""The claim on tuned optimizers: every outcome is reached, tuning is honest, and pairs share their randomness."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from sde_momentum.claims import Settings
from sde_momentum.claims.evidence._paired_measurement import equal_within, interval, negative
from sde_momentum.claims.evidence._training import BLOCK, SAVES, Trainer
from sde_momentum.claims.evidence._tuning import learning_rate, resampled_rates, tune
from sde_momentum.claims.finite._tuned import SETTINGS, Setting, examine, figure
from sde_momentum.claims.finite._tuned_verdict import CONTROL, FULL, INTERPOLATING, SMALL, conclude, remarks
from sde_momentum.compare import Outcome
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import digits_mlp

SUPPORTED, NOT_SUPPORTED, UNDECIDED = Outcome.SUPPORTED, Outcome.NOT_SUPPORTED, Outcome.UNDECIDED
SEED, STEPS = 11, 2 * SAVES  # one number for all tests that train: they share what is compiled
RATES = np.array([0.25, 0.5, 1.0, 2.0])


def normals(size: int, seed: int) -> np.ndarray:
    """Numbers with mean 0 and standard deviation 1, exactly: what is added to them is what is measured."""
    numbers = np.random.default_rng(seed).standard_normal(size)
    return (numbers - numbers.mean()) / numbers.std(ddof=1)


def evidence_of(
    loss: float = 0.0,
    accuracy: float = 0.0,
    full: float = -0.2,
    control: float = 0.2,
    small_best: int = 0,
    spread: float = 0.05,
    pairs: int = 32,
) -> xr.Dataset:
    """A data set with given mean differences SGDM − SGD and a given tuned rate of SGD at the small batch."""
    optimizers, settings = ["SGD", "SGDM", CONTROL], [SMALL, FULL]
    log_loss, accuracies = np.zeros((2, 3, pairs)), np.full((2, 3, pairs), 0.95)
    for row, (sgdm_shift, control_shift) in enumerate([(loss, control), (full, np.nan)]):
        log_loss[row] = normals(pairs, row)
        log_loss[row, 1] += sgdm_shift + spread * normals(pairs, 10 + row)
        log_loss[row, 2] += control_shift + spread * normals(pairs, 20 + row)
    accuracies[0, 1] += accuracy + 0.1 * spread * normals(pairs, 30)
    best = np.array([[small_best, small_best, 0], [2, 3, 0]])
    curves = np.abs(np.arange(4)[:, None] - best[:, :, None, None]) + 0.01 * normals(5, 40)
    return xr.Dataset(
        {
            "log_loss": (("setting", "optimizer", "pair"), log_loss),
            "test_accuracy": (("setting", "optimizer", "pair"), accuracies),
            "tuning_log_loss": (("setting", "optimizer", "learning_rate", "tuning_seed"), curves),
            "rate": (("setting", "optimizer"), RATES[best]),
            "at_edge": (("setting", "optimizer"), np.zeros((2, 3))),
            "grid_points_added": (("setting", "optimizer"), np.zeros((2, 3))),
        },
        {"setting": settings, "optimizer": optimizers, "learning_rate": RATES},
        {"seed": "7", "loss_margin": 0.05, "accuracy_margin": 0.01},
    )


def outcomes(**shifts) -> list[Outcome]:
    return [measurement.outcome for measurement in conclude(evidence_of(**shifts))]


@pytest.mark.parametrize(
    ("shifts", "number", "outcome"),
    [
        ({}, 1, SUPPORTED),
        ({"loss": 0.02}, 1, SUPPORTED),  # a difference that is found, but counts as equal
        ({"loss": 0.3}, 1, NOT_SUPPORTED),
        ({"loss": -0.3}, 1, NOT_SUPPORTED),
        ({"loss": 0.05}, 1, UNDECIDED),
        ({"spread": 0.4}, 1, UNDECIDED),  # zero lies in the interval, and that is not enough
        ({}, 2, SUPPORTED),
        ({"accuracy": 0.03}, 2, NOT_SUPPORTED),
        ({"accuracy": 0.01}, 2, UNDECIDED),
        ({}, 3, SUPPORTED),
        ({"control": 0.0}, 3, UNDECIDED),  # an experiment that cannot tell a mistuned rate decides nothing
        ({}, 4, SUPPORTED),
        ({"full": 0.2}, 4, NOT_SUPPORTED),
        ({"full": 0.0}, 4, UNDECIDED),
    ],
)
def test_every_measurement_reaches_every_outcome(shifts, number, outcome):
    """Equal is inside the margin, ahead is wholly below zero, and what lies across is undecided."""
    assert outcomes(**shifts)[number] is outcome


def test_where_the_best_rate_is_not_small_the_claim_is_silent():
    """A large tuned rate at the small batch leaves even clear differences undecided, but not the full batch's."""
    found = outcomes(loss=0.3, small_best=2)
    assert found[:3] == [UNDECIDED] * 3
    assert found[4] is SUPPORTED


@pytest.mark.parametrize(("setting", "numbers"), [(SMALL, (1, 2)), (FULL, (4,))])
def test_an_edge_of_the_grid_decides_nothing(setting, numbers):
    """A rate at the edge of its grid is not tuned: its comparisons are undecided, and a remark says so."""
    dataset = evidence_of(loss=0.3)
    for name in ("at_edge", "grid_points_added"):
        dataset[name].loc[{"setting": setting, "optimizer": "SGDM"}] = 1.0
    found = [measurement.outcome for measurement in conclude(dataset)]
    assert all(found[number] is UNDECIDED for number in numbers)
    assert any("not tuned" in remark and setting in remark for remark in remarks(dataset))


def test_divergence_on_fresh_pairs_is_not_dropped():
    """One pair that diverged leaves no mean: nothing is decided and no number is shown."""
    dataset = evidence_of()
    dataset["log_loss"].loc[{"setting": SMALL, "optimizer": "SGDM", "pair": 3}] = np.inf
    found = conclude(dataset)[1]
    assert found.outcome is UNDECIDED
    assert np.isnan(found.value)


def test_intervals_cover_the_mean_of_few_pairs():
    """The interval of four pairs contains their true mean in 90 % of cases; a normal interval would not."""
    samples = np.random.default_rng(5).normal(0.3, 1.0, size=(1000, 4))
    ends = np.array([interval(sample)[1:] for sample in samples])
    covered = np.mean((ends[:, 0] < 0.3) & (ends[:, 1] > 0.3))
    error = np.sqrt(0.9 * 0.1 / 1000)
    half = 1.645 * samples.std(axis=1, ddof=1) / 2
    normal_covered = np.mean(np.abs(samples.mean(axis=1) - 0.3) < half)
    assert abs(covered - 0.9) < 5 * error
    assert abs(normal_covered - 0.9) > 5 * error


@pytest.mark.parametrize("differences", [np.array([]), np.array([0.1]), np.array([0.1, np.inf])])
def test_too_little_data_is_undecided(differences):
    """Without two finite pairs there is no interval."""
    assert equal_within("", differences, 1.0, "").outcome is UNDECIDED
    assert negative("", differences, "").outcome is UNDECIDED


def test_the_grid_grows_until_the_best_rate_lies_inside():
    """A grid below or above the optimum is extended, by as many points as it needs, and finds the optimum."""
    valley = lambda rate: np.array([np.log(rate) ** 2, np.log(rate) ** 2 + 1])
    above, below = tune(valley, range(3, 7)), tune(valley, range(-7, -2))
    assert (above.rate, above.added, above.at_edge) == (1.0, 4, False)
    assert (below.rate, below.added, below.at_edge) == (1.0, 4, False)
    assert tune(valley, range(-2, 3)).added == 0


def test_a_grid_without_an_inner_optimum_says_so():
    """If every extension is better still, the rate is not tuned; the same where everything diverges."""
    assert tune(lambda rate: np.array([-rate]), range(3)).at_edge
    assert tune(lambda rate: np.array([np.nan]), range(3)).at_edge


def test_divergence_at_a_rate_is_the_worst_loss():
    """A seed that is not finite makes its rate worse than any other, instead of being left out of the mean."""
    losses = lambda rate: np.array([np.nan if rate == 1.0 else 1.0, np.log(rate) ** 2])
    curve = tune(losses, range(-3, 4))
    assert abs(curve.best) == 1
    assert np.isinf(curve.log_losses[3, 0])


def test_bad_grids_are_refused():
    """A grid needs three points, in steps of one half octave."""
    with pytest.raises(ValueError, match="half_octaves"):
        tune(lambda rate: np.zeros(1), [0, 2, 4])
    with pytest.raises(ValueError, match="half_octaves"):
        tune(lambda rate: np.zeros(1), [0, 1])


def test_resampling_shows_how_sure_a_tuned_rate_is():
    """A clear best rate is sure, whatever shift all rates share; among level rates the best one is not."""
    rates, level = np.array([learning_rate(j) for j in range(3)]), normals(30, 1).reshape(3, 10)
    valley = np.array([1.0, 0.0, 1.0])[:, None] + 100 * normals(10, 2)
    assert set(resampled_rates(rates, valley, seed=3)) == {rates[1]}
    assert len(set(resampled_rates(rates, 0.1 * level, seed=3))) > 1


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    return Trainer(digits_mlp(16, 4, 1e-3, replacement=False, dtype=jnp.float32), STEPS, False, SEED)


@pytest.mark.slow
def test_optimizers_share_start_and_data(trainer):
    """SGDM without momentum is SGD to the last bits: both see the same starts and minibatches."""
    replicas = np.arange(BLOCK)
    first, _ = trainer.train(sgd(), replicas, learning_rate=0.3)
    second, _ = trainer.train(sgdm(), replicas, learning_rate=0.3, momentum=0.0)
    other, _ = trainer.train(sgd(), replicas + BLOCK, learning_rate=0.3)
    np.testing.assert_allclose(second, first, rtol=1e-5)
    assert np.all(np.abs(other - first)[:, -1] > 1e-4)


@pytest.mark.slow
def test_training_is_the_textbook_loop(trainer):
    """Losses agree with a loop over steps written out, in minibatches and with the full batch."""
    problem, replica = trainer.problem, 5
    batch = lambda k: problem.draw.sample(SEED, jnp.array([replica]), k)[:, 0]
    batch_gradient = jax.jit(lambda x, k: problem.stochastic_gradient(x, batch(k)))
    full_gradient = jax.jit(lambda x: problem.gradient(x))
    for full in (False, True):
        losses, accuracies = dataclasses.replace(trainer, full_batch=full).train(
            sgdm(), replica + np.arange(BLOCK), learning_rate=0.5, momentum=0.9
        )
        x = problem.initial(SEED + (replica << 32))
        m = jax.tree.map(jnp.zeros_like, x)
        for k in range(trainer.steps):
            g = full_gradient(x) if full else batch_gradient(x, jnp.uint32(k))
            m = jax.tree.map(lambda a, b: 0.9 * a + (1 - 0.9) * b, m, g)
            x = jax.tree.map(lambda a, b: a - 0.5 * b, x, m)
        np.testing.assert_allclose(losses[0, -1], problem.loss(x), rtol=1e-4)
        assert abs(accuracies[0] - float(problem.test_accuracy(x))) < 0.004  # one digit on the edge of two classes


def test_steps_must_fit_the_save_times(trainer):
    """Numbers of steps that leave a rest are refused by name."""
    with pytest.raises(ValueError, match="steps"):
        dataclasses.replace(trainer, steps=SAVES + 1)


@pytest.mark.slow
def test_a_tiny_real_run_is_undecided(tmp_path):
    """The whole experiment with few steps and pairs: data and figure are complete, the outcome is undecided."""
    tiny = {SMALL: (False, 1e-3), FULL: (True, 1e-3), INTERPOLATING: (False, 0.0)}
    cases = [Setting(name, *how, STEPS, (0, 2), BLOCK, BLOCK) for name, how in tiny.items()]
    evidence = examine(Settings(seed=SEED, effort=0.01, progress=False), cases, hidden=4)
    assert evidence.outcome is UNDECIDED
    assert len(evidence.measurements) == 5
    assert evidence.dataset["log_loss"].sel(optimizer=["SGD", "SGDM"]).notnull().all()
    evidence.dataset.to_netcdf(tmp_path / "tuned.nc", engine="h5netcdf")
    drawn = figure(xr.load_dataset(tmp_path / "tuned.nc", engine="h5netcdf"))
    assert len(drawn.axes) == 4


def test_the_claims_own_settings_are_consistent():
    """Both optimizers get the same steps, whole epochs, and grids that can be tuned on."""
    epoch = 1437 // 16
    assert [case.name for case in SETTINGS] == [SMALL, FULL, INTERPOLATING]
    assert all(case.steps % SAVES == 0 and (case.full_batch or case.steps % epoch == 0) for case in SETTINGS)
    assert all(case.tuning % BLOCK == case.pairs % BLOCK == 0 for case in SETTINGS)
