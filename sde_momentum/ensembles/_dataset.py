"""From merged moments to a labelled data set."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sde_momentum.ensembles._block_moments import MomentPlan
from sde_momentum.ensembles._grid import TimeGrid
from sde_momentum.ensembles._merge import Moments
from sde_momentum.ensembles._observables import Observables

if TYPE_CHECKING:
    import xarray as xr


def to_dataset(
    moments: Moments, grid: TimeGrid, observables: Observables, plan: MomentPlan, provenance: Mapping[str, Any]
) -> "xr.Dataset":
    """Estimates and their standard errors, with everything needed to repeat them.

    Args:
        moments: Merged moments, leading axis the save times.
        grid: The times.
        observables: Labels of the components.
        plan: What was accumulated.
        provenance: Anything JSON can hold; stored as one string, since netCDF attributes know neither `None` nor dicts.
    """
    import xarray as xr  # with pandas a fifth of what a short run would spend on imports

    dims = ("time", "observable")
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        variables = {name: (dims, array) for name, array in _estimates(moments).items()}
        if plan.covariance:
            degrees = np.maximum(moments["count"] - 1.0, 0.0)[:, None, None]
            variables["covariance"] = ((*dims, "observable_other"), moments["cross"] / degrees)
    variables |= {name: (("time",), moments[name]) for name in ("count", "diverged")}
    variables["undefined"] = (dims, moments["undefined"])
    labels = np.array(observables.labels, dtype=object)
    coords: dict[str, Any] = {
        "time": np.array(grid.times),
        "observable": labels,
        "name": ("observable", np.array(observables.owners, dtype=object)),
        "component": ("observable", np.array(observables.components)),
    }
    if plan.covariance:
        coords["observable_other"] = labels
    for name, start, stop, edges in plan.histograms:
        shape = (f"component_{name}", f"bin_{name}")
        variables[f"histogram_{name}"] = (("time", *shape), moments[f"histogram_{name}"])
        coords[f"component_{name}"] = np.arange(stop - start)
        coords[f"bin_{name}_lower"] = (shape[1], np.array([-np.inf, *edges]))
        coords[f"bin_{name}_upper"] = (shape[1], np.array([*edges, np.inf]))
    attributes = {
        "status": _status(moments, grid, observables, plan),
        "provenance": json.dumps(provenance, default=str),
    }
    return xr.Dataset(variables, coords, attributes)


def _estimates(moments: Moments) -> dict[str, np.ndarray]:
    """Unbiased estimates of the first moments; NaN where there are too few paths.

    The standard error of the variance is √((μ₄ − σ⁴(n−3)/(n−1))/n) with the moments estimated.
    """
    n = moments["count"][:, None].astype(np.float64)
    variance = np.where(n > 1, moments["m2"] / (n - 1), np.nan)
    third = np.where(n > 2, moments["m3"] * n / ((n - 1) * (n - 2)), np.nan)
    fourth = np.where(n > 3, _fourth(moments, n), np.nan)
    spread = fourth - variance**2 * (n - 3) / (n - 1)
    return {
        "mean": np.where(n > 0, moments["mean"], np.nan),
        "standard_error": np.sqrt(variance / n),
        "variance": variance,
        "variance_standard_error": np.sqrt(np.where(spread < 0, 0.0, spread) / n),
        "third_central_moment": third,
        "fourth_central_moment": fourth,
    }


def _fourth(moments: Moments, n: np.ndarray) -> np.ndarray:
    """Unbiased fourth central moment (the h-statistic h₄)."""
    second, fourth = moments["m2"] / n, moments["m4"] / n
    return (-3 * n * (2 * n - 3) * second**2 + n * (n**2 - 2 * n + 3) * fourth) / ((n - 3) * (n - 2) * (n - 1))


def _status(moments: Moments, grid: TimeGrid, observables: Observables, plan: MomentPlan) -> str:
    """What a reader must know before using the numbers."""
    remarks = []
    last = int(moments["diverged"].max())
    if last:
        first = grid.times[int(np.argmax(moments["diverged"] > 0))]
        paths = (
            int(moments["count"].max())
            if not plan.drop_diverged
            else int((moments["count"] + moments["diverged"]).max())
        )
        fate = (
            "left out of the moments"
            if plan.drop_diverged
            else "so the moments are not finite; drop_diverged=True leaves them out"
        )
        remarks.append(f"{last} of {paths} paths diverged, the first by time {first:g}: {fate}")
    for row in np.flatnonzero(moments["undefined"].any(axis=0)):
        number = int(moments["undefined"][:, row].max())
        remarks.append(f"observable {observables.labels[row]} was not finite on {number} paths whose state was")
    return "; ".join(remarks) or "every path stayed finite"
