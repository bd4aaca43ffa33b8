"""An optimizer and its equations over time, side by side."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare.errors._route_coupled import check_finite, other_seed
from sde_momentum.compare.orders._study import plain_number
from sde_momentum.compare.question._arguments import enough_paths, positive_number
from sde_momentum.compare.question._start_values import checked_start
from sde_momentum.compare.question._times import checked_times
from sde_momentum.dynamics import Chain, chain, sde
from sde_momentum.ensembles import simulate
from sde_momentum.problems import AbstractProblem
from sde_momentum.solvers import Seed
from sde_momentum.symbolic import Limit, NoDiffusion, Regime, UpdateRule, require_rule

_SUBSTEPS = 8  # of an equation within one step of the optimizer


@dataclass(frozen=True, eq=False)
class MeanPaths:
    """Mean paths of a rule and of its limits; made by `mean_paths`.

    Attributes:
        dataset: `mean` and `standard_error` over `process` (the rule's name, then `order 1` and so on, numbered where
            several limits have one order), `time` and `observable`; attributes say what was run and how.
    """

    dataset: xr.Dataset

    @property
    def gaps(self) -> xr.DataArray:
        """The largest distance of an equation's mean from the optimizer's, over `process` and `observable`."""
        mean = self.dataset["mean"]
        return abs(mean.isel(process=slice(1, None)) - mean.isel(process=0, drop=True)).max("time")

    def __str__(self) -> str:
        attributes = self.dataset.attrs
        at = f"at learning rate {attributes['learning_rate']:g}, until t = {attributes['t1']:g}"
        lines = [f"largest gaps between {attributes['rule']} and its equations {at}"]
        for process, row in zip(self.gaps["process"].values, self.gaps.values, strict=True):
            values = (f"{name} {gap:.4g}" for name, gap in zip(self.gaps["observable"].values, row, strict=True))
            lines.append(f"  {process}: " + ", ".join(values))
        largest = float(self.dataset["standard_error"].max())
        return "\n".join([*lines, f"  ({attributes['method']}; standard errors up to {largest:.2g})"])

    def plot(self, axes: Any = None) -> Any:
        """Draw one panel an observable: dots with one standard error for the optimizer, lines for the equations.

        Args:
            axes: matplotlib axes, or an array of them, one an observable; new ones when omitted.

        Returns:
            The axes.

        Raises:
            ValueError: there are not as many axes as observables.
            ImportError: matplotlib is not installed; it comes with the extra `claims`.
        """
        import matplotlib.pyplot as plt

        names = self.dataset["observable"].values
        if axes is None:
            size = (4.5 * len(names), 3.5)
            axes = plt.subplots(1, len(names), figsize=size, layout="constrained", squeeze=False)[1][0]
        panels = np.ravel(axes)
        if len(panels) != len(names) or not all(hasattr(axis, "errorbar") for axis in panels):
            raise ValueError(
                f"`axes` must be {len(names)} matplotlib axes, for {', '.join(names)}, got {len(panels)} of "
                f"{', '.join(sorted({type(axis).__name__ for axis in panels}))}."
            )
        for axis, name in zip(panels, names, strict=True):
            rule, *equations = (self.dataset.sel(process=p, observable=name) for p in self.dataset["process"].values)
            for equation in equations:
                axis.plot(equation["time"], equation["mean"], label=f"equation, {equation['process'].item()}")
            error = rule["standard_error"]
            axis.errorbar(rule["time"], rule["mean"], error, fmt="ko", ms=4, label=rule["process"].item())
            axis.set(xlabel="time t", ylabel=f"mean of {name}")
        panels[0].legend()
        return axes


def mean_paths(
    rule: UpdateRule,
    limits: Limit | Sequence[Limit],
    problem: AbstractProblem,
    x0: PyTree[Any],
    *,
    t1: float,
    num_paths: int,
    seed: Seed,
    saves: int | Sequence[float] | None = 10,
    observables: Mapping[str, Callable[[dict], Any]] | None = None,
    progress: bool = False,
    **hyperparameters: float,
) -> MeanPaths:
    r"""Run a rule and limits of it at one learning rate, and follow the means.

    A picture, not a judgment: whether a gap closes as fast as claimed is what `weak_error` measures.

    Args:
        rule: the optimizer.
        limits: limits of it under one regime, or one limit; several may have the same order.
        problem: loss and gradient noise.
        x0: parameters of one replica, or a dict with a start for every variable, in the scale of the limit.
        t1: end, in units of the regime's clock, a whole number of steps.
        num_paths: paths of each process, at least eight.
        seed: of all random numbers.
        saves: number of times, evenly spaced, or increasing times that end with t1; None for t1 only.
        observables: name → function of one replica's state in the variables and the scale of the limit, with real
            scalar values. By default every variable of the limits, averaged over its components.
        progress: show bars on standard error.
        **hyperparameters: as in `chain` and `sde`, `learning_rate` among them.

    Returns:
        A `MeanPaths`. Equations are integrated by Euler's method with an eighth of the optimizer's step.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: there is no limit, one is of another rule or regime, a path diverges, an observable fails or is not
            finite, or an argument does not suit the ensembles.

    Example:
        >>> import sde_momentum as sm
        >>> rule = sm.optimizers.sgd()
        >>> limits = [sm.modified_equation(rule, order=order) for order in (1, 2)]
        >>> setting = {"t1": 2.0, "num_paths": 64, "seed": 0, "learning_rate": 0.4}
        >>> paths = mean_paths(rule, limits, sm.problems.quadratic(1.0, noise=0.0), 1.0, saves=5, **setting)
        >>> [round(float(gap), 2) for gap in paths.gaps.sel(observable="x")]
        [0.08, 0.01]
    """
    limits = [limits] if isinstance(limits, Limit) else limits
    regime = _common_regime(require_rule(rule), limits)
    checked_times(positive_number(t1, "t1"), saves)
    enough_paths(num_paths)
    if "learning_rate" in hyperparameters:
        positive_number(hyperparameters["learning_rate"], "learning_rate")
    optimizer = chain(rule, problem, regime=regime, **hyperparameters)
    x0 = checked_start(x0, limits[0].variables, problem)
    observables = _averages(limits[0].variables) if observables is None else observables
    _check_observables(observables, _state(optimizer, x0, limits[0].variables))
    scaled = {n: lambda state, f=f: f(optimizer.in_limit_variables(state)) for n, f in observables.items()}
    setting = {"t1": t1, "num_paths": num_paths, "seed": seed, "saves": saves, "progress": progress}
    rate, step = float(hyperparameters["learning_rate"]), float(optimizer.step_time)
    results = [_finite(simulate(optimizer, x0, observables=scaled, **setting), rate)]
    for limit in limits:
        equation, dt = sde(limit, problem, **hyperparameters), step / _SUBSTEPS
        results.append(_finite(simulate(equation, x0, dt=dt, observables=observables, **setting), rate))
    parts = [result[["mean", "standard_error"]].drop_attrs().reset_coords(drop=True) for result in results]
    names = xr.IndexVariable("process", [rule.name, *_labels(limits)])
    others = {name: plain_number(value) for name, value in hyperparameters.items() if name != "learning_rate"}
    return MeanPaths(
        xr.concat(parts, names, join="exact").assign_attrs(
            rule=rule.name,
            regime=str(regime),
            t1=float(t1),
            learning_rate=rate,
            hyperparameters=json.dumps(others),
            num_paths=int(num_paths),
            # In words: no integer of a netCDF file holds every seed.
            seed=str(other_seed(seed, 0)),
            method=f"{num_paths} paths each; equations by Euler steps of h/{_SUBSTEPS}, h = {step:g} the optimizer's",
        )
    )


def _common_regime(rule: UpdateRule, limits: Sequence[Limit]) -> Regime:
    if not isinstance(limits, Sequence) or not all(isinstance(limit, Limit | NoDiffusion) for limit in limits):
        raise TypeError(
            f"`limits` must be a list of what modified_equation(rule, regime, order=…) gives, got {limits!r}."
        )
    if not limits:
        raise ValueError("`limits` is empty: pass what modified_equation(rule, regime, order=…) returns.")
    for limit in limits:
        if limit.rule != rule or limit.regime != limits[0].regime:
            raise ValueError(
                f"a limit of `{limit.rule.name}` under `{limit.regime.name}` does not belong to `{rule.name}` under "
                f"`{limits[0].regime.name}`: derive all limits from the rule, under one regime."
            )
    return limits[0].regime


def _labels(limits: Sequence[Limit]) -> list[str]:
    """The orders of the limits in words, numbered where several have one: a wrong limit may stand by the right one."""
    orders = [limit.order for limit in limits]
    number = lambda place: f" ({orders[: place + 1].count(orders[place])})" if orders.count(orders[place]) > 1 else ""
    return [f"order {order}{number(place)}" for place, order in enumerate(orders)]


def _averages(variables: Sequence[str]) -> dict[str, Callable[[dict], Any]]:
    return {name: lambda state, name=name: jnp.mean(ravel_pytree(state[name])[0]) for name in variables}


def _state(optimizer: Chain, x0: PyTree[Array], variables: Sequence[str]) -> dict[str, PyTree[Array]]:
    """What observables get at the start: only what rule and limits both have."""
    state = optimizer.in_limit_variables(optimizer.init(x0))
    return {name: state[name] for name in variables}


def _check_observables(observables: Any, state: dict[str, PyTree[Array]]) -> None:
    """Refuse what is no function of the state: elsewhere observables get the parameters alone.

    Raises:
        TypeError: no mapping of names to functions.
        ValueError: there is none, or one fails.
    """
    if not isinstance(observables, Mapping) or not all(callable(function) for function in observables.values()):
        raise TypeError(
            "`observables` must map names to functions of the state, such as {'x': lambda s: s['x']}, got "
            f"{observables!r}."
        )
    if not observables:
        raise ValueError("`observables` is empty; leave it out for the average of every variable.")
    for name, function in observables.items():
        try:
            eqx.filter_eval_shape(function, state)
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            raise ValueError(
                f"observable `{name}` fails ({reason}): it gets a dict of {', '.join(state)}, so write "
                f"`lambda s: s['{next(iter(state))}']`."
            ) from error


def _finite(result: xr.Dataset, rate: float) -> xr.Dataset:
    check_finite(result, rate)
    return result
