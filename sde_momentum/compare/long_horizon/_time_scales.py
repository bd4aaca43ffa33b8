"""Between the fast clock t = kη and the slow clock τ = kη²: which description holds when."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PyTree

from sde_momentum.compare.long_horizon._scale_study import TimeScales
from sde_momentum.compare.long_horizon._slow_arguments import (
    checked_index,
    checked_numbers,
    checked_scales,
)
from sde_momentum.compare.long_horizon._slow_flow import SlowFlow, slow_flow, slow_start
from sde_momentum.compare.long_horizon._slow_setting import slow_setting
from sde_momentum.compare.question._arguments import enough_paths, positive_number, whole_number
from sde_momentum.compare.question._observables import Observable, check_observables
from sde_momentum.compare.question._start_values import checked_start
from sde_momentum.dynamics._hyperparameters import require_problem
from sde_momentum.ensembles import simulate
from sde_momentum.solvers import Seed
from sde_momentum.symbolic import UpdateRule, require_rule


def time_scales(
    rule: UpdateRule,
    problem: Any,
    x0: PyTree[Any],
    *,
    learning_rates: Sequence[float],
    observables: Mapping[str, Observable],
    exponents: Sequence[float] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
    t1: float = 1.0,
    num_paths: int = 4096,
    seed: Seed = 0,
    momentum_index: float = 0,
    codimension: int | None = None,
    progress: bool = True,
    **hyperparameters: float,
) -> TimeScales:
    r"""Follow an optimizer from its fall onto the minimizers to its drift along them, by both descriptions.

    Gradient flow from x₀ at t = kη is the leading description of O(1/η) steps; the slow equation from Φ(x₀) at τ = kη²
    is that of O(1/η²) steps. At k = t1 η^{−γ} steps the flow misses the drift, an error of order η^{2−γ}, and the slow
    equation misses the fall, e^{−hη^{1−γ}}, and the fluctuations, η. Both hold for 1 < γ < 2.

    Args:
        rule: an optimizer that is linear in state and gradient.
        problem: loss and noise.
        x0: start, one replica, off Γ or on it.
        learning_rates: effective ones, in any number.
        observables: name → function of the parameters themselves, not projected.
        exponents: γ, ascending; those with less than one step are refused.
        t1: number of steps at γ as a multiple of η^{−γ}; at γ = 2 the slow time.
        num_paths: replicas a learning rate.
        seed: integer in [0, 2⁶⁴) or a JAX key.
        momentum_index: α in 1 − β = λη^α; λ is then the keyword `relaxation_rate`.
        codimension: number of normal directions; that at Φ(x₀) when omitted.
        progress: show a bar while sampling.
        **hyperparameters: numbers for the rule, such as `momentum`.

    Returns:
        A `TimeScales`.

    Raises:
        ValueError: an exponent leaves no step, two coincide, the rule has no slow equation, Γ no noise, a keyword is
            one that the rule does not take, or `num_paths` is below 8.
        TypeError: an argument is of another kind.
        RuntimeError: x0 leads to no manifold of minimizers.

    Example:
        >>> from sde_momentum import optimizers, problems
        >>> problem = problems.label_noise_parabola([1.0, 2.0], delta=0.5)
        >>> study = time_scales(
        ...     optimizers.sgd(), problem, problem.initial(), learning_rates=(0.1,), exponents=(1.0, 2.0),
        ...     observables={"tr H": problem.hessian_trace}, num_paths=64, codimension=1, progress=False)
        >>> study.dataset["steps"].values.tolist()
        [[10, 100]]
    """
    require_rule(rule)
    require_problem(problem)
    rates, powers = checked_scales(learning_rates, exponents)
    t1, num_paths, index = positive_number(t1, "t1"), enough_paths(num_paths), checked_index(momentum_index)
    codimension = None if codimension is None else whole_number(codimension, "codimension")
    for rate in rates:
        _steps(rate, powers, t1, aligned=False)
    setting = slow_setting(rule, problem, index, hyperparameters, codimension)
    checked_numbers(hyperparameters, [setting], time_scales)
    setting.check(rates)
    x0 = checked_start(x0, rule.state[:1], problem)
    observables = check_observables(observables, x0)
    start, point, sampled = slow_start(problem, x0, codimension)
    codimension = int(point.space.codimension)  # found once, not at every step
    setting = replace(setting, codimension=codimension)
    slow = setting.slow()
    flows = None if sampled else _flows(slow, start, rates, powers, t1, observables, codimension)
    tables = []
    for number, rate in enumerate(rates):
        steps = _steps(rate, powers, t1, aligned=flows is None)
        times = np.asarray(steps) * rate**2
        run = {"num_paths": num_paths, "observables": _named(observables), "covariance": False, "progress": progress}
        discrete = simulate(setting.chain(rate), x0, t1=times[-1], saves=tuple(times), seed=seed, **run)
        if flows is None:
            unit = steps[0] * rate**2
            there = simulate(slow, start, t1=times[-1], dt=unit, saves=tuple(times), seed=_other(seed), **run)
            values, errors = there["mean"].values, there["standard_error"].values
        else:
            values, errors = flows[number].values, np.zeros_like(flows[number].values)
        fast = _gradient_flow(problem, x0, np.asarray(steps) * rate, tuple(observables.values()))
        table = {"discrete": discrete["mean"].values, "standard_error": discrete["standard_error"].values}
        table |= {"fast": fast, "slow": values, "slow_standard_error": errors}
        tables.append((steps, {key: column.T for key, column in table.items()}))
    dataset = _dataset(rates, observables, powers, tables)
    dataset.attrs = {
        "rule": rule.name,
        "regime": setting.regime.name,
        "t1": t1,
        "num_paths": num_paths,
        "codimension": codimension,
        "momentum_index": str(index),
        "hyperparameters": json.dumps({name: float(value) for name, value in hyperparameters.items()}),
        "method": f"{num_paths} replicas a learning rate; {_METHODS[flows is None]}",
    }
    return TimeScales(dataset)


_METHODS = {
    True: "the slow equation is sampled on a noise of its own",
    False: "the slow equation is a flow, solved by Runge–Kutta steps",
}


def _flows(slow, start, rates, exponents, t1, observables, codimension) -> list[SlowFlow] | None:
    """The slow equation without its noise at every learning rate; None as soon as noise along Γ enters on the way."""
    found = []
    for rate in rates:
        times = np.asarray(_steps(rate, exponents, t1, aligned=False)) * rate**2
        found.append(slow_flow(slow, slow.at(start), times, observables, codimension))
        if found[-1].noisy:
            return None
    return found


def _dataset(rates, observables, exponents, tables) -> xr.Dataset:
    dims = ("learning_rate", "observable", "exponent")
    data = {key: (dims, np.stack([table[key] for _, table in tables])) for key in tables[0][1]}
    data["steps"] = (("learning_rate", "exponent"), np.array([steps for steps, _ in tables]))
    dataset = xr.Dataset(data, coords={"learning_rate": rates, "observable": list(observables), "exponent": exponents})
    for name in ("fast", "slow"):
        dataset[f"{name}_error"] = np.abs(dataset["discrete"] - dataset[name])
    return dataset


def _steps(rate: float, exponents: Sequence[float], t1: float, *, aligned: bool) -> list[int]:
    """Whole numbers of steps near t1 η^{−γ}; where both sides step, multiples of the first one."""
    steps = [round(t1 * rate**-gamma) for gamma in exponents]
    if aligned:
        steps = [max(round(count / steps[0]), 1) * steps[0] for count in steps] if steps[0] else steps
    if steps[0] < 1 or any(later <= earlier for earlier, later in itertools.pairwise(steps)):
        raise ValueError(
            f"`exponents` {tuple(exponents)} give the steps {steps} at η = {rate}: they must be positive and increase"
        )
    return steps


def _named(observables: Mapping[str, Observable]) -> dict[str, Observable]:
    """The observables as functions of a state."""
    return {name: (lambda state, f=function: f(state["x"])) for name, function in observables.items()}


def _other(seed: Seed) -> Seed:
    """Noise of the slow equation, apart from the optimizer's."""
    return (seed + 1) % 2**64 if isinstance(seed, int) else jax.random.fold_in(seed, 1)


@eqx.filter_jit
def _solve_flow(problem, x0, times, functions):
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, x, args: jax.tree.map(jnp.negative, problem.gradient(x))),
        diffrax.Tsit5(),
        0.0,
        times[-1],
        None,
        x0,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=1e-7, atol=1e-9),
        adjoint=diffrax.ForwardMode(),
        max_steps=2**16,
    )
    return jax.lax.map(lambda x: jnp.stack([f(x) for f in functions]), solution.ys)


def _gradient_flow(problem, x0, times: np.ndarray, functions) -> np.ndarray:
    """The observables along dx/dt = −∇L, (times, observables)."""
    return np.asarray(_solve_flow(problem, x0, jnp.asarray(times), functions))
