"""Claim: with small learning rates tuned SGD and tuned SGDM do equally well; with the full batch SGDM is ahead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import xarray as xr
from tqdm import tqdm

from sde_momentum.claims.evidence._claim import Claim, Evidence, Settings
from sde_momentum.claims.evidence._themes import FINITE
from sde_momentum.claims.evidence._training import BLOCK, SAVES, Trainer
from sde_momentum.claims.evidence._tuning import TuningCurve, learning_rate, tune
from sde_momentum.claims.finite._tuned_figure import figure
from sde_momentum.claims.finite._tuned_verdict import (
    ACCURACY_MARGIN,
    CONTROL,
    FULL,
    INTERPOLATING,
    LOSS_MARGIN,
    SMALL,
    conclude,
    remarks,
)
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import digits_mlp

_BATCH, _MOMENTUM, _PENALTY, _HIDDEN = 16, 0.9, 1e-3, 32
_OPTIMIZERS = {"SGD": (sgd(), {}), "SGDM": (sgdm(), {"momentum": _MOMENTUM})}
_FRESH = 2**20  # number of the first replica that is never used for tuning


@dataclass(frozen=True)
class Setting:
    """A way of training in which both optimizers are tuned and compared.

    Args:
        name: label in data and figure.
        full_batch: whether steps use all data.
        penalty: weight λ of the penalty (λ/2)|weights|².
        steps: the same for both optimizers and all learning rates.
        grid: first and last grid point of the learning rates, in half octaves.
        tuning: replicas for each learning rate, at effort 1.
        pairs: fresh replicas for the comparison, at effort 1.
    """

    name: str
    full_batch: bool
    penalty: float
    steps: int
    grid: tuple[int, int]
    tuning: int
    pairs: int


SETTINGS = (
    Setting(SMALL, False, _PENALTY, 1780, (-6, 2), 16, 64),  # 20 epochs of 89 batches
    Setting(FULL, True, _PENALTY, 200, (-1, 9), 4, 16),
    Setting(INTERPOLATING, False, 0.0, 1780, (-3, 3), 8, 32),
)


def experiment(settings: Settings) -> Evidence:
    """Tune on some seeds, then train both optimizers from fresh equal starts on equal minibatches."""
    return examine(settings, SETTINGS, _HIDDEN)


def examine(settings: Settings, cases: Sequence[Setting], hidden: int) -> Evidence:
    """The experiment with other cases, or another width of the network."""
    with tqdm(total=4 * len(cases), unit=" stages", delay=0.5, disable=not settings.progress) as bar:
        tables = [_compare(settings, case, hidden, bar.update) for case in cases]
    dataset = _joined(tables, "setting")
    dataset.attrs |= {"seed": str(settings.seed), "loss_margin": LOSS_MARGIN, "accuracy_margin": ACCURACY_MARGIN}
    return Evidence(conclude(dataset), dataset, remarks=(_procedure(cases, hidden), *remarks(dataset)))


def _compare(settings: Settings, case: Setting, hidden: int, advance: Callable[[], object]) -> xr.Dataset:
    problem = digits_mlp(_BATCH, hidden, case.penalty, replacement=False, dtype=jnp.float32)
    trainer = Trainer(problem, case.steps, case.full_batch, settings.seed)
    tuning = np.arange(settings.samples(case.tuning, BLOCK))
    fresh = _FRESH + np.arange(settings.samples(case.pairs, BLOCK))
    parts = []
    for name, (rule, others) in _OPTIMIZERS.items():
        final = lambda rate, rule=rule, others=others: _final_log_losses(trainer, rule, tuning, rate, others)
        curve = tune(final, range(case.grid[0], case.grid[1] + 1))
        advance()
        trained = trainer.train(rule, fresh, learning_rate=curve.rate, **others)
        parts.append(_trained_table(name, curve.rate, *trained).merge(_tuning_table(name, curve)))
        advance()
        if name == "SGDM" and case.name == SMALL:
            control = trainer.train(rule, fresh, learning_rate=curve.rate / 4, **others)
            parts.append(_trained_table(CONTROL, curve.rate / 4, *control))
    return _joined(parts, "optimizer").expand_dims(setting=[case.name])


def _final_log_losses(trainer: Trainer, rule, replicas: np.ndarray, rate: float, others: dict) -> np.ndarray:
    losses, _ = trainer.train(rule, replicas, learning_rate=rate, **others)
    return np.log(losses[:, -1])


def _tuning_table(name: str, curve: TuningCurve) -> xr.Dataset:
    rates = np.array([learning_rate(j) for j in curve.half_octaves])
    return xr.Dataset(
        {
            "tuning_log_loss": (("optimizer", "learning_rate", "tuning_seed"), curve.log_losses[None]),
            "grid_points_added": ("optimizer", [float(curve.added)]),
            "at_edge": ("optimizer", [float(curve.at_edge)]),
        },
        {"optimizer": [name], "learning_rate": rates, "tuning_seed": np.arange(curve.log_losses.shape[1])},
    )


def _trained_table(name: str, rate: float, losses: np.ndarray, accuracies: np.ndarray) -> xr.Dataset:
    """A loss that is not finite is infinite here, because NaN will stand for what was not run."""
    logs = np.where(np.isfinite(losses), np.log(losses), np.inf)
    return xr.Dataset(
        {
            "rate": ("optimizer", [rate]),
            "log_loss": (("optimizer", "pair"), logs[None, :, -1]),
            "test_accuracy": (("optimizer", "pair"), accuracies[None]),
            "training_log_loss": (("optimizer", "progress"), logs.mean(axis=0)[None]),
        },
        {"optimizer": [name], "pair": np.arange(len(losses)), "progress": np.arange(1, SAVES + 1) / SAVES},
    )


def _joined(tables: Sequence[xr.Dataset], dimension: str) -> xr.Dataset:
    """Tables of different grids and numbers of seeds, padded with NaN."""
    return xr.concat(tables, dimension, join="outer", data_vars="all", coords="minimal", compat="override")


def _procedure(cases: Sequence[Setting], hidden: int) -> str:
    steps = {case.name: case.steps for case in cases}
    return (
        f"Digits, tanh network 64–{hidden}–10, pixels in [0, 1], constant learning rates on a grid of ratio √2, SGDM "
        f"with β = {_MOMENTUM:g} in EMA form. {steps[SMALL]} steps of batch {_BATCH} in reshuffled epochs, and "
        f"{steps[FULL]} of the full batch; the training loss contains the penalty {_PENALTY:g}/2 |weights|². Rates "
        "were tuned on the mean log of the final training loss. In the comparison both optimizers share start and "
        "order of the data, on seeds that no tuning has seen. Penalty, numbers of steps and margins were fixed "
        "beforehand on other seeds, such that the noise limits the best rate at the small batch. Intervals are "
        "two-sided 90 % intervals of Student's t."
    )


CLAIM = Claim(
    name="tuned",
    title="Tuned momentum gains nothing where learning rates are small",
    statement="Where the best learning rate is small (small batches), tuned SGD and tuned SGDM reach the same "
    "training loss and test accuracy; with the full batch SGDM is ahead.",
    source="Wang, Malladi, Wang, Lyu, Li (2024), Section 5",
    experiment=experiment,
    figure=figure,
    theme=FINITE,
)
