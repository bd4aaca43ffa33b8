"""Figures of comparisons, with the conventions of papers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from sde_momentum.compare.orders._order_fit import OrderFit
from sde_momentum.compare.orders._verdict import Verdict

# Standard errors below this fraction of the smallest error are not drawn as a floor.
_VISIBLE = 0.2


def plot_study(
    dataset: xr.Dataset, orders: Mapping[str, OrderFit], axes: Any = None, *, claimed_order: float | None = None,
    label: str = "|weak error|",
) -> Any:  # fmt: skip
    """|error| over η at the last time, log–log.

    Markers with one standard error (kept above zero), the fitted curve where there is an order, crosses for the
    solver's bias where that is the verdict, the noise floor as a shaded band up to the largest standard error, and gray
    lines of the claimed slope and the next lower one.

    Args:
        dataset: over `learning_rate`, `observable` and `time`, with `error` and `standard_error`.
        orders: observable → fit.
        axes: matplotlib axes; new ones when omitted.
        claimed_order: slope of the reference lines; none are drawn without it.
        label: of the vertical axis.
    """
    import matplotlib.pyplot as plt

    axes = plt.subplots(figsize=(4.8, 3.6), layout="constrained")[1] if axes is None else axes
    if not hasattr(axes, "errorbar"):
        raise TypeError(f"`axes` must be one matplotlib Axes, got {type(axes).__name__}.")
    axes.set(xscale="log", yscale="log", xlabel="learning rate η", ylabel=label)
    last = dataset.isel(time=-1)
    rates = last["learning_rate"].values
    for number, (name, fit) in enumerate(orders.items()):
        one = last.sel(observable=name)
        _draw_observable(axes, rates, one["error"].values, one["standard_error"].values, name, fit, f"C{number}")
        if fit.obstacle is Verdict.SOLVER_BIAS:
            axes.plot(rates, np.abs(one["solver_bias"].values), "x", ms=4, color=f"C{number}")
    if any(fit.obstacle is Verdict.SOLVER_BIAS for fit in orders.values()):
        axes.plot([], [], "x", ms=4, color="0.3", label="the solver's bias")
    errors, deviations = np.abs(last["error"].values), last["standard_error"].values
    positive = errors[errors > 0]
    if len(positive):
        _noise_floor(axes, rates, deviations, positive.min())
        if claimed_order is not None:
            _reference_slopes(axes, rates, errors, claimed_order, dataset.attrs.get("remainder_exponent", 1.0))
        _limits(axes, rates, positive, deviations)
    _ticks(axes, rates)
    axes.legend(fontsize="x-small", title="observable: fitted order", title_fontsize="x-small", loc="best")
    return axes


def _draw_observable(axes, rates, errors, deviations, name, fit, color) -> None:
    size = np.abs(errors)
    # A bar that reaches zero has no lower end on a logarithmic axis.
    below = np.minimum(deviations, 0.95 * size)
    answered = fit.obstacle is None
    low, high = fit.interval
    told = f"{fit.order:.2f} [{low:.2f}, {high:.2f}]" if answered else ""
    unanswered = fit.verdict is not None and not fit.verdict.is_answer
    text = f"{name}: {', '.join(filter(None, [told, str(fit.verdict) if unanswered else '']))}"
    axes.errorbar(rates, size, [below, deviations], fmt="o", ms=4, lw=1, capsize=2.5, color=color, label=text)
    if answered:
        fine = np.geomspace(rates.min(), rates.max(), 60)
        axes.plot(fine, np.abs(fit.predict(fine)), color=color, lw=1)


def _noise_floor(axes, rates, deviations, smallest) -> None:
    """What is below the largest standard error cannot be seen; a floor far below the errors is left out."""
    level = deviations.max(axis=1)
    if level.max() > _VISIBLE * smallest:
        axes.fill_between(rates, level, 1e-300, color="0.88", lw=0, zorder=0, label="one standard error")


def _reference_slopes(axes, rates, errors, claimed, grade) -> None:
    """Dashed lines of the claimed slope, and of the next lower one, through a point above the largest error."""
    right, top = rates.max(), 2.0 * errors.max()
    left = rates.min()
    for slope, style in ((claimed, "--"), (claimed - grade, ":")):
        if slope <= 0:
            continue
        axes.plot([left, right], [top * (left / right) ** slope, top], style, color="0.45", lw=0.9, zorder=1)
        middle = np.sqrt(left * right)
        # Below the line and to its right: above and to its left is where the legend goes.
        axes.annotate(f"slope {slope:g}", (middle, top * (middle / right) ** slope), xytext=(3, -2),
                      textcoords="offset points", fontsize="x-small", color="0.35", ha="left", va="top")  # fmt: skip


def _limits(axes, rates, positive, deviations) -> None:
    """Room for the points; a floor far below them is cut off."""
    seen = np.concatenate([positive, deviations[deviations > _VISIBLE * positive.min()]])
    axes.set_ylim(0.3 * seen.min(), 5.0 * positive.max())
    axes.set_xlim(rates.min() / 1.25, rates.max() * 1.25)


def _ticks(axes, rates) -> None:
    """Labels at the learning rates themselves, and nowhere else: the usual ones of a short logarithmic axis overlap."""
    from matplotlib.ticker import FixedLocator, LogFormatterSciNotation, NullFormatter

    shown = rates if len(rates) <= 6 else rates[:: -(-len(rates) // 6)]
    axes.xaxis.set_major_locator(FixedLocator(np.sort(shown)))
    axes.xaxis.set_major_formatter(lambda value, position: f"{value:.3g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(FixedLocator([]))
    low, high = axes.get_ylim()
    if high / low >= 100:
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_minor_formatter(LogFormatterSciNotation(minor_thresholds=(np.inf, np.inf)))


def plot_legs(dataset: xr.Dataset, name: str, axes: Any = None) -> Any:
    """|error| of each leg of a telescope over η, log–log, with one standard error; the legend says which are zero.

    Args:
        dataset: over `leg` and `learning_rate`, with `error` and `standard_error`.
        name: the observable, for the label.
        axes: matplotlib axes; new ones when omitted.
    """
    import matplotlib.pyplot as plt

    axes = plt.subplots(figsize=(4.8, 3.6), layout="constrained")[1] if axes is None else axes
    axes.set(xscale="log", yscale="log", xlabel="learning rate η", ylabel=f"|error of E {name}|")
    rates = dataset["learning_rate"].values
    for number, leg in enumerate(dataset["leg"].values):
        size, deviation = np.abs(dataset["error"].sel(leg=leg).values), dataset["standard_error"].sel(leg=leg).values
        if not np.any(size) and not np.any(deviation):
            axes.plot([], [], " ", label=f"{leg}: exactly zero")
            continue
        below = np.minimum(deviation, 0.95 * size)
        axes.errorbar(rates, size, [below, deviation], fmt="os^"[number] + "-", ms=4, lw=1, capsize=2.5, label=str(leg))
    _ticks(axes, rates)
    axes.legend(fontsize="x-small")
    return axes
