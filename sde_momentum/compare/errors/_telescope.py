"""From minibatches to the equation in two legs, each with its own error: real data are not Gaussian."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import PyTree

from sde_momentum.compare.coupling._noise_pair import NoisePair
from sde_momentum.compare.coupling._quantile_noise import driven_by_normals
from sde_momentum.compare.coupling._solver_bias import bias_share
from sde_momentum.compare.errors._route_coupled import between, check_finite, coupled, differences, other_seed, run
from sde_momentum.compare.orders._study import plain_number
from sde_momentum.compare.question._arguments import enough_paths, known_name, positive_number, whole_number
from sde_momentum.compare.question._observables import Observable
from sde_momentum.compare.question._question import Question
from sde_momentum.problems import AbstractProblem, NormalDraw
from sde_momentum.solvers import Seed
from sde_momentum.symbolic import Limit, UpdateRule

LEGS = ("noise shape", "discretization", "sum")


@dataclass(frozen=True)
class Telescope:
    """A weak error taken apart.

    Attributes:
        dataset: xarray over `leg`, `learning_rate`, `observable` and `time` with `error` and `standard_error`; legs are
            *noise shape* (minibatch chain − Gaussian chain), *discretization* (Gaussian chain − equation) and their
            *sum*. `solver_bias` belongs to the second leg.
    """

    dataset: xr.Dataset

    def __str__(self) -> str:
        lines = [f"weak error of {self.dataset.attrs['rule']} at t = {self.dataset.attrs['t1']:g}, in two legs"]
        last = self.dataset.isel(time=-1)
        for name in last["observable"].values:
            bias = float(abs(last["solver_bias"].sel(observable=name)).max())
            lines.append(f"  {name} (solver bias up to {bias:.1e})")
            for rate in last["learning_rate"].values:
                at = last.sel(observable=name, learning_rate=rate)
                cells = [
                    f"{leg} {float(at['error'].sel(leg=leg)):+.3e} ± {float(at['standard_error'].sel(leg=leg)):.1e}"
                    for leg in LEGS
                ]
                lines.append(f"    η = {rate:<8.4g} " + "   ".join(cells))
        return "\n".join([*lines, f"  ({self.dataset.attrs['method']})"])

    def plot(self, observable: str | None = None, axes: Any = None) -> Any:
        """Draw |error| of the legs and of their sum over the learning rate, log–log, with error bars.

        Args:
            observable: which one; the first when omitted.
            axes: matplotlib axes; new ones when omitted.

        Returns:
            The axes.

        Raises:
            ValueError: there is no such observable.
        """
        from sde_momentum.compare.orders._plot import plot_legs

        names = self.dataset["observable"].values.tolist()
        name = names[0] if observable is None else known_name(observable, names, "observable")
        return plot_legs(self.dataset.sel(observable=name).isel(time=-1), str(name), axes)


def telescope(
    rule: UpdateRule,
    limit: Limit,
    problem: AbstractProblem,
    x0: PyTree[Any],
    *,
    t1: float,
    learning_rates: Sequence[float],
    saves: int | Sequence[float] | None = None,
    observables: Mapping[str, Observable] | None = None,
    num_paths: int = 4096,
    noise_paths: int | None = None,
    seed: Seed = 0,
    substeps: int = 1,
    progress: bool = True,
    **hyperparameters: float,
) -> Telescope:
    r"""Take the weak error of an optimizer on data apart: shape of the noise, then discretization.

    $$E f(x_k) - E f(X) = \underbrace{E f(x_k) - E f(\hat x_k)}_{\text{noise shape}}
    + \underbrace{E f(\hat x_k) - E f(X)}_{\text{discretization}},$$

    with $\hat x$ the same optimizer under Gaussian noise of the same covariance Σ(x). The second leg is coupled
    through one Brownian path and small in variance; the first compares two laws of noise and needs more paths, which
    are cheap, for no equation is integrated; noise of independent components (signs, gamma, Student), and minibatches
    where there is one parameter, are coupled to the Gaussian noise by quantiles. Both legs have paths of their own, so
    their squared standard errors add. Where the noise is Gaussian already the first leg is exactly zero, and not run.

    Args:
        rule: the optimizer.
        limit: its limit; must have been derived from `rule`.
        problem: loss and noise, such as minibatches of a data set.
        x0: parameters at the start, one replica.
        t1: end, in units of the regime's clock; a whole number of steps for every learning rate.
        learning_rates: one or more, strictly decreasing.
        saves: times at which the errors are measured, see `weak_error`.
        observables: name → function of the parameters, one number; by default the loss, the mean of the parameters and
            the mean of their squares.
        num_paths: coupled paths of the second leg, for every learning rate; at least eight.
        noise_paths: pairs of paths of the first leg, at least eight; eight times as many by default.
        seed: integer in [0, 2⁶⁴) or a JAX key.
        substeps: solver steps of the coarse solution in one optimizer step.
        progress: show a bar.
        **hyperparameters: numbers that rule and limit need besides `learning_rate`.

    Returns:
        A `Telescope`.

    Raises:
        TypeError: as `weak_error`.
        ValueError: as `weak_error`; also where steps depend on each other, as in reshuffled epochs. t1 must be finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum import optimizers, problems
        >>> from sde_momentum.symbolic import modified_equation
        >>> loss = lambda x, rows: jnp.mean((x - rows) ** 2)
        >>> problem = problems.minibatch(loss, jnp.array([0.0, 0.0, 3.0]), batch_size=1)
        >>> rule, setting = optimizers.sgd(), {"t1": 0.4, "learning_rates": (0.2, 0.1), "num_paths": 64}
        >>> legs = telescope(rule, modified_equation(rule, order=1), problem, 0.5, progress=False, **setting)
        >>> legs.dataset["error"].sizes["leg"]
        3
    """
    rates = _checked_rates(learning_rates)
    positive_number(t1, "t1")
    enough_paths(num_paths)
    many = 8 * num_paths if noise_paths is None else enough_paths(noise_paths, "noise_paths")
    whole_number(substeps, "substeps")
    if "learning_rate" in hyperparameters:
        raise ValueError("pass `learning_rates`, one or more of them, in place of `learning_rate`.")
    question = Question(
        rule, limit, problem, x0, t1=t1, saves=saves, observables=observables, hyperparameters=hyperparameters
    )
    # All of them before the first is run.
    for rate in rates:
        question.steps(float(question.chain(float(rate)).step_time))
    shape = _shape_functions(question)
    discrete = differences(question.observables, question.parameters)
    rows = [
        _row(question, float(rate), (shape, discrete), (many, num_paths), seed, substeps, progress) for rate in rates
    ]
    method = f"{_shape_paths(question, many)}; {num_paths} coupled paths, {2 * substeps} solver steps a step"
    return Telescope(_labelled(question, rates, rows, method))


def _checked_rates(learning_rates: Sequence[float]) -> np.ndarray:
    """No order is fitted, so that one learning rate is enough."""
    rates = np.asarray(learning_rates)
    good = rates.ndim == 1 and rates.size and rates.dtype.kind in "iuf"
    if not good or not (np.all(rates > 0) and np.all(np.diff(rates) < 0) and np.all(np.isfinite(rates))):
        raise (ValueError if rates.dtype.kind in "iuf" else TypeError)(
            f"`learning_rates` must be one or more positive numbers, strictly decreasing, got {learning_rates!r}."
        )
    return rates.astype(float)


def _is_gaussian(question: Question) -> bool:
    """Whether the problem is its own Gaussian twin: then both chains of the first leg are one."""
    draw = question.problem.draw
    return isinstance(draw, NormalDraw) and bool(draw == question.problem.gaussian().draw)


def _shape_paths(question: Question, pairs: int) -> str:
    """How the first leg was found, in words."""
    if _is_gaussian(question):
        return f"the noise is Gaussian, so that the leg “{LEGS[0]}” is exactly zero"
    own = driven_by_normals(question.problem, question.parameters_at_start)
    noise = "independent of the Gaussian noise" if own is None else "with the noise as quantiles of normals"
    return f"{pairs} pairs of paths for the shape of the noise, {noise}"


def _row(question: Question, rate: float, functions, paths, seed: Seed, substeps: int, progress: bool):
    """Errors and standard errors of both legs, and the solver's bias, each of shape `(observables, times)`."""
    count = len(question.observables)
    process = coupled(question, rate, substeps)
    second = run(process, question, functions[1], paths[1], seed, progress)
    check_finite(second, rate)
    mean, deviation = second["mean"].values.T, second["standard_error"].values.T
    shape = [np.zeros_like(mean[:count])] * 2
    if not _is_gaussian(question):
        own = driven_by_normals(question.problem, question.parameters_at_start) or question.problem
        pair = NoisePair(question.chain(rate, own), question.chain(rate, question.problem.gaussian()))
        first = run(pair, question, functions[0], paths[0], other_seed(seed, 2), progress)
        check_finite(first, rate)
        shape = [first[name].values.T for name in ("mean", "standard_error")]
    bias = bias_share(process.sde, question.x0) * mean[count:]
    return [shape[0], mean[:count]], [shape[1], deviation[:count]], bias


def _shape_functions(question: Question) -> dict[str, Any]:
    """Minibatch − Gaussian on the joint state."""
    name = question.parameters
    return {f"error: {key}": between(f, "data", "gaussian", name) for key, f in question.observables.items()}


def _labelled(question: Question, rates: np.ndarray, rows, method: str) -> xr.Dataset:
    """All numbers under their names; the sum's squared standard error is the sum of the legs'."""
    errors = np.array([row[0] for row in rows]).swapaxes(0, 1)
    deviations = np.array([row[1] for row in rows]).swapaxes(0, 1)
    errors = np.concatenate([errors, errors.sum(axis=0, keepdims=True)])
    deviations = np.concatenate([deviations, np.sqrt((deviations**2).sum(axis=0, keepdims=True))])
    dims = ("learning_rate", "observable", "time")
    return xr.Dataset(
        {
            "error": (("leg", *dims), errors),
            "standard_error": (("leg", *dims), deviations),
            "solver_bias": (dims, np.array([row[2] for row in rows])),
        },
        coords={
            "leg": list(LEGS),
            "learning_rate": rates,
            "observable": list(question.observables),
            "time": list(question.times),
        },
        attrs={
            "rule": question.rule.name,
            "limit": str(question.limit),
            "t1": question.t1,
            "method": method,
            "hyperparameters": json.dumps({k: plain_number(v) for k, v in question.hyperparameters.items()}),
        },
    )
