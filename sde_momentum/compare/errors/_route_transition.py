"""The route without sampling for states of few components: transition operators of rule and limit."""

import math
from collections.abc import Sequence

import jax
import numpy as np

from sde_momentum.compare.orders._measured import Measured, NotApplicable
from sde_momentum.compare.question._question import Question
from sde_momentum.compare.transition._chebyshev import LARGEST
from sde_momentum.compare.transition._noise_points import describe_noise, noise_points, with_few_normals
from sde_momentum.compare.transition._sides import Side
from sde_momentum.dynamics import SDE, Chain


def transition_errors(question: Question, rates: Sequence[float], *, thorough: bool = True) -> Measured:
    """Errors from transition operators, with the residual of their own refinement in place of standard errors.

    Args:
        question: what is compared.
        rates: learning rates.
        thorough: take states of up to twenty components, and minutes for a box in two dimensions where frames do not
            converge; otherwise up to two, and give up there.

    Raises:
        NotApplicable: too many components, noise that no finite sum gives, the stationary law asked for, an observable
            that is not finite on the grid, or a process that leaves every box with a probability that matters.
    """
    if math.isinf(question.t1):
        raise NotApplicable("transition operators need a finite t1: take several relaxation times.")
    size = _checked_size(question, rates[0], LARGEST if thorough else 2)
    with jax.enable_x64(True):
        question = question.in_double_precision()
        # The numbers beside a schedule are compiled in: such programs serve one learning rate.
        moving = bool(question.limit.regime.schedules)
        programs = [_Programs(question, float(rate), thorough) for rate in (rates if moving else rates[:1])]
        rows = [_row(question, float(rate), programs[k if moving else 0]) for k, rate in enumerate(rates)]
    errors, residuals, converged = (np.stack(part) for part in zip(*rows, strict=True))
    if not np.all(np.isfinite(errors)):
        bad = [float(rate) for rate, row in zip(rates, errors, strict=True) if not np.all(np.isfinite(row))]
        raise NotApplicable(
            f"rule or limit leaves every box at learning rates {bad}: lower them, shorten t1, or use method='coupled'."
        )
    if size > 1 and not (thorough or converged.all()):
        raise NotApplicable("moving frames do not converge; a box in two dimensions takes method='transition'.")
    method = f"transition operators, {describe_noise(question.problem)}, residual at most {residuals.max():.1e}"
    return Measured(errors, residuals, method, converged=converged)


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


def _row(question: Question, rate: float, programs: "_Programs"):
    """Errors and residuals at one learning rate, shape `(observables, times)`, and whether all converged."""
    process, equation = programs.processes(rate)
    left = programs.chain.at(process, process.init(question.x0))
    right = programs.sde.at(equation, equation.init(question.x0))
    box = {"box": programs.box and (programs.thorough or len(left.start) == len(right.start) == 1)}
    cells, good = [], True
    for time, steps in zip(question.times, question.steps(float(process.step_time)), strict=True):
        discrete = left.chain_expectation(steps, programs.law, programs.table, **box)
        continuous = right.sde_expectation(time, **box)
        good = good and discrete.converged and continuous.converged
        cells.append((discrete.values - continuous.values, discrete.residuals + continuous.residuals))
    errors, residuals = (np.stack(part, axis=-1) for part in zip(*cells, strict=True))
    return errors, residuals, good


class _Programs:
    """The compiled functions of both sides, made once: learning rates differ in arrays only."""

    def __init__(self, question: Question, rate: float, thorough: bool):
        self.question, self.thorough = question, thorough
        # A box takes the same coefficients at all times.
        self.box = not question.limit.regime.schedules
        self.small = with_few_normals(
            question.problem, sum(leaf.size for leaf in jax.tree.leaves(question.parameters_at_start))
        )
        self.law, self.table = noise_points(self.small)
        self.chain, self.sde = (self._side(process) for process in self.processes(rate))

    def processes(self, rate: float) -> tuple[Chain, SDE]:
        """Rule and limit at a learning rate."""
        return self.question.chain(rate, self.small), self.question.sde(rate)

    def _side(self, process: Chain | SDE) -> Side:
        return Side(process, process.init(self.question.x0), self.question.observables, self.question.parameters)
