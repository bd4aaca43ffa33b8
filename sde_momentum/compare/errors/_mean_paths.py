"""An optimizer and its equations over time, side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from sde_momentum.dynamics import chain, sde
from sde_momentum.ensembles import simulate
from sde_momentum.problems import AbstractProblem
from sde_momentum.symbolic import Limit, UpdateRule

_SUBSTEPS = 8  # of an equation within one step of the optimizer


@dataclass(frozen=True, eq=False)
class MeanPaths:
    """Mean paths of a rule and of its limits; made by `mean_paths`.

    Attributes:
        dataset: `mean` and `standard_error` over `process` (the rule's name, then `order 1` and so on), `time` and
            `observable`.
    """

    dataset: xr.Dataset

    @property
    def gaps(self) -> xr.DataArray:
        """The largest distance of an equation's mean from the optimizer's, over `process` and `observable`."""
        mean = self.dataset["mean"]
        return abs(mean.isel(process=slice(1, None)) - mean.isel(process=0, drop=True)).max("time")

    def __str__(self) -> str:
        rule = self.dataset["process"].values[0]
        lines = [f"largest gaps between {rule} and its equations, until t = {float(self.dataset['time'][-1]):g}"]
        for process, row in zip(self.gaps["process"].values, self.gaps.values, strict=True):
            values = (f"{name} {gap:.4g}" for name, gap in zip(self.gaps["observable"].values, row, strict=True))
            lines.append(f"  {process}: " + ", ".join(values))
        return "\n".join([*lines, f"  (standard errors up to {float(self.dataset['standard_error'].max()):.2g})"])

    def plot(self, axes: Any = None) -> Any:
        """Draw one panel an observable: dots with one standard error for the optimizer, lines for the equations.

        Args:
            axes: an array of matplotlib axes, one an observable; new ones when omitted.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not installed; it comes with the extra `claims`.
        """
        import matplotlib.pyplot as plt

        names = self.dataset["observable"].values
        if axes is None:
            axes = plt.subplots(1, len(names), figsize=(4.5 * len(names), 3.5), layout="constrained", squeeze=False)[1][
                0
            ]
        for axis, name in zip(axes, names, strict=True):
            rule, *equations = (self.dataset.sel(process=p, observable=name) for p in self.dataset["process"].values)
            for equation in equations:
                axis.plot(equation["time"], equation["mean"], label=f"equation, {equation['process'].item()}")
            error = rule["standard_error"]
            axis.errorbar(rule["time"], rule["mean"], error, fmt="ko", ms=4, label=rule["process"].item())
            axis.set(xlabel="time t", ylabel=f"mean of {name}")
        axes[0].legend()
        return axes


def mean_paths(
    rule: UpdateRule,
    limits: Sequence[Limit],
    problem: AbstractProblem,
    x0: PyTree[Any],
    *,
    t1: float,
    num_paths: int,
    seed: int,
    saves: int = 10,
    observables: Mapping[str, Callable[[dict], Any]] | None = None,
    progress: bool = False,
    **hyperparameters: float,
) -> MeanPaths:
    r"""Run a rule and limits of it at one learning rate, and follow the means.

    A picture, not a judgment: whether a gap closes as fast as claimed is what `weak_error` measures.

    Args:
        rule: the optimizer.
        limits: limits of it under one regime.
        problem: loss and gradient noise.
        x0: parameters of one replica, or a dict with a start for every variable, in the scale of the limit.
        t1: end, in units of the regime's clock, a whole number of steps.
        num_paths: paths of each process.
        seed: of all random numbers.
        saves: number of times, evenly spaced.
        observables: name → function of one replica's state in the variables and the scale of the limit, with real
            scalar values. By default every variable of the limits, averaged over its components.
        progress: show bars on standard error.
        **hyperparameters: as in `chain` and `sde`, `learning_rate` among them.

    Returns:
        A `MeanPaths`. Equations are integrated by Euler's method with an eighth of the optimizer's step.

    Raises:
        ValueError: there is no limit, one is of another rule or regime, or an argument does not suit the ensembles.

    Example:
        >>> import sde_momentum as sm
        >>> rule = sm.optimizers.sgd()
        >>> limits = [sm.modified_equation(rule, order=order) for order in (1, 2)]
        >>> setting = {"t1": 2.0, "num_paths": 64, "seed": 0, "learning_rate": 0.4}
        >>> paths = mean_paths(rule, limits, sm.problems.quadratic(1.0, noise=0.0), 1.0, saves=5, **setting)
        >>> [round(float(gap), 2) for gap in paths.gaps.sel(observable="x")]
        [0.08, 0.01]
    """
    regime = _common_regime(rule, limits)
    optimizer = chain(rule, problem, regime=regime, **hyperparameters)
    observables = _averages(limits[0].variables) if observables is None else observables
    scaled = {n: lambda state, f=f: f(optimizer.in_limit_variables(state)) for n, f in observables.items()}
    setting = {"t1": t1, "num_paths": num_paths, "seed": seed, "saves": saves, "progress": progress}
    results = {rule.name: simulate(optimizer, x0, observables=scaled, **setting)}
    dt = float(optimizer.step_time) / _SUBSTEPS
    for limit in limits:
        equation = sde(limit, problem, **hyperparameters)
        results[f"order {limit.order}"] = simulate(equation, x0, dt=dt, observables=observables, **setting)
    parts = [result[["mean", "standard_error"]].drop_attrs().reset_coords(drop=True) for result in results.values()]
    return MeanPaths(xr.concat(parts, xr.IndexVariable("process", list(results)), join="exact"))


def _common_regime(rule: UpdateRule, limits: Sequence[Limit]) -> Any:
    if not limits:
        raise ValueError("`limits` is empty: pass what modified_equation(rule, regime, order=…) returns.")
    for limit in limits:
        if limit.rule != rule or limit.regime != limits[0].regime:
            raise ValueError(
                f"a limit of `{limit.rule.name}` under `{limit.regime.name}` does not belong to `{rule.name}` under "
                f"`{limits[0].regime.name}`: derive all limits from the rule, under one regime."
            )
    return limits[0].regime


def _averages(variables: Sequence[str]) -> dict[str, Callable[[dict], Any]]:
    return {name: lambda state, name=name: jnp.mean(ravel_pytree(state[name])[0]) for name in variables}
