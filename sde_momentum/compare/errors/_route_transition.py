"""The route without sampling for states of few components: transition operators of rule and limit."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from sde_momentum.compare.orders._measured import Measured, NotApplicable
from sde_momentum.compare.question._question import Question
from sde_momentum.compare.transition._expectations import LARGEST
from sde_momentum.compare.transition._noise_points import describe_noise, noise_points, with_few_normals
from sde_momentum.compare.transition._sides import Side
from sde_momentum.compare.transition._ways import difference


def transition_errors(
    questions: Sequence[Question], rates: Sequence[float], *, thorough: bool = True
) -> list[Measured]:
    """Errors from transition operators, with the residual of their own refinement in place of standard errors.

    Args:
        questions: what is compared, one limit and changes of it; the rule is the same for all, and solved once.
        rates: learning rates.
        thorough: take states of up to twenty components, and minutes for a box in two dimensions where frames do not
            converge; otherwise up to two, and give up there.

    Raises:
        NotApplicable: too many components, noise that no finite sum gives, the stationary law asked for, an observable
            that is not finite on the grid, or a process that leaves every box with a probability that matters.
    """
    if math.isinf(questions[0].t1):
        raise NotApplicable("transition operators need a finite t1: take several relaxation times.")
    size = _checked_size(questions[0], rates[0], LARGEST if thorough else 2)
    with jax.enable_x64(True):
        questions = [question.in_double_precision() for question in questions]
        # The numbers beside a schedule are compiled in: such programs serve one learning rate.
        moving, box = bool(questions[0].limit.regime.schedules), thorough or size == 1
        programs = [_Programs(questions[0], float(rate), box) for rate in (rates if moving else rates[:1])]
        rows = [_row(questions, float(rate), programs[k if moving else 0]) for k, rate in enumerate(rates)]
    found = [_measured(question, rates, row) for question, row in zip(questions, zip(*rows, strict=True), strict=True)]
    if size > 1 and not (thorough or np.all(found[0].converged)):
        raise NotApplicable("moving frames do not converge; a box in two dimensions takes method='transition'.")
    return found


def _measured(question: Question, rates: Sequence[float], rows: Sequence[Any]) -> Measured:
    errors, residuals, converged = (np.stack(part) for part in zip(*rows, strict=True))
    lost = ~np.isfinite(errors)
    if question.change is None and np.any(lost):
        bad = [float(rate) for rate, row in zip(rates, lost, strict=True) if np.any(row)]
        raise NotApplicable(_escapes("the limit", bad))
    method = f"transition operators, {describe_noise(question.problem)}, residual at most {residuals.max():.1e}"
    # What no level confirmed is unknown: an uncertainty as large as the error itself leaves it below every gate.
    errors = np.where(lost, 0.0, errors)
    residuals = np.where(np.isfinite(residuals) & ~lost, residuals, 1 + np.abs(errors))
    return Measured(errors, residuals, method, converged=converged)


def _escapes(what: str, rates: Sequence[float]) -> str:
    listed = ", ".join(f"{rate:g}" for rate in rates)
    return (
        f"{what} leaves every box, at learning rate {listed}, with a probability that matters: lower the learning "
        "rates, shorten t1, or use method='coupled'."
    )


def _checked_size(question: Question, rate: float, largest: int) -> int:
    """Components of the larger state; too many are refused before anything is computed."""
    sizes = []
    for process, what in ((question.chain(rate), "rule"), (question.sde(rate), "limit")):
        state = jax.eval_shape(process.init, question.x0)
        size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state))
        if size > largest:
            raise NotApplicable(
                f"the state of the {what} has {size} components, and transition operators serve up to {LARGEST} (two "
                "unless they are named); use method='exact' where moments are closed, or method='coupled'."
            )
        sizes.append(size)
    return max(sizes)


def _row(questions: Sequence[Question], rate: float, programs: "_Programs") -> list[Any]:
    """For every question errors and residuals at one rate, shape `(observables, times)`, and whether all converged."""
    question = questions[0]
    process = question.chain(rate, programs.small)
    left, steps = programs.chain.at(process, process.init(question.x0)), question.steps(float(process.step_time))
    discrete = [left.chain_ways(count, programs.law, programs.table, box=programs.box) for count in steps]
    if any(ways.escapes for ways in discrete):
        # Before minutes go into a limit that will be compared with nothing.
        raise NotApplicable(_escapes("the rule", [rate]))
    found = []
    for question in questions:
        equation = question.sde(rate)
        right = programs.sde.at(equation, equation.init(question.x0))
        continuous = [right.sde_ways(time, box=programs.box) for time in question.times]
        apart = [difference(a, b) for a, b in zip(discrete, continuous, strict=True)]
        errors, residuals = (np.stack([getattr(e, part) for e in apart], -1) for part in ("values", "residuals"))
        found.append((errors, residuals, all(e.converged for e in apart)))
    return found


class _Programs:
    """The compiled functions of both sides, made once: learning rates differ in arrays only."""

    def __init__(self, question: Question, rate: float, box: bool):
        # A box takes the same coefficients at all times.
        self.box = box and not question.limit.regime.schedules
        self.small = with_few_normals(
            question.problem, sum(leaf.size for leaf in jax.tree.leaves(question.parameters_at_start))
        )
        self.law, self.table = noise_points(self.small)
        self.chain, self.sde = (
            Side(process, process.init(question.x0), question.observables, question.parameters)
            for process in (question.chain(rate, self.small), question.sde(rate))
        )
