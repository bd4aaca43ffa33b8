"""The route without sampling for linear rules on quadratic losses: closed first and second moments."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from sde_momentum.compare.errors._scheduled_errors import scheduled_errors
from sde_momentum.compare.exact._linearize import REMEDY, expected_and_size, quadratic_observable, require_linear
from sde_momentum.compare.exact._stacked import affine_chains, affine_sdes
from sde_momentum.compare.orders._measured import Measured, NotApplicable
from sde_momentum.compare.question._question import Question, parameter_columns, raveled

# Sums of a few hundred products of doubles are trusted to so many roundings.
_ROUNDINGS = 32
# Errors without deviation are trusted to seven digits by the fit.
_TRUSTED = 1e-7


def exact_errors(questions: Sequence[Question], rates: Sequence[float]) -> list[Measured]:
    """Errors from closed moments; at t1 = ∞ those of the stationary laws.

    Where schedules change the coefficients, the equation's moments are integrated: the errors come with what two meshes
    differ by, and with the rounding of the steps.

    Args:
        questions: what is compared, one limit and changes of it; the rule is the same for all, and solved once.
        rates: learning rates.

    Raises:
        NotApplicable: the moments of rule, limit or an observable are not closed, or a stationary law is asked for
            under schedules.
        ValueError: a scheduled coefficient of the limit is not finite at some time.
    """
    scheduled = bool(questions[0].limit.regime.schedules)
    if scheduled and math.isinf(questions[0].t1):
        raise NotApplicable("while coefficients change with time there is no stationary law: ask at a finite t1.")
    with jax.enable_x64(True):
        doubled = [question.in_double_precision() for question in questions]
        quadratics = _quadratics(doubled[0])
        return (scheduled_errors if scheduled else _constant_errors)(doubled, rates, quadratics)


def _quadratics(question: Question) -> list[Any]:
    """The observables as quadratic functions."""
    found = {name: quadratic_observable(f, question.parameters_at_start) for name, f in question.observables.items()}
    for name, quadratic in found.items():
        if quadratic is None:
            raise NotApplicable(f"observable `{name}` is not quadratic, so moments do not give it{REMEDY}.")
    return list(found.values())


def _constant_errors(questions: Sequence[Question], rates: Sequence[float], quadratics: list[Any]) -> list[Measured]:
    """Errors where coefficients stay."""
    first = questions[0]
    what = "exact moments" if math.isfinite(first.t1) else "exact moments of the stationary laws"
    chains = [first.chain(rate) for rate in rates]
    steps = [_steps(first, float(chain.step_time)) for chain in chains]
    discrete = _expected(first, chains, affine_chains, steps, quadratics)
    found = []
    for question in questions:
        equations, times = [question.sde(rate) for rate in rates], [question.times for _ in rates]
        continuous = _expected(question, equations, affine_sdes, times, quadratics)
        found.append(Measured(*_difference(discrete, continuous, np.array(steps, dtype=float)), what))
    return found


def _steps(question: Question, step_time: float) -> Sequence[float]:
    return question.times if math.isinf(question.t1) else question.steps(step_time)


def _expected(question: Question, processes: Sequence[Any], read: Callable, times: Sequence, quadratics: list[Any]):
    """Expectations, and the sizes of what they are sums of: shape `(rates, 2, observables, times)`."""
    starts = [process.init(question.x0) for process in processes]
    forms = require_linear(read(processes, starts[0]), "rule" if read is affine_chains else "limit")
    columns = parameter_columns(starts[0], question.parameters)
    table = []
    for form, start, instants in zip(forms, starts, times, strict=True):
        law = _with_axis(form.stationary()) if math.isinf(instants[-1]) else form.moments(raveled(start), instants)
        table.append(expected_and_size(quadratics, law, columns))
    return np.array(table)


def _with_axis(law: Any) -> Any:
    return law._replace(mean=law.mean[None], covariance=law.covariance[None])


def _difference(discrete: np.ndarray, continuous: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Errors, and what rounding leaves unknown of them; shape `(rates, observables, times)`."""
    precision, errors = np.finfo(float).eps, discrete[:, 0] - continuous[:, 0]
    # A difference within the rounding of what is subtracted is none: it follows no power of the learning rate.
    zero = np.abs(errors) <= _ROUNDINGS * precision * np.maximum(discrete[:, 1], continuous[:, 1])
    # The matrix of a step is rounded once, and taken to the power of their number: felt after millions of steps.
    rounding = precision / 2 * np.abs(discrete[:, 0]) * np.where(np.isfinite(steps), steps, 0.0)[:, None]
    felt = ~zero & (rounding > _TRUSTED * np.abs(errors))
    return np.where(zero, 0.0, errors), np.where(felt, rounding, 0.0)
