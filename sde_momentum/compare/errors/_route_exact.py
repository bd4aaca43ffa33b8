"""The route without sampling for linear rules on quadratic losses: closed first and second moments."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from sde_momentum.compare.exact._linearize import affine_chain, affine_sde, expectation, magnitude, quadratic_observable
from sde_momentum.compare.orders._measured import Measured, NotApplicable
from sde_momentum.compare.question._question import Question, parameter_columns, raveled

# Sums of a few hundred products of doubles are trusted to so many roundings.
_ROUNDINGS = 32
_REMEDY = "; use method='transition' for states of one or two components, or method='coupled'"


def exact_errors(question: Question, rates: Sequence[float]) -> Measured:
    """Errors from closed moments; at t1 = ∞ those of the stationary laws.

    Raises:
        NotApplicable: the moments of rule, limit or an observable are not closed.
    """
    if question.limit.regime.schedules:
        raise NotApplicable("coefficients that change with time need method='coupled'.")
    with jax.enable_x64(True):
        question = question.in_double_precision()
        quadratics = []
        for name, function in question.observables.items():
            quadratics.append(quadratic_observable(function, question.parameters_at_start))
            if quadratics[-1] is None:
                raise NotApplicable(f"observable `{name}` is not quadratic, so moments do not give it{_REMEDY}.")
        errors = np.stack([_row(question, rate, quadratics) for rate in rates])
    what = "exact moments" if math.isfinite(question.t1) else "exact moments of the stationary laws"
    return Measured(errors, np.zeros_like(errors), what)


def _row(question: Question, rate: float, quadratics: list[Any]) -> np.ndarray:
    """Errors at one learning rate, shape `(observables, times)`."""
    process, equation = question.chain(rate), question.sde(rate)
    discrete = _linear(affine_chain(process, question.x0), "rule")
    continuous = _linear(affine_sde(equation, question.x0), "limit")
    if math.isinf(question.t1):
        laws = [_with_axis(discrete.stationary()), _with_axis(continuous.stationary())]
    else:
        steps = question.steps(float(process.step_time))
        starts = [raveled(p.init(question.x0)) for p in (process, equation)]
        laws = [discrete.moments(starts[0], steps), continuous.moments(starts[1], question.times)]
    columns = [parameter_columns(p.init(question.x0), question.parameters) for p in (process, equation)]
    parts = [
        [(m[c], s[np.ix_(c, c)]) for m, s in zip(law.mean, law.covariance, strict=True)]
        for law, c in zip(laws, columns, strict=True)
    ]
    values = [[[expectation(q, *part) for part in side] for q in quadratics] for side in parts]
    errors = np.subtract(*values)
    # A difference within the rounding of what is subtracted is none: it follows no power of the learning rate.
    sizes = [[[magnitude(q, *part) for part in side] for q in quadratics] for side in parts]
    return np.where(np.abs(errors) > _ROUNDINGS * np.finfo(float).eps * np.max(sizes, axis=0), errors, 0.0)


def _linear(found: Any, what: str) -> Any:
    if found is None:
        raise NotApplicable(f"the {what} is not linear on this problem, so its moments are not closed{_REMEDY}.")
    return found


def _with_axis(law: Any) -> Any:
    return law._replace(mean=law.mean[None], covariance=law.covariance[None])
