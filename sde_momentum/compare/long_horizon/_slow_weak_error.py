"""Optimizers over η⁻² steps against the slow equation on the manifold of minimizers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare.long_horizon._slow_flow import slow_flow, slow_start
from sde_momentum.compare.long_horizon._slow_process import FollowedOptimizer, against_slow
from sde_momentum.compare.long_horizon._slow_setting import slow_setting
from sde_momentum.compare.long_horizon._slow_study import SlowWeakError
from sde_momentum.compare.orders._order_fit import fit_order
from sde_momentum.compare.question._observables import Observable, check_observables, trace_of_hessian, values_at
from sde_momentum.compare.question._times import checked_rates
from sde_momentum.ensembles import simulate
from sde_momentum.manifold import AdamSlowSDE, SlowSDE
from sde_momentum.solvers import Seed
from sde_momentum.symbolic import UpdateRule


def slow_weak_error(
    rules: UpdateRule | Sequence[UpdateRule],
    problem: Any,
    x0: PyTree[Any],
    *,
    t1: float,
    learning_rates: Sequence[float],
    observables: Mapping[str, Observable] | None = None,
    num_paths: int = 4096,
    saves: int = 4,
    limit: SlowSDE | AdamSlowSDE | None = None,
    seed: Seed = 0,
    momentum_index: float = 0,
    slow_steps: int | None = None,
    codimension: int | None = None,
    confidence: float = 0.95,
    progress: bool = True,
    **hyperparameters: float,
) -> SlowWeakError:
    r"""Measure E f(Φ(x_k)) − E f(Y_τ) at τ = kη² for several learning rates and rules, and fit its order.

    The iterates run in ensembles for t1/η² steps; the combination of their state that moves slowly is projected by Φ.
    Where the noise has no component along Γ, as label noise, the slow equation is a flow and is solved to rounding.
    Elsewhere both sides share their noise, dW = −η Σ ξ_k with Gaussian ξ of the problem's covariance, so that the error
    is seen through noise of its own size; the bias of the slow solver is removed by extrapolation and what is left
    is measured.

    Args:
        rules: the optimizer, or several: linear in state and gradient, or Adam and RMSProp with ε outside the root and
            1 − β₂ = cη², whose c is the keyword `decay_rate`. Without bias correction second moments start at diag Σ.
        problem: loss and noise; its own `limit_map` is used for Φ when it has one.
        x0: start, one replica; on Γ, or near it: what happens on the way to Γ counts as error.
        t1: slow time, a whole number of steps for every learning rate.
        learning_rates: effective ones, at least four, strictly decreasing; γ/(1 − μ) for heavy ball.
        observables: name → function of the parameters on Γ; tr H by default.
        num_paths: replicas for every rule and learning rate.
        saves: number of equidistant times that are kept.
        limit: the slow equation to compare with; that of each rule when omitted.
        seed: integer in [0, 2⁶⁴) or a JAX key.
        momentum_index: α in 1 − β = λη^α, for the rules with momentum; λ is then the keyword `relaxation_rate`.
        slow_steps: m; the slow equation takes 4m, 2m and m steps where it is sampled. A multiple of `saves`, twice it
            when omitted.
        codimension: number of normal directions; that at Φ(x₀) when omitted.
        confidence: of the intervals of the orders.
        progress: show a bar while sampling.
        **hyperparameters: numbers for the rules, such as `momentum`; each rule takes those it has.

    Returns:
        A `SlowWeakError`.

    Raises:
        ValueError: a rule has no slow equation, the noise is absent or not defined on Γ, t1 is not on the grid of some
            learning rate, there are fewer than four, or two rules have one name.
        RuntimeError: x0 does not lead to a manifold of minimizers; the message says why.

    Example:
        >>> from sde_momentum import optimizers, problems
        >>> problem = problems.label_noise_parabola([1.0, 2.0], delta=0.5)
        >>> study = slow_weak_error(
        ...     optimizers.sgd(), problem, problem.initial(), t1=0.1, learning_rates=(0.1, 0.05, 0.025, 0.02),
        ...     num_paths=256, saves=1, codimension=1, progress=False)
        >>> study.dataset["observable"].values.tolist()
        ['tr H']

    References:
        Li, Wang, Arora (2022), theorem 4.6; Wang et al. (2024), theorem 4.5.
    """
    rules = (rules,) if isinstance(rules, UpdateRule) else tuple(rules)
    if len({rule.name for rule in rules}) < len(rules):
        raise ValueError(f"two of `rules` have one name: {', '.join(rule.name for rule in rules)}; compare them apart.")
    rates = checked_rates(learning_rates)
    functions = {"tr H": trace_of_hessian(problem)} if observables is None else observables
    x0 = jax.tree.map(jnp.asarray, x0)
    slow_steps = 2 * saves if slow_steps is None else slow_steps
    if slow_steps < saves or slow_steps % saves:
        raise ValueError(f"`slow_steps` must be a multiple of `saves`, got {slow_steps} and {saves}.")
    settings = [slow_setting(rule, problem, momentum_index, hyperparameters, codimension) for rule in rules]
    for setting in settings:  # every refusal that costs nothing comes first
        setting.check()
    for rate in rates:
        _check_steps(t1, rate)
    functions = check_observables(functions, x0)
    start, point, sampled = slow_start(problem, x0, codimension)
    if sampled and 4 * slow_steps > _check_steps(t1, rates[0]):
        raise ValueError(
            f"`slow_steps` = {slow_steps}: the slow equation takes 4 times as many steps, more than the "
            f"{_check_steps(t1, rates[0])} of the optimizer at η = {rates[0]:g}; take fewer, or smaller learning rates."
        )
    codimension = int(point.space.codimension)  # found once, not at every iterate
    settings = [replace(setting, codimension=codimension) for setting in settings]
    run = _Run(x0, start, codimension, sampled, functions, rates, saves, slow_steps, limit)
    ensembles = {"t1": float(t1), "num_paths": num_paths, "seed": seed, "saves": saves, "progress": progress}
    variables = max(len(rule.state) for rule in rules)
    parts = [_one_rule(setting, run, variables, ensembles) for setting in settings]
    dataset = xr.concat(parts, xr.DataArray([rule.name for rule in rules], dims="rule", name="rule"))
    dataset["start"] = ("observable", values_at(functions, start))
    dataset.attrs.update(
        method=f"{num_paths} replicas a learning rate; {_METHODS[sampled]}",
        t1=float(t1),
        stiffest=float(point.space.eigenvalues[-1]),
    )
    claims = {setting.rule.name: setting.exponents for setting in settings}
    return SlowWeakError(dataset, _orders(dataset, rates, confidence, claims))


_METHODS = {
    True: "one noise, extrapolated Euler steps on Γ",
    False: "the slow equation is a flow, solved by Runge–Kutta steps",
}


@dataclass(frozen=True)
class _Run:
    """What all rules of a study share."""

    x0: PyTree[Any]
    start: PyTree[Any]
    codimension: int
    sampled: bool
    functions: Mapping[str, Observable]
    rates: np.ndarray
    saves: int
    slow_steps: int
    limit: SlowSDE | AdamSlowSDE | None

    def times(self, t1: float) -> np.ndarray:
        """Slow times that are kept."""
        return np.arange(1, self.saves + 1) * t1 / self.saves


def _one_rule(setting, run: _Run, variables: int, ensembles: dict[str, Any]) -> xr.Dataset:
    times, count = run.times(ensembles["t1"]), len(run.functions)
    if run.sampled:
        setting = replace(setting, problem=setting.problem.gaussian())
    slow = run.limit or setting.slow()
    start = slow.at(run.start)
    flow = None if run.sampled else slow_flow(slow, start, times, run.functions)
    tables = []
    for rate in run.rates:
        process = setting.process(rate, variables)
        measure = Measure(setting.foot(process), tuple(run.functions.values()), setting.problem, run.codimension)
        if run.sampled:
            steps = jnp.asarray(_check_steps(ensembles["t1"], rate), jnp.int32)
            process = FollowedOptimizer(process, slow, steps, run.slow_steps, start)
        # One structure for all learning rates, and all linear rules: the runner compiles once.
        result = simulate(process, run.x0, observables={"measured": measure}, covariance=False, **ensembles)
        tables.append(_table(result, run.codimension, count, flow))
    data = {key: np.stack([table[key] for table in tables]) for key in tables[0]}
    dims = {"distance": ("learning_rate", "time"), "spectrum": ("learning_rate", "time", "direction")}
    return xr.Dataset(
        {key: (dims.get(key, ("learning_rate", "observable", "time")), values) for key, values in data.items()},
        coords={"learning_rate": run.rates, "observable": list(run.functions), "time": times},
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


def _table(result: xr.Dataset, count: int, observables: int, flow) -> dict[str, np.ndarray]:
    """Columns of the ensemble, as (observable, time)."""
    mean, error = result["mean"].values, result["standard_error"].values
    path = {"distance": mean[:, 0], "spectrum": mean[:, 1 : 1 + count]}
    values = mean[:, 1 + count :].reshape(len(mean), observables, -1).transpose(2, 1, 0)
    errors = error[:, 1 + count :].reshape(len(mean), observables, -1).transpose(2, 1, 0)
    if flow is not None:
        slow, bias = (part.T for part in flow)
        found = {"error": values[0] - slow, "standard_error": errors[0], "solver_bias": bias}
        return path | found | {"discrete": values[0], "discrete_standard_error": errors[0], "slow": slow}
    found = {"error": values[0], "standard_error": errors[0], "solver_bias": values[1]}
    return path | found | {"discrete": values[2], "discrete_standard_error": errors[2], "slow": values[3]}


def _orders(dataset: xr.Dataset, rates: np.ndarray, confidence: float, claims: Mapping[str, tuple[float, float]]):
    orders = {}
    for rule in dataset["rule"].values:
        for name in dataset["observable"].values:
            last = dataset.sel(rule=rule, observable=name).isel(time=-1)
            bias = last["solver_bias"].values
            orders[str(rule), str(name)] = fit_order(
                rates,
                last["error"].values,
                last["standard_error"].values,
                solver_bias=bias if np.any(bias) else None,
                learning_rate_unit=1 / dataset.attrs["stiffest"],
                confidence=confidence,
                claimed_order=claims[str(rule)][0],
                remainder_exponent=claims[str(rule)][1],
            )
    return orders


def _check_steps(t1: float, rate: float) -> int:
    """t1 in steps."""
    count = t1 / rate**2
    if round(count) < 1 or abs(count - round(count)) > 1e-6 * count:
        raise ValueError(
            f"t1 = {t1} is {count:.6g} steps of η² at η = {rate}; choose η = √(t1/n) with a whole number n."
        )
    return round(count)
