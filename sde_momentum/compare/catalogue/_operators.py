"""Weak errors by transition operators: any smooth loss and noise, states of few components, no sampling."""

from collections.abc import Sequence

import numpy as np

from sde_momentum.compare.catalogue._controls import Perturbation
from sde_momentum.compare.catalogue._question import Measured, Question
from sde_momentum.compare.transition._expectation import Expectation
from sde_momentum.compare.transition._noise_points import noise_points
from sde_momentum.compare.transition._sides import Side
from sde_momentum.dynamics import SDE


def operator_errors(question: Question, wrong: Sequence[Perturbation | None]) -> list[Measured]:
    """Weak errors of the limit and of changed ones, up to the residual of their own refinement.

    The optimizer's expectations are computed once for all equations.

    Args:
        question: what is compared; rule and limit have at most four scalar state variables.
        wrong: None for the limit itself, or a change.
    """
    law, table = noise_points(question.problem)
    limits, side, discrete = Limits(question), None, []
    continuous: list[list[Expectation]] = [[] for _ in wrong]
    for rate in question.learning_rates:
        process = question.chain(rate)
        start = question.chain_start(process, rate)
        side = side or Side(process, start, question.observables, question.parameters)
        discrete.append(side.at(process, start).chain_expectation(question.steps(process), law, table))
        equation = question.sde(rate)
        for results, change in zip(continuous, wrong, strict=True):
            results.append(limits.expectation(equation if change is None else change.apply(equation)))
    return [_measured(discrete, results) for results in continuous]


class Limits:
    """Expected observables of limits of one question, compiled once.

    Args:
        question: start, end and observables.
    """

    def __init__(self, question: Question):
        self.question = question
        self.side: Side | None = None

    def expectation(self, equation: SDE) -> Expectation:
        """Expected observables at the end of the limit at one learning rate, or of a changed one."""
        start = self.question.sde_start(equation)
        if self.side is None:
            self.side = Side(equation, start, self.question.observables, self.question.parameters)
        return self.side.at(equation, start).sde_expectation(self.question.t1)


def _measured(discrete: Sequence[Expectation], continuous: Sequence[Expectation]) -> Measured:
    pairs = list(zip(discrete, continuous, strict=True))
    errors = np.stack([left.values - right.values for left, right in pairs])
    residuals = np.stack([left.residuals + right.residuals for left, right in pairs])
    # What no level confirmed is unknown: as large an uncertainty as the error itself leaves it below every gate.
    unknown = ~np.isfinite(errors + residuals)
    errors = np.where(np.isfinite(errors), errors, 0.0)
    return Measured.exact(errors, np.where(unknown, 1 + np.abs(errors), residuals))
