"""The figure of the closeness claim."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from sde_momentum.claims.equations._closeness_study import DISTANCE, LOSS


def figure(dataset: xr.Dataset) -> Any:
    """|E L(x) − E L(z)| and the root mean square distance over η, log–log, with the promised slopes."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")
    for study in dataset["study"].values:
        part = dataset.sel(study=study)
        weak, strong = part.sel(quantity=LOSS), part.sel(quantity=DISTANCE)
        root = np.sqrt(strong["error"].values)
        _series(axes[0], part, np.abs(weak["error"].values), weak["standard_error"].values)
        _series(axes[1], part, root, strong["standard_error"].values / (2 * root))
    titles = ("in law: $|E\\,L(x_k) - E\\,L(z_k)|$", "path by path: $(E\\,|x_k - z_k|^2)^{1/2}$")
    slopes = ({1: "η", 0.5: "√η"}, {0.5: "√η", 0.25: "$η^{1/4}$"})
    for axis, title, promised in zip(axes, titles, slopes, strict=True):
        axis.set(xscale="log", yscale="log", xlabel="learning rate η", title=title)
        _slopes(axis, promised)
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small", frameon=False)
    return fig


def _series(axis: Any, part: xr.Dataset, values: np.ndarray, deviations: np.ndarray) -> None:
    """Color for the momentum, filled markers for exact values, open ones with error bars for sampled values."""
    color = {0.0: "C0", 0.5: "C1"}.get(float(part["momentum_index"]), "0.4")
    sampled = bool(np.any(deviations > 0))
    style = {"fmt": "o--", "mfc": "white"} if sampled else {"fmt": "s-"}
    axis.errorbar(
        part["learning_rate"].values,
        values,
        deviations,
        ms=4,
        lw=1,
        color=color,
        label=str(part["study"].values),
        **style,
    )


def _slopes(axis: Any, slopes: Mapping[float, str]) -> None:
    """Reference slopes from the right edge, labelled where they leave the axes on the left or below."""
    from matplotlib.ticker import LogLocator

    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    top = 0.6 * high
    for slope, name in slopes.items():
        axis.plot([left, right], [top * (left / right) ** slope, top], color="0.75", lw=0.8, zorder=0)
        height = max(top * (left / right) ** slope, low) * (high / low) ** 0.05
        place = right * (height / top) ** (1 / slope)
        axis.annotate(
            name, (place, height), (-2, 1), textcoords="offset points", fontsize="small", color="0.4", ha="right"
        )
    axis.set(xlim=(left, right), ylim=(low, high))
    if high < 100 * low:  # fewer than two decades: powers of ten alone are too few marks
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("")
