"""Optimizers over η⁻² steps against the slow equation on the manifold of minimizers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import PyTree

from sde_momentum.compare.long_horizon._slow_arguments import (
    checked_index,
    checked_limit,
    checked_numbers,
    checked_rules,
    whole_slow_steps,
)
from sde_momentum.compare.long_horizon._slow_flow import slow_start
from sde_momentum.compare.long_horizon._slow_runs import SlowRun, run_rule
from sde_momentum.compare.long_horizon._slow_setting import slow_setting
from sde_momentum.compare.long_horizon._slow_study import SlowWeakError
from sde_momentum.compare.orders._order_fit import fit_order
from sde_momentum.compare.question._arguments import enough_paths, positive_number, probability, whole_number
from sde_momentum.compare.question._observables import Observable, check_observables, trace_of_hessian, values_at
from sde_momentum.compare.question._start_values import checked_start
from sde_momentum.compare.question._times import checked_rates
from sde_momentum.dynamics._hyperparameters import require_problem
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
    Where the noise has no component along Γ, at the start and at every step of the slow equation without noise, that is
    a flow and is solved to rounding: so under label noise. Elsewhere both sides share their noise, dW = −η Σ ξ_k with
    Gaussian ξ of the problem's covariance, so that the error is seen through noise of its own size; the bias of the
    slow solver is removed by extrapolation and what is left is measured.

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
            learning rate, there are fewer than four, two rules have one name, a keyword is one that no rule takes, or
            `num_paths` is below 8.
        TypeError: an argument is of another kind.
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
    rules = checked_rules(rules)
    require_problem(problem)
    rates, t1 = checked_rates(learning_rates), positive_number(t1, "t1")
    num_paths, saves = enough_paths(num_paths), whole_number(saves, "saves")
    confidence, limit, index = (
        probability(confidence, "confidence"),
        checked_limit(limit),
        checked_index(momentum_index),
    )
    codimension = None if codimension is None else whole_number(codimension, "codimension")
    slow_steps = 2 * saves if slow_steps is None else whole_number(slow_steps, "slow_steps")
    if slow_steps % saves:
        raise ValueError(f"`slow_steps` must be a multiple of `saves`, got {slow_steps} and {saves}.")
    settings = [slow_setting(rule, problem, index, hyperparameters, codimension) for rule in rules]
    checked_numbers(hyperparameters, settings, slow_weak_error)
    for rate in rates:
        whole_slow_steps(t1, rate)
    for setting in settings:  # every refusal that costs nothing comes first
        setting.check(rates)
    x0 = checked_start(x0, rules[0].state[:1], problem)
    functions = {"tr H": trace_of_hessian(problem)} if observables is None else observables
    functions = check_observables(functions, x0)
    start, point, sampled = slow_start(problem, x0, codimension)
    codimension = int(point.space.codimension)  # found once, not at every iterate
    settings = [replace(setting, codimension=codimension) for setting in settings]
    times = np.arange(1, saves + 1) * t1 / saves
    ensembles = {"t1": t1, "num_paths": num_paths, "seed": seed, "saves": saves, "progress": progress}
    run = SlowRun(x0, start, codimension, functions, rates, times, slow_steps, limit, ensembles)
    # Noise that vanishes at one point may enter on the way, so that the start alone does not make a flow.
    flows = None if sampled else run.flows(settings)
    if flows is None:
        run.check_noise(settings)
    variables = max(len(rule.state) for rule in rules)
    each = zip(settings, [None] * len(rules) if flows is None else flows, strict=True)
    parts = [run_rule(setting, run, variables, flow) for setting, flow in each]
    dataset = xr.concat(parts, xr.DataArray([rule.name for rule in rules], dims="rule", name="rule"))
    dataset["start"] = ("observable", values_at(functions, start))
    dataset.attrs = {
        "method": f"{num_paths} replicas a learning rate; {_METHODS[flows is None]}",
        "t1": t1,
        "num_paths": num_paths,
        "codimension": codimension,
        "momentum_index": str(index),
        "regimes": json.dumps({setting.rule.name: setting.regime.name for setting in settings}),
        "hyperparameters": json.dumps({name: float(value) for name, value in hyperparameters.items()}),
        "limit": "that of each rule" if limit is None else f"given, {type(limit).__name__}",
        "stiffest": float(point.space.eigenvalues[-1]),
    }
    claims = {setting.rule.name: setting.exponents for setting in settings}
    return SlowWeakError(dataset, _orders(dataset, rates, confidence, claims))


_METHODS = {
    True: "one noise, extrapolated Euler steps on Γ",
    False: "the slow equation is a flow, solved by Runge–Kutta steps",
}


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
