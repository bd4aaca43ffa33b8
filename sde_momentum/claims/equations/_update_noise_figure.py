"""The figure of the claim on the noise of updates and paths."""

from typing import Any

import numpy as np
import xarray as xr

_COLORS = {"update": "C1", "path": "C0"}
_NAMES = {"update": "update: Var $m_k$ / Var $g_k$", "path": "path: Var $x_k$ / Var $z_k$"}


def figure(dataset: xr.Dataset) -> Any:
    """Both ratios of variances over the number of steps, sampled ± 5 standard errors, and their limits."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained", sharex=True, sharey=True)
    titles = {"linear": "linear loss", "logistic": "logistic regression, minibatches"}
    beta = float(dataset.attrs["momentum"])
    for axis, problem in zip(axes, ("linear", "logistic"), strict=True):
        for kind, level in (("path", 1.0), ("update", (1 - beta) / (1 + beta))):
            _sampled(axis, dataset.sel(problem=problem, kind=kind), kind)
            axis.axhline(level, color=_COLORS[kind], lw=0.8, ls=":", zorder=0)
            if problem == "linear":
                exact = dataset["exact_ratio"].sel(kind=kind)
                axis.plot(dataset["exact_step"], exact, color=_COLORS[kind], lw=1, label=f"{_NAMES[kind]}, exact")
        axis.set(xscale="log", yscale="log", xlabel="steps k", title=titles[problem])
    axes[0].set(ylabel="SGDM / SGD", xlim=(4, 1500), ylim=(0.02, 2.0))
    for kind, level, name in (("path", 1.0, "1"), ("update", (1 - beta) / (1 + beta), "(1 − β)/(1 + β)")):
        axes[1].annotate(name, (1400, 1.06 * level), fontsize="small", color=_COLORS[kind], ha="right")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    return fig


def _sampled(axis: Any, part: xr.Dataset, kind: str) -> None:
    there = np.isfinite(part["ratio"].values)
    axis.errorbar(
        part["step"].values[there],
        part["ratio"].values[there],
        5 * part["ratio_standard_error"].values[there],
        fmt="o",
        ms=4,
        lw=1,
        capsize=2,
        color=_COLORS[kind],
        label=f"{_NAMES[kind]}, sampled",
    )
