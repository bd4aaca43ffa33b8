"""Exact errors where learning rate or momentum change with time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sde_momentum.compare.exact._linearize import expected_and_size, require_linear
from sde_momentum.compare.exact._scheduled_chain import scheduled_chain_moments
from sde_momentum.compare.exact._scheduled_sde import scheduled_sde_moments
from sde_momentum.compare.orders._measured import Measured
from sde_momentum.compare.question._question import Question, parameter_columns

# What integration in time may be off by, beside what is subtracted, where it is said to have converged.
_CONVERGED = 1e-11


def scheduled_errors(questions: Sequence[Question], rates: Sequence[float], quadratics: list[Any]) -> list[Measured]:
    """Errors of a limit under schedules and of changed ones, and what integration in time leaves unknown of them.

    Args:
        questions: what is compared, in double precision; the rule is the same for all, and marched once.
        rates: learning rates.
        quadratics: the observables.
    """
    discrete = [_discrete(questions[0], rate, quadratics) for rate in rates]
    return [_measured(question, rates, discrete, quadratics) for question in questions]


def _discrete(question: Question, rate: float, quadratics: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Expectations and sizes, shape `(2, observables, times)`, and the steps."""
    process = question.chain(rate)
    steps = question.steps(float(process.step_time))
    law = require_linear(scheduled_chain_moments(process, question.x0, steps), "rule")
    columns = parameter_columns(process.init(question.x0), question.parameters)
    return expected_and_size(quadratics, law, columns), np.array(steps)


def _measured(question: Question, rates: Sequence[float], discrete: Sequence, quadratics: list[Any]) -> Measured:
    errors, residuals, converged, jumps = [], [], [], []
    for rate, ((value, size), steps) in zip(rates, discrete, strict=True):
        equation = question.sde(rate)
        law = require_linear(scheduled_sde_moments(equation, question.x0, question.times), "limit")
        columns = parameter_columns(equation.init(question.x0), question.parameters)
        (sharp, width), (rough, _) = (expected_and_size(quadratics, m, columns) for m in (law.sharp, law.rough))
        apart, size = np.abs(sharp - rough), np.maximum(size, width)
        errors.append(value - sharp)
        # One rounding in each of the steps, as if they all had the same sign.
        residuals.append(apart + np.finfo(float).eps / 2 * steps * size)
        converged.append(bool(np.all(apart <= _CONVERGED * size)))
        jumps += [] if law.jump is None else [law.jump]
    method = f"exact moments along the schedules, residual at most {np.max(residuals):.1e}"
    jump = jumps[0] if jumps else None
    return Measured(np.stack(errors), np.stack(residuals), method, converged=np.array(converged), jump=jump)
