"""Figures of comparisons, with the conventions of papers."""

from typing import Any

import numpy as np


def plot_study(study: Any, axes: Any = None) -> Any:
    """|error| over η, log–log: markers with one standard error, fitted curves, and a triangle of the claimed slope."""
    import matplotlib.pyplot as plt

    axes = plt.subplots(figsize=(4.2, 3.2), layout="constrained")[1] if axes is None else axes
    rates = study.dataset["learning_rate"].values
    for number, (name, fit) in enumerate(study.orders.items()):
        errors = np.abs(study.dataset["error"].sel(observable=name).values)
        deviations = study.dataset["standard_error"].sel(observable=name).values
        color = f"C{number}"
        label = f"{name}: {fit.order:.2f}" if np.isfinite(fit.order) else f"{name}: {fit.obstacle}"
        axes.errorbar(rates, errors, deviations, fmt="o", ms=4, capsize=2, color=color, label=label)
        if np.isfinite(fit.order):
            fine = np.geomspace(rates.min(), rates.max(), 60)
            axes.plot(fine, np.abs(fit.predict(fine)), color=color, lw=1)
        if np.any(deviations > 0):
            axes.plot(rates, deviations, ":", color=color, lw=0.8)
    _slope_triangle(axes, rates, study)
    axes.set(xscale="log", yscale="log", xlabel="learning rate η", ylabel="|weak error|")
    axes.legend(fontsize="small", title="observable: fitted order", title_fontsize="small")
    return axes


def _slope_triangle(axes: Any, rates: np.ndarray, study: Any) -> None:
    """A triangle of the claimed slope under the smallest errors."""
    slope = study.claimed_order
    left, right = rates.min(), np.sqrt(rates.min() * rates.max())
    errors = np.abs(study.dataset["error"].values)
    base = 0.35 * errors[-1][errors[-1] > 0].min() if np.any(errors[-1] > 0) else 1.0
    top = base * (right / left) ** slope
    axes.plot([left, right, right, left], [base, base, top, base], color="0.4", lw=0.8)
    axes.annotate(f"{slope:g}", (right, np.sqrt(base * top)), xytext=(3, 0), textcoords="offset points", va="center")
