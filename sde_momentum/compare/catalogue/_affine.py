"""Weak errors from closed moments: linear rules on quadratic losses, with additive or multiplicative noise."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from sde_momentum.compare.catalogue._controls import Perturbation
from sde_momentum.compare.catalogue._question import Measured, Question, State
from sde_momentum.compare.exact._linearize import expectation, quadratic_observable
from sde_momentum.compare.exact._stacked import affine_chains, affine_sdes


def affine_errors(question: Question, wrong: Sequence[Perturbation | None]) -> list[Measured] | None:
    """Exact weak errors of the limit and of changed ones, or None where first and second moments are not closed.

    Their deviations are what rounding may do to them over as many steps as there are.

    Args:
        question: what is compared.
        wrong: None for the limit itself, or a change.
    """
    x0 = question.start[question.parameters]
    quadratics = [quadratic_observable(function, x0) for function in question.observables.values()]
    if any(found is None for found in quadratics):
        return None
    discrete = _discrete(question, quadratics)
    if discrete is None:
        return None
    # One rounding of the matrix of a step, taken to the power of their number.
    steps = np.array([question.steps(question.chain(rate)) for rate in question.learning_rates])
    rounding = np.finfo(float).eps / 2 * steps[:, None] * np.abs(discrete)
    found = []
    for change in wrong:
        continuous = _continuous(question, quadratics, change)
        if continuous is None:
            return None
        found.append(Measured.exact(discrete - continuous, rounding))
    return found


def _discrete(question: Question, quadratics: Sequence) -> np.ndarray | None:
    processes = [question.chain(rate) for rate in question.learning_rates]
    starts = [question.chain_start(p, rate) for p, rate in zip(processes, question.learning_rates, strict=True)]
    forms = affine_chains(processes, starts[0])
    if forms is None:
        return None
    laws = [
        form.moments(_raveled(start), [question.steps(p)])
        for form, start, p in zip(forms, starts, processes, strict=True)
    ]
    return _expectations(laws, _columns(starts[0], question.parameters), quadratics)


def _continuous(question: Question, quadratics: Sequence, change: Perturbation | None) -> np.ndarray | None:
    equations = [question.sde(rate) for rate in question.learning_rates]
    if change is not None:
        equations = [change.apply(equation) for equation in equations]
    starts = [question.sde_start(equation) for equation in equations]
    forms = affine_sdes(equations, starts[0])
    if forms is None:
        return None
    laws = [form.moments(_raveled(start), [question.t1]) for form, start in zip(forms, starts, strict=True)]
    return _expectations(laws, _columns(starts[0], question.parameters), quadratics)


def _expectations(laws: Sequence, columns: np.ndarray, quadratics: Sequence) -> np.ndarray:
    rows = []
    for law in laws:
        mean, covariance = law.mean[0][columns], law.covariance[0][np.ix_(columns, columns)]
        rows.append([expectation(quadratic, mean, covariance) for quadratic in quadratics])
    return np.array(rows)


def _raveled(state: State) -> np.ndarray:
    return np.asarray(ravel_pytree(state)[0], dtype=float)


def _columns(state: State, parameters: str) -> np.ndarray:
    """Positions of the parameters in the raveled state."""
    marks = {name: jnp.full_like(ravel_pytree(value)[0], float(name == parameters)) for name, value in state.items()}
    return np.flatnonzero(_raveled(marks))
