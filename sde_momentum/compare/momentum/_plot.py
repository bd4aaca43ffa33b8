"""The figure of the momentum-index study."""

from typing import Any

import numpy as np


def plot_momentum_index(study: Any, axes: Any = None) -> Any:
    """Fitted orders of weak and strong distance over α with their intervals, and the bound (1 − α)/2.

    Args:
        study: a `MomentumIndexStudy`.
        axes: matplotlib axes; new ones when omitted.
    """
    import matplotlib.pyplot as plt

    axes = plt.subplots(figsize=(4.6, 3.4), layout="constrained")[1] if axes is None else axes
    indices = np.array([float(index) for index in study.orders])
    fine = np.linspace(0, indices.max(), 200)
    axes.plot(fine, np.maximum((1 - fine) / 2, 0), "k--", lw=1, label=r"bound $(1-\alpha)/2$")
    axes.plot(fine, np.maximum(1 - fine, 0), ":", color="0.5", lw=1, label=r"$1-\alpha$")
    for number, (name, of) in enumerate((("strong", study.strong_order), ("weak, slowest", study.weak_order))):
        fits = [of(index) for index in study.orders]
        order = np.array([fit.order for fit in fits])
        below, above = (np.array([abs(fit.interval[side] - fit.order) for fit in fits]) for side in (0, 1))
        axes.errorbar(indices, order, [below, above], fmt="os"[number], ms=5, capsize=3, color=f"C{number}", label=name)
    axes.set(xlabel=r"momentum index $\alpha$,  $1-\beta=\lambda\eta^\alpha$", ylabel="order in the learning rate")
    axes.legend(fontsize="small")
    return axes
