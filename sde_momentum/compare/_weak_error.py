"""The weak error of a rule against its limit, over several learning rates."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare._linearize import affine_chain, affine_sde, expectation, quadratic_observable
from sde_momentum.compare._paired import CoupledLimit, orientation_of
from sde_momentum.compare._study import WeakError, make_study
from sde_momentum.dynamics import chain, sde
from sde_momentum.ensembles import simulate
from sde_momentum.problems import AbstractProblem
from sde_momentum.solvers import Seed, SmallNoise
from sde_momentum.symbolic import Limit, UpdateRule

Observable = Callable[[PyTree[Array]], Array]


def weak_error(
    rule: UpdateRule,
    limit: Limit,
    problem: AbstractProblem,
    x0: PyTree[Any],
    *,
    t1: float,
    learning_rates: Sequence[float],
    observables: Mapping[str, Observable] | None = None,
    num_paths: int = 65_536,
    seed: Seed = 0,
    substeps: int = 1,
    confidence: float = 0.95,
    learning_rate_unit: float = 1.0,
    progress: bool = True,
    sample: bool = False,
    **hyperparameters: float,
) -> WeakError:
    r"""Measure E f(x_k) − E f(X(t1)) at k = t1/clock for several learning rates, and fit its order.

    Where rule, limit and observables have closed first and second moments (linear rules on quadratic losses) nothing is
    sampled. Otherwise rule and limit are run on the same Brownian path (`CoupledLimit`), with the problem's noise
    replaced by its Gaussian twin, and the solver's bias is measured at two steps on the same paths.

    Args:
        rule: the optimizer.
        limit: its limit; must have been derived from `rule`.
        problem: loss and noise.
        x0: parameters at the start, one replica.
        t1: end, in units of the regime's clock; a whole number of steps for every learning rate.
        learning_rates: at least four, strictly decreasing.
        observables: name → function of the parameters, one number; by default the loss, the mean of the parameters and
            the mean of their squares.
        num_paths: coupled paths for every learning rate.
        seed: integer in [0, 2⁶⁴) or a JAX key.
        substeps: solver steps of the coarse solution in one optimizer step; the fine one takes twice as many.
        confidence: of the interval of the order.
        learning_rate_unit: learning rate at which the expansion's terms are of one size, for instance 1/(λ_max(H)) or,
            with momentum, (1 − β)/((1 + β) λ_max(H)); the prior on the remainder holds in this unit.
        progress: show a bar while sampling.
        sample: sample even where exact moments exist.
        **hyperparameters: numbers that rule and limit need besides `learning_rate`.

    Returns:
        A `WeakError`: signed errors with standard errors and solver bias, fitted orders, verdict, `.plot()`.

    Raises:
        ValueError: the limit is not one of the rule, t1 is not on the grid of some learning rate, there are fewer than
            four learning rates or they do not decrease, or an observable does not give one number.

    Example:
        >>> import numpy as np
        >>> from sde_momentum import optimizers, problems
        >>> from sde_momentum.symbolic import modified_equation
        >>> rule = optimizers.sgd()
        >>> limit = modified_equation(rule, order=1)
        >>> problem = problems.quadratic(np.diag([1.0, 2.0]), noise=0.5 * np.eye(2))
        >>> rates = (0.1, 0.05, 0.025, 0.0125)
        >>> study = weak_error(rule, limit, problem, np.ones(2), t1=1.0, learning_rates=rates)
        >>> str(study.verdict)
        'confirmed'
    """
    rates = _checked_rates(learning_rates)
    if not isinstance(limit, Limit) or limit.rule != rule:
        raise ValueError(f"`limit` was not derived from the rule `{rule.name}`; use modified_equation(rule, …).")
    functions = dict(observables) if observables is not None else default_observables(problem)
    if not functions:
        raise ValueError("`observables` is empty; leave it out for the loss and the moments of the parameters.")
    setup = _Setup(rule, limit, problem, x0, t1, functions, hyperparameters)
    exact = None if sample else _exact(setup, rates)
    if exact is not None:
        return make_study(setup, rates, *exact, confidence=confidence, unit=learning_rate_unit, method="exact moments")
    columns = [_coupled(setup, rate, num_paths, seed, substeps, progress) for rate in rates]
    errors, deviations, bias, bias_deviations = (np.stack(part) for part in zip(*columns, strict=True))
    method = f"coupled sampling, {num_paths} paths, {2 * substeps} solver steps a step"
    return make_study(
        setup,
        rates,
        errors,
        deviations,
        bias,
        bias_deviations,
        confidence=confidence,
        unit=learning_rate_unit,
        method=method,
    )


def default_observables(problem: AbstractProblem) -> dict[str, Observable]:
    """The loss, the mean of the parameters, and the mean of their squares."""

    def mean_of(power: int) -> Observable:
        def observable(x: PyTree[Array]) -> Array:
            leaves = jax.tree.leaves(x)
            return sum(jnp.sum(leaf**power) for leaf in leaves) / sum(leaf.size for leaf in leaves)

        return observable

    return {"loss": problem.loss, "mean x": mean_of(1), "mean x²": mean_of(2)}


class _Setup:
    """The question, without the learning rate."""

    def __init__(self, rule, limit, problem, x0, t1, observables, hyperparameters):
        self.rule, self.limit, self.problem, self.x0 = rule, limit, problem, jax.tree.map(jnp.asarray, x0)
        self.t1, self.observables, self.hyperparameters = float(t1), observables, hyperparameters
        self.differences = _differences(observables, self.parameters)

    @property
    def parameters(self) -> str:
        """Name of the parameters in the state."""
        return self.rule.state[0]

    def chain(self, learning_rate: float, problem: AbstractProblem):
        """The optimizer at one learning rate."""
        return chain(self.rule, problem, regime=self.limit.regime, learning_rate=learning_rate, **self.hyperparameters)

    def sde(self, learning_rate: float, problem: AbstractProblem):
        """The limit at one learning rate."""
        return sde(self.limit, problem, learning_rate=learning_rate, **self.hyperparameters)

    def steps(self, step_time: float) -> int:
        """t1 in steps."""
        count = self.t1 / step_time
        if round(count) < 1 or abs(count - round(count)) > 1e-6 * max(count, 1):
            near = max(round(count), 1) * step_time
            raise ValueError(
                f"t1 = {self.t1} is {count:.6g} steps of length {step_time:.6g}; choose learning rates that divide t1, "
                f"or t1 = {near:.6g}."
            )
        return round(count)


def _exact(setup: _Setup, rates: np.ndarray):
    """Errors from closed moments, or None where they are not closed."""
    quadratics = [quadratic_observable(function, setup.x0) for function in setup.observables.values()]
    if any(found is None for found in quadratics):
        return None
    errors = np.empty((len(rates), len(quadratics)))
    for row, rate in enumerate(rates):
        process, equation = setup.chain(rate, setup.problem), setup.sde(rate, setup.problem)
        discrete, continuous = affine_chain(process, setup.x0), affine_sde(equation, setup.x0)
        if discrete is None or continuous is None:
            return None
        steps = setup.steps(float(process.step_time))
        starts = [_raveled(p.init(setup.x0)) for p in (process, equation)]
        laws = [discrete.moments(starts[0], [steps]), continuous.moments(starts[1], [setup.t1])]
        columns = [_columns(p.init(setup.x0), setup.parameters) for p in (process, equation)]
        values = [
            [
                expectation(q, np.asarray(law.mean[0])[c], np.asarray(law.covariance[0])[np.ix_(c, c)])
                for q in quadratics
            ]
            for law, c in zip(laws, columns, strict=True)
        ]
        errors[row] = np.subtract(*values)
    zero = np.zeros_like(errors)
    return errors, zero, zero, zero


def _raveled(state: dict) -> np.ndarray:
    return np.asarray(ravel_pytree(state)[0])


def _columns(state: dict, parameters: str) -> np.ndarray:
    """Positions of the parameters in the raveled state."""
    marks = {
        name: jax.tree.map(lambda leaf, on=name == parameters: jnp.full(jnp.shape(leaf), float(on)), value)
        for name, value in state.items()
    }
    return np.flatnonzero(_raveled(marks))


def _coupled(setup: _Setup, rate: float, num_paths: int, seed: Seed, substeps: int, progress: bool):
    """Mean and standard error of the coupled difference, and of the solver's bias, at one learning rate."""
    problem = setup.problem.gaussian()
    optimizer, equation = setup.chain(rate, problem), setup.sde(rate, problem)
    sign = orientation_of(optimizer, equation, setup.x0)
    process = CoupledLimit(optimizer, equation, SmallNoise(), substeps, sign)
    setup.steps(float(process.step_time))
    result = simulate(
        process,
        setup.x0,
        t1=setup.t1,
        num_paths=num_paths,
        seed=seed,
        observables=setup.differences,
        covariance=False,
        progress=progress,
    )
    count = len(setup.observables)
    # fine − coarse is three times the bias of the fine solution of a scheme of weak order 2.
    mean, deviation = result["mean"].values[-1], result["standard_error"].values[-1]
    return mean[:count], deviation[:count], mean[count:] / 3, deviation[count:] / 3


def _differences(observables: Mapping[str, Observable], name: str) -> dict[str, Callable]:
    """Chain − fine and fine − coarse, on the joint state; made once, so that all learning rates share one program."""

    def between(function: Observable, left: str, right: str):
        return lambda state: function(state[left][name]) - function(state[right][name])

    errors = {f"error: {k}": between(f, "chain", "fine") for k, f in observables.items()}
    return errors | {f"bias: {k}": between(f, "fine", "coarse") for k, f in observables.items()}


def _checked_rates(learning_rates: Sequence[float]) -> np.ndarray:
    rates = np.asarray(learning_rates, dtype=float)
    if rates.ndim != 1 or len(rates) < 4:
        raise ValueError(f"`learning_rates` needs at least four values to fit an order, got {learning_rates!r}.")
    if not (np.all(rates > 0) and np.all(np.diff(rates) < 0)):
        raise ValueError(f"`learning_rates` must be positive and strictly decreasing, got {learning_rates!r}.")
    return rates
