"""What the data of the experiment on tuned optimizers say: measurements and remarks."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import xarray as xr

from sde_momentum.claims.evidence._claim import Measurement
from sde_momentum.claims.evidence._paired_measurement import equal_within, negative, paired_differences
from sde_momentum.claims.evidence._tuning import resampled_rates
from sde_momentum.compare import Outcome

LOSS_MARGIN = 0.05
"""Largest |Δ log training loss| that counts as equal: 5 % of the loss, about what a learning rate wrong by 2 costs."""
ACCURACY_MARGIN = 0.01
"""Largest difference in test accuracy that counts as equal: one percentage point, 3.6 of 360 test digits."""
SMALL, FULL, INTERPOLATING = "batch 16", "full batch", "batch 16, no penalty"
CONTROL = "SGDM at ¼ of its rate"
_OPTIMIZERS = ("SGD", "SGDM")


def conclude(dataset: xr.Dataset) -> tuple[Measurement, ...]:
    """Measurements; where the claim's premise does not hold or a rate is not tuned, they decide nothing."""
    premise, loss, accuracy = _premise(dataset), "log training loss", "test accuracy"
    small, full = (lambda name: _differences(dataset, SMALL, name)), (lambda name: _differences(dataset, FULL, name))
    label = lambda setting, what: f"{setting}: {what}, SGDM − SGD"
    equal = (
        equal_within(label(SMALL, loss), small("log_loss"), LOSS_MARGIN, f"equal within ±{LOSS_MARGIN:g}"),
        equal_within(
            label(SMALL, accuracy), small("test_accuracy"), ACCURACY_MARGIN, f"equal within ±{ACCURACY_MARGIN:g}"
        ),
    )
    ahead = negative(label(FULL, loss), full("log_loss"), "below 0: SGDM is ahead")
    holds = premise.outcome is Outcome.SUPPORTED and _is_tuned(dataset, SMALL)
    return (
        premise,
        *(_if(holds, measurement) for measurement in equal),
        _control(dataset),
        _if(_is_tuned(dataset, FULL), ahead),
    )


def remarks(dataset: xr.Dataset) -> Iterator[str]:
    """Sentences on the tuning, on the margin, and on where the claim says nothing."""
    for setting in dataset["setting"].values:
        for optimizer in _OPTIMIZERS:
            yield from _on_edges(dataset.sel(setting=setting, optimizer=optimizer))
    yield _on_margin(dataset)
    if INTERPOLATING in dataset["setting"].values:
        yield _on_interpolation(dataset)


def _differences(dataset: xr.Dataset, setting: str, name: str, optimizer: str = "SGDM") -> np.ndarray:
    return paired_differences(dataset[name].sel(setting=setting), optimizer, "SGD")


def _premise(dataset: xr.Dataset) -> Measurement:
    """Is the best rate small: set by the noise, and not by the curvature that sets it for the full batch?"""
    ratio = _rate(dataset, SMALL, "SGD") / _rate(dataset, FULL, "SGD")
    seed = int(dataset.attrs["seed"])
    small, full = (resampled_rates(*_tuning(dataset, name, "SGD"), seed + n) for n, name in enumerate((SMALL, FULL)))
    low, high = np.quantile(small / full, (0.05, 0.95), method="inverted_cdf")
    label = f"tuned learning rate of SGD, {SMALL} over {FULL}"
    # Ratios are powers of √2: 0.5 is small, 0.71 is not. A large one contradicts nothing: the claim is silent there.
    outcome = Outcome.SUPPORTED if high < 0.6 else Outcome.UNDECIDED
    return Measurement(label, ratio, (float(low), float(high)), "at most half: the best rate is small", outcome)


def _control(dataset: xr.Dataset) -> Measurement:
    """The margin must be narrow enough to tell a mistuned optimizer from a tuned one."""
    expected = f"not equal within ±{LOSS_MARGIN:g} (a negative control)"
    differences = _differences(dataset, SMALL, "log_loss", CONTROL)
    found = equal_within(f"{SMALL}: log training loss, {CONTROL} − SGD", differences, LOSS_MARGIN, expected)
    told_apart = found.outcome is Outcome.NOT_SUPPORTED
    return replace(found, outcome=Outcome.SUPPORTED if told_apart else Outcome.UNDECIDED)


def _rate(dataset: xr.Dataset, setting: str, optimizer: str) -> float:
    return float(dataset["rate"].sel(setting=setting, optimizer=optimizer))


def _tuning(dataset: xr.Dataset, setting: str, optimizer: str) -> tuple[np.ndarray, np.ndarray]:
    """Learning rates and log losses that were evaluated, without the padding of joined tables."""
    part = dataset["tuning_log_loss"].sel(setting=setting, optimizer=optimizer)
    part = part.dropna("tuning_seed", how="all").dropna("learning_rate", how="all")
    return part["learning_rate"].values, part.values


def _is_tuned(dataset: xr.Dataset, setting: str) -> bool:
    return not bool(dataset["at_edge"].sel(setting=setting, optimizer=list(_OPTIMIZERS)).any())


def _if(condition: bool, measurement: Measurement) -> Measurement:
    return measurement if condition else replace(measurement, outcome=Outcome.UNDECIDED)


def _on_edges(part: xr.Dataset) -> Iterator[str]:
    added, name = int(part["grid_points_added"]), f"{part['setting'].item()}, {part['optimizer'].item()}"
    if added:
        still = ", where it still lies: the rate is not tuned." if bool(part["at_edge"]) else "."
        yield f"{name}: the best rate lay at the edge of the grid, so {added} points were added there{still}"


def _on_margin(dataset: xr.Dataset) -> str:
    rates, losses = _tuning(dataset, SMALL, "SGD")
    best, means = _rate(dataset, SMALL, "SGD"), losses.mean(axis=1)
    costs = [means[np.isclose(rates, factor * best)] - means[rates == best] for factor in (0.5, 2.0)]
    low, high = (f"{float(cost[0]):.2g}" if len(cost) else "an unmeasured amount" for cost in costs)
    return (
        f"The margin in the log loss, {LOSS_MARGIN:g}, in perspective: on the tuning seeds half the tuned rate costs "
        f"SGD {low} and twice the rate {high}."
    )


def _on_interpolation(dataset: xr.Dataset) -> str:
    found = negative("", _differences(dataset, INTERPOLATING, "log_loss"), "")
    sides = {Outcome.SUPPORTED: "SGDM is ahead", Outcome.NOT_SUPPORTED: "SGD is ahead"}
    sgd, sgdm = (f"{_rate(dataset, INTERPOLATING, optimizer):.3g} ({optimizer})" for optimizer in _OPTIMIZERS)
    return (
        "Without the penalty the network can fit every example, the gradient noise then dies out, and larger "
        f"rates are best at batch 16: {sgd} and {sgdm}. There the log training loss of SGDM minus that of SGD is "
        f"{found.value:.3g} [{found.interval[0]:.3g}, {found.interval[1]:.3g}]: "
        f"{sides.get(found.outcome, 'the pairs do not decide')}. The claim does not speak of this case."
    )
