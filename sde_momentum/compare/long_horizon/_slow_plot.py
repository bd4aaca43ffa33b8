"""Figures of the studies on the slow clock."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from sde_momentum.compare.orders._order_fit import OrderFit
from sde_momentum.compare.orders._verdict import Verdict

_MARKERS = "os^v"
_LABEL = 38.0  # Points that tick labels and the label of the axis take.


def plot_slow_study(study: Any, name: str, axes: Any = None) -> Any:
    """E f over slow time with the slow equation, and |error| over the learning rate.

    Args:
        study: a `SlowWeakError`.
        name: of the observable.
        axes: two matplotlib axes; new ones when omitted.
    """
    import matplotlib.pyplot as plt

    if axes is None:
        axes = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")[1]
    data = study.dataset.sel(observable=name)
    _over_time(axes[0], data, name)
    _over_rates(axes[1], data, name, {rule: study.orders[rule, name] for rule in map(str, data["rule"].values)})
    return axes


def legend_below(axes: Any, columns: int = 2) -> None:
    """A legend under the axes and their label, where it covers no curve."""
    from matplotlib.transforms import ScaledTranslation

    # In points, not in parts of the axes, which a long legend makes low.
    below = axes.transAxes + ScaledTranslation(0, -_LABEL / 72, axes.figure.dpi_scale_trans)
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "bbox_transform": below, "borderaxespad": 0.0}
    axes.legend(fontsize="x-small", ncols=columns, frameon=False, **place)


def shades(count: int) -> np.ndarray:
    """Opacities of learning rates, the last one full."""
    return np.linspace(0.3, 1.0, count) if count > 1 else np.ones(1)


def _over_time(axes: Any, data: xr.Dataset, name: str) -> None:
    times = np.concatenate([[0.0], data["time"].values])
    for number, rule in enumerate(data["rule"].values):
        rates = data["learning_rate"].values
        # Rules may have slow equations of their own.
        slow = data["slow"].sel(rule=rule).isel(learning_rate=-1).values
        if not number or not np.allclose(slow, data["slow"].isel(rule=0, learning_rate=-1), rtol=1e-3):
            label = "slow equation" if not number else f"slow equation of {rule}"
            style = "k-" if not number else f"C{number}--"
            axes.plot(times, np.concatenate([[float(data["start"])], slow]), style, lw=1, label=label)
        for shade, rate in zip(shades(len(rates)), rates, strict=True):
            part = data.sel(rule=rule, learning_rate=rate)
            style = {"fmt": _MARKERS[number % 4], "ms": 3, "color": f"C{number}", "alpha": shade, "capsize": 2}
            label = f"{rule}, η = {rate:g}"
            axes.errorbar(times[1:], part["discrete"], 2 * part["discrete_standard_error"], label=label, **style)
    axes.set(xlabel="τ = kη²", ylabel=f"E {name}")
    legend_below(axes)


def _over_rates(axes: Any, data: xr.Dataset, name: str, fits: Mapping[str, OrderFit]) -> None:
    from matplotlib.ticker import NullLocator

    rates = data["learning_rate"].values
    for number, (rule, fit) in enumerate(fits.items()):
        last = data.sel(rule=rule).isel(time=-1)
        size, bar = np.abs(last["error"].values), 2 * last["standard_error"].values
        # A bar that reaches zero has no lower end on a logarithmic axis.
        bars = [np.minimum(bar, 0.95 * size), bar]
        # Where noise hides the order, a curve through the points would say what they do not.
        seen = bool(np.isfinite(fit.order)) and fit.verdict is not Verdict.MONTE_CARLO_FLOOR
        order = f"order {fit.order:.2f} [{fit.interval[0]:.2f}, {fit.interval[1]:.2f}]" if seen else str(fit.verdict)
        style = {"fmt": _MARKERS[number % 4], "ms": 4, "capsize": 2, "color": f"C{number}"}
        axes.errorbar(rates, size, bars, label=f"{rule}: {order}", **style)
        if seen:
            fine = np.geomspace(rates.min(), rates.max(), 60)
            axes.plot(fine, np.abs(fit.predict(fine)), color=f"C{number}", lw=0.8)
    axes.set(xscale="log", yscale="log", xlabel="learning rate η", ylabel=f"|error of E {name}|")
    shown = rates if len(rates) <= 6 else rates[:: -(-len(rates) // 6)]
    axes.set_xticks(shown, [f"{rate:.3g}" for rate in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    legend_below(axes, columns=1)


def plot_time_scales(dataset: xr.Dataset, name: str, axes: Any = None) -> Any:
    """Errors of both descriptions over the exponent γ in k = η^{−γ}, a shade a learning rate.

    Args:
        dataset: of a `TimeScales`.
        name: of the observable.
        axes: matplotlib axes; new ones when omitted.
    """
    import matplotlib.pyplot as plt

    axes = plt.subplots(figsize=(5.6, 4.2), layout="constrained")[1] if axes is None else axes
    data = dataset.sel(observable=name)
    rates = data["learning_rate"].values
    for key, color, label in (("fast_error", "C0", "gradient flow, t = kη"), ("slow_error", "C3", "slow, τ = kη²")):
        for shade, rate in zip(shades(len(rates)), rates, strict=True):
            part = data.sel(learning_rate=rate)
            error = 2 * np.hypot(part["standard_error"], part["slow_standard_error"] if key[0] == "s" else 0.0).values
            style = {"fmt": "o-", "ms": 3, "color": color, "alpha": shade, "capsize": 2}
            bars = [np.minimum(error, 0.95 * part[key].values), error]
            axes.errorbar(part["exponent"], part[key], bars, label=f"{label}, η = {rate:g}", **style)
    axes.set(yscale="log", xlabel=r"$\gamma$, number of steps $\propto \eta^{-\gamma}$", ylabel=f"|error of E {name}|")
    legend_below(axes)
    return axes
