"""Figure of the claim on tuned optimizers: tuning curves, and paired differences against the margins."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from sde_momentum.claims.evidence._paired_measurement import interval, paired_differences

_COLORS = {"SGD": "C0", "SGDM": "C1"}


def figure(dataset: xr.Dataset) -> Any:
    """Above: final training loss over the learning rate. Below: differences on fresh pairs, margins shaded."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(2, 2, figsize=(9, 6.2), layout="constrained")
    settings = [str(name) for name in dataset["setting"].values]
    _tuning_curves(axes[0, 0], dataset, settings[:2])
    _tuning_curves(axes[0, 1], dataset, settings[2:])
    loss_margin, accuracy_margin = (float(dataset.attrs[f"{name}_margin"]) for name in ("loss", "accuracy"))
    _differences(axes[1, 0], dataset["log_loss"], loss_margin)
    axes[1, 0].set_xscale("symlog", linthresh=0.1)
    axes[1, 0].set_xticks([-1, -0.1, -0.05, 0, 0.05, 0.1, 1], ["−1", "−.1", "−.05", "0", ".05", ".1", "1"])
    axes[1, 0].set_xlabel("Δ log training loss (linear within ±0.1)")
    _differences(axes[1, 1], 100 * dataset["test_accuracy"], 100 * accuracy_margin)
    axes[1, 1].set_xlabel("Δ test accuracy (percentage points)")
    axes[1, 1].set_yticklabels([])
    return fig


def _tuning_curves(axis: Any, dataset: xr.Dataset, settings: Sequence[str]) -> None:
    """Final losses of each setting and optimizer; a ring marks the tuned rate."""
    lowest = np.inf
    for line, setting in zip(("-", "--"), settings, strict=False):
        for optimizer, color in _COLORS.items():
            rates, losses, errors = _curve(dataset, setting, optimizer)
            axis.plot(rates, losses, color=color, ls=line, lw=1, ms=3, marker="o", label=f"{optimizer}, {setting}")
            sure = errors < losses  # where some seeds diverge, a bar would say no more than the point
            axis.errorbar(rates[sure], losses[sure], errors[sure], color=color, fmt="none", lw=1)
            tuned = rates == float(dataset["rate"].sel(setting=setting, optimizer=optimizer))
            axis.plot(rates[tuned], losses[tuned], "o", ms=9, mfc="none", color=color)
            lowest = min(lowest, float(losses.min(initial=np.inf)))
    axis.set(xscale="log", yscale="log", xlabel="learning rate η (EMA form)", ylabel="final training loss")
    if np.isfinite(lowest):
        axis.set_ylim(0.85 * lowest, 40 * lowest if lowest < 0.02 else 3 * lowest)
        _plain_ticks(axis)
        axis.legend(fontsize="x-small", frameon=False)


def _curve(dataset: xr.Dataset, setting: str, optimizer: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rates that did not diverge, geometric means of the loss over tuning seeds, and their standard errors."""
    part = dataset["tuning_log_loss"].sel(setting=setting, optimizer=optimizer)
    part = part.dropna("tuning_seed", how="all").dropna("learning_rate", how="all")
    part = part[np.isfinite(part.values).all(axis=1)]
    losses = np.exp(part.values.mean(axis=1))
    errors = losses * part.values.std(axis=1, ddof=1) / np.sqrt(part.sizes["tuning_seed"])
    return part["learning_rate"].values, losses, errors


def _plain_ticks(axis: Any) -> None:
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    for side, locator in ((axis.xaxis, LogLocator(2)), (axis.yaxis, LogLocator(10, (1, 1.5, 2, 3, 5)))):
        side.set_major_locator(locator)
        side.set_minor_locator(NullLocator())
        side.set_major_formatter(StrMethodFormatter("{x:g}"))


def _differences(axis: Any, values: xr.DataArray, margin: float) -> None:
    """One row a comparison with SGD: every pair, the mean and its interval."""
    rows = {}
    for setting in values["setting"].values:
        for optimizer in values["optimizer"].values[1:]:
            differences = paired_differences(values.sel(setting=setting), optimizer, "SGD")
            if len(differences):
                rows[f"{setting}\n{optimizer} − SGD"] = differences
    axis.axvspan(-margin, margin, color="0.88", zorder=0)
    axis.axvline(0, color="0.6", lw=0.8, zorder=0)
    for number, differences in enumerate(rows.values()):
        axis.plot(differences, number + 0.25 * np.linspace(-1, 1, len(differences)), ".", ms=2.5, color="0.65")
        mean, low, high = interval(differences)
        axis.errorbar(mean, number, xerr=[[mean - low], [high - mean]], fmt="o", ms=4, capsize=3, color="k")
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_yticks(range(len(rows)), rows, fontsize="small")
