"""The ensembles of a study on the slow clock, one optimizer at a time, and what is measured along them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare.long_horizon._slow_arguments import whole_slow_steps
from sde_momentum.compare.long_horizon._slow_flow import SlowFlow, slow_flow
from sde_momentum.compare.long_horizon._slow_process import FollowedOptimizer, against_slow
from sde_momentum.compare.long_horizon._slow_setting import AdaptiveSetting, LinearSetting
from sde_momentum.compare.question._observables import Observable
from sde_momentum.ensembles import simulate
from sde_momentum.manifold import AdamSlowSDE, SlowSDE

Setting = LinearSetting | AdaptiveSetting


@dataclass(frozen=True)
class SlowRun:
    """What all rules of a study share.

    Attributes:
        x0: start of the optimizers.
        start: Φ(x₀).
        codimension: number of normal directions.
        functions: name → observable.
        rates: learning rates.
        times: slow times that are kept, equidistant.
        slow_steps: steps of the coarsest level where the slow equation is sampled.
        limit: the slow equation of all rules; their own when None.
        ensembles: arguments of `simulate`.
    """

    x0: PyTree[Any]
    start: PyTree[Any]
    codimension: int
    functions: Mapping[str, Observable]
    rates: np.ndarray
    times: np.ndarray
    slow_steps: int
    limit: SlowSDE | AdamSlowSDE | None
    ensembles: dict[str, Any]

    @property
    def t1(self) -> float:
        """The last of the times."""
        return float(self.times[-1])

    def slow(self, setting: Setting) -> SlowSDE | AdamSlowSDE:
        """The slow equation that a rule is compared with."""
        return setting.slow() if self.limit is None else self.limit

    def flows(self, settings: list[Setting]) -> list[SlowFlow] | None:
        """The slow equation of each rule without its noise; None as soon as one has noise along Γ on the way."""
        found = []
        for setting in settings:
            slow = self.slow(setting)
            found.append(slow_flow(slow, slow.at(self.start), self.times, self.functions, self.codimension))
            if found[-1].noisy:
                return None
        return found

    def check_noise(self, settings: list[Setting]) -> None:
        """Refuse what cannot share its noise, or moves more often than the optimizer.

        Raises:
            ValueError: `limit` is driven by another number of noises, or `slow_steps` are too many.
        """
        steps = whole_slow_steps(self.t1, self.rates[0])
        if 4 * self.slow_steps > steps:
            raise ValueError(
                f"`slow_steps` = {self.slow_steps}: the slow equation takes 4 times as many steps, more than the "
                f"{steps} of the optimizer at η = {self.rates[0]:g}; take fewer, or smaller learning rates."
            )
        noises = settings[0].problem.gaussian().noise_dim
        if self.limit is not None and self.limit.noise_dim != noises:
            raise ValueError(
                f"`limit` is driven by {self.limit.noise_dim} noises and the optimizer by {noises}: both sides share "
                "one noise, so make the limit from a problem whose noise has as many columns."
            )


def run_rule(setting: Setting, run: SlowRun, variables: int, flow: SlowFlow | None) -> xr.Dataset:
    """Every learning rate of one rule.

    Args:
        setting: the rule on its problem.
        run: what all rules share.
        variables: number of variables that linear rules are padded to.
        flow: the slow equation; None where it is sampled beside the optimizer.
    """
    if flow is None:
        setting = replace(setting, problem=setting.problem.gaussian())
    slow = run.slow(setting)
    tables = []
    for rate in run.rates:
        process = setting.process(rate, variables)
        measure = Measure(setting.foot(process), tuple(run.functions.values()), setting.problem, run.codimension)
        if flow is None:
            steps = jnp.asarray(whole_slow_steps(run.t1, rate), jnp.int32)
            process = FollowedOptimizer(process, slow, steps, run.slow_steps, slow.at(run.start))
        # One structure for all learning rates, and all linear rules: the runner compiles once.
        result = simulate(process, run.x0, observables={"measured": measure}, covariance=False, **run.ensembles)
        tables.append(_table(result, run.codimension, len(run.functions), flow))
    data = {key: np.stack([table[key] for table in tables]) for key in tables[0]}
    dims = {"distance": ("learning_rate", "time"), "spectrum": ("learning_rate", "time", "direction")}
    return xr.Dataset(
        {key: (dims.get(key, ("learning_rate", "observable", "time")), values) for key, values in data.items()},
        coords={"learning_rate": run.rates, "observable": list(run.functions), "time": run.times},
    )


class Measure(eqx.Module):
    """Distance to Γ, normal spectrum and observables as one vector: they share a projection, and one program.

    Args:
        foot: where the iterates stand on Γ.
        functions: observables, of the parameters on Γ.
        problem: loss.
        codimension: number of normal eigenvalues.
    """

    foot: Any
    functions: tuple[Observable, ...]
    problem: Any
    codimension: int = eqx.field(static=True)

    def __call__(self, state: dict[str, Any]) -> Array:
        """Measure one replica."""
        foot = self.foot(state)
        flat, unravel = ravel_pytree(foot)
        distance = jnp.linalg.norm(ravel_pytree(self.foot.parameters(state))[0] - flat)
        hessian = jax.hessian(lambda z: self.problem.loss(unravel(z)))(flat)
        values = [function(foot) for function in self.functions]
        if "slow" in state:
            values = [against_slow(f, value, state) for f, value in zip(self.functions, values, strict=True)]
        spectrum = jnp.linalg.eigvalsh(hessian)[-self.codimension :]
        return jnp.concatenate([distance[None], spectrum, *(jnp.atleast_1d(value) for value in values)])


def _table(result: xr.Dataset, count: int, observables: int, flow: SlowFlow | None) -> dict[str, np.ndarray]:
    """Columns of the ensemble, as (observable, time)."""
    mean, error = result["mean"].values, result["standard_error"].values
    path = {"distance": mean[:, 0], "spectrum": mean[:, 1 : 1 + count]}
    values = mean[:, 1 + count :].reshape(len(mean), observables, -1).transpose(2, 1, 0)
    errors = error[:, 1 + count :].reshape(len(mean), observables, -1).transpose(2, 1, 0)
    if flow is not None:
        slow, bias = flow.values.T, flow.bias.T
        found = {"error": values[0] - slow, "standard_error": errors[0], "solver_bias": bias}
        return path | found | {"discrete": values[0], "discrete_standard_error": errors[0], "slow": slow}
    found = {"error": values[0], "standard_error": errors[0], "solver_bias": values[1]}
    return path | found | {"discrete": values[2], "discrete_standard_error": errors[2], "slow": values[3]}
