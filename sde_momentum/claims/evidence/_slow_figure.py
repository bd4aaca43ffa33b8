"""The figure of a claim over O(1/η²) steps: the slow law over time, and how it is met as η → 0."""

from typing import Any

import numpy as np
import xarray as xr

from sde_momentum.claims.evidence._slow_study import limit_of, names_of

_MARKERS = "os^D"


def slow_figure(dataset: xr.Dataset, ylabel: str, law: str, wrong: str) -> Any:
    """Left: the smallest learning rate against the law and a wrong law. Right: the end over η, with the limit at η = 0.

    Args:
        dataset: of `sample_chains`, with `law` and `wrong` over `fine_time`.
        ylabel: name of the observable.
        law: label of the law.
        wrong: label of the wrong one.
    """
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
    draw_law(left, dataset, law, wrong)
    draw_samples(left, dataset)
    left.set(xlabel="τ = kη²", ylabel=ylabel)
    left.legend(fontsize="small", frameon=False)
    draw_limit(right, dataset)
    right.set(xlabel="learning rate η", ylabel=f"{ylabel} at τ = {float(dataset['time'][-1]):g}")
    return fig


def draw_law(axis: Any, dataset: xr.Dataset, law: str, wrong: str) -> None:
    """The law as a black line and the wrong one dashed."""
    axis.plot(dataset["fine_time"], dataset["law"], "k-", lw=1, label=law, zorder=1)
    axis.plot(dataset["fine_time"], dataset["wrong"], "--", color="0.6", lw=1, label=f"{wrong} (control)", zorder=0)


def draw_samples(axis: Any, dataset: xr.Dataset, position: int = -1) -> None:
    """Means at one learning rate, the last one by default, ± 5 standard errors."""
    part = dataset.isel(learning_rate=position)
    rate = float(part["learning_rate"])
    for number, name in enumerate(names_of(dataset)):
        one = part.sel(optimizer=name)
        style = {"fmt": _MARKERS[number], "color": f"C{number}", "ms": 4, "capsize": 2, "lw": 1}
        axis.errorbar(one["time"], one["mean"], 5 * one["standard_error"], label=f"{name}, η = {rate:g}", **style)


def draw_limit(axis: Any, dataset: xr.Dataset) -> None:
    """Values at the end over the learning rates, the curve through them, and the law at η = 0 as a star."""
    rates = dataset["learning_rate"].values
    fine = np.linspace(0, rates.max(), 50)
    for number, name in enumerate(names_of(dataset)):
        part = dataset.sel(optimizer=name).isel(time=-1)
        style = {"color": f"C{number}", "ms": 4, "capsize": 2, "lw": 1}
        axis.errorbar(rates, part["mean"], 5 * part["standard_error"], fmt=_MARKERS[number], label=name, **style)
        axis.plot(fine, np.polyval(np.polyfit(rates, part["mean"], len(rates) - 1), fine), color=f"C{number}", lw=0.8)
        value, error = limit_of(dataset, name)
        axis.errorbar([0], [value], [5 * error], fmt=_MARKERS[number], mfc="white", **style)
    axis.plot([0], dataset["law"].values[-1:], "k*", ms=8, label="law", zorder=3)
    axis.legend(fontsize="small", frameon=False)
