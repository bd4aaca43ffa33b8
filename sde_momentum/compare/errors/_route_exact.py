"""The route without sampling for linear rules on quadratic losses: closed first and second moments."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from sde_momentum.compare.exact._affine import Moments
from sde_momentum.compare.exact._linearize import affine_chain, affine_sde, expectation, magnitude, quadratic_observable
from sde_momentum.compare.exact._scheduled_chain import scheduled_chain_moments
from sde_momentum.compare.exact._scheduled_sde import scheduled_sde_moments
from sde_momentum.compare.orders._measured import Measured, NotApplicable
from sde_momentum.compare.question._question import Question, parameter_columns, raveled
from sde_momentum.dynamics import SDE, Chain

# Sums of a few hundred products of doubles are trusted to so many roundings.
_ROUNDINGS = 32
# What integration in time may be off by, beside what is subtracted, where it is said to have converged.
_CONVERGED = 1e-11
_REMEDY = "; use method='transition' for states of one or two components, or method='coupled'"


class _Row(NamedTuple):
    """Errors and residuals at one learning rate, shape `(observables, times)`, and what must be said about them."""

    errors: np.ndarray
    residuals: np.ndarray
    converged: bool = True
    jump: float | None = None


def exact_errors(question: Question, rates: Sequence[float]) -> Measured:
    """Errors from closed moments; at t1 = ∞ those of the stationary laws.

    Where schedules change the coefficients, the equation's moments are integrated: the errors come with what two meshes
    differ by, and with the rounding of the steps.

    Raises:
        NotApplicable: the moments of rule, limit or an observable are not closed, or a stationary law is asked for
            under schedules.
        ValueError: a scheduled coefficient of the limit is not finite at some time.
    """
    scheduled, finite = bool(question.limit.regime.schedules), math.isfinite(question.t1)
    if scheduled and not finite:
        raise NotApplicable("while coefficients change with time there is no stationary law: ask at a finite t1.")
    row = _scheduled_row if scheduled else _row
    with jax.enable_x64(True):
        question = question.in_double_precision()
        quadratics = _quadratics(question)
        rows = [row(question, float(rate), quadratics) for rate in rates]
    errors, residuals = (np.stack(part) for part in list(zip(*rows, strict=True))[:2])
    method = "exact moments" if finite else "exact moments of the stationary laws"
    if scheduled:
        method += f" along the schedules, residual at most {residuals.max():.1e}"
    jumps = [row.jump for row in rows if row.jump is not None]
    if jumps:
        method += f"; the limit's coefficients jump inside a step, at {jumps[0]:.4g}: errors need not follow a power"
    return Measured(errors, residuals, method, converged=np.array([row.converged for row in rows]))


def _quadratics(question: Question) -> list[Any]:
    """The observables as quadratic functions."""
    found = []
    for name, function in question.observables.items():
        found.append(quadratic_observable(function, question.parameters_at_start))
        if found[-1] is None:
            raise NotApplicable(f"observable `{name}` is not quadratic, so moments do not give it{_REMEDY}.")
    return found


def _row(question: Question, rate: float, quadratics: list[Any]) -> _Row:
    """Errors at one learning rate."""
    process, equation = question.chain(rate), question.sde(rate)
    discrete = _linear(affine_chain(process, question.x0), "rule")
    continuous = _linear(affine_sde(equation, question.x0), "limit")
    if math.isinf(question.t1):
        laws = [_with_axis(discrete.stationary()), _with_axis(continuous.stationary())]
    else:
        steps = question.steps(float(process.step_time))
        starts = [raveled(p.init(question.x0)) for p in (process, equation)]
        laws = [discrete.moments(starts[0], steps), continuous.moments(starts[1], question.times)]
    values, sizes = _expectations(question, (process, equation), laws, quadratics)
    errors, size = values[0] - values[1], np.max(sizes, axis=0)
    # A difference within the rounding of what is subtracted is none: it follows no power of the learning rate.
    errors = np.where(np.abs(errors) > _ROUNDINGS * np.finfo(float).eps * size, errors, 0.0)
    return _Row(errors, np.zeros_like(errors))


def _scheduled_row(question: Question, rate: float, quadratics: list[Any]) -> _Row:
    """The same where coefficients change with time."""
    process, equation = question.chain(rate), question.sde(rate)
    steps = question.steps(float(process.step_time))
    discrete = _linear(scheduled_chain_moments(process, question.x0, steps), "rule")
    continuous = _linear(scheduled_sde_moments(equation, question.x0, question.times), "limit")
    laws = [discrete, continuous.sharp, continuous.rough]
    values, sizes = _expectations(question, (process, equation, equation), laws, quadratics)
    apart, size = np.abs(values[1] - values[2]), np.max(sizes, axis=0)
    # One rounding in each of the steps, as if they all had the same sign.
    rounding = np.finfo(float).eps / 2 * np.array(steps) * size
    converged = bool(np.all(apart <= _CONVERGED * size))
    return _Row(values[0] - values[1], apart + rounding, converged, continuous.jump)


def _expectations(
    question: Question, processes: Sequence[Chain | SDE], laws: Sequence[Moments], quadratics: list[Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Expected observables under each law, and the size of what they are sums of: `(laws, observables, times)`."""
    values, sizes = [], []
    for process, law in zip(processes, laws, strict=True):
        columns = parameter_columns(process.init(question.x0), question.parameters)
        parts = [(m[columns], s[np.ix_(columns, columns)]) for m, s in zip(law.mean, law.covariance, strict=True)]
        values.append([[expectation(quadratic, *part) for part in parts] for quadratic in quadratics])
        sizes.append([[magnitude(quadratic, *part) for part in parts] for quadratic in quadratics])
    return np.array(values), np.array(sizes)


def _linear(found: Any, what: str) -> Any:
    if found is None:
        raise NotApplicable(f"the {what} is not linear on this problem, so its moments are not closed{_REMEDY}.")
    return found


def _with_axis(law: Any) -> Any:
    return law._replace(mean=law.mean[None], covariance=law.covariance[None])
