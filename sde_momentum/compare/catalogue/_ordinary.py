"""Errors without noise: iterates against the solution of an ordinary differential equation."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree
from scipy.integrate import solve_ivp

from sde_momentum.compare.orders._measured import Measured
from sde_momentum.compare.question._question import Question
from sde_momentum.dynamics import SDE, Chain

State = dict[str, PyTree[Array]]
_TOLERANCE = 1e-13


def ordinary_errors(questions: Sequence[Question], rates: Sequence[float]) -> list[Measured]:
    """Errors of a limit without noise and of changes of it, exact to the tolerance of the integrator.

    Args:
        questions: what is compared, at one time; neither rule nor limit has noise in its regime.
        rates: learning rates.
    """
    first = questions[0]
    discrete = np.array([_observed(first, _iterates(first, rate)) for rate in rates])
    found = []
    for question in questions:
        continuous = np.array([_observed(question, _solution(question, rate)) for rate in rates])
        floor = np.full(discrete.shape, 10 * _TOLERANCE)
        found.append(Measured((discrete - continuous)[..., None], floor[..., None], "ordinary differential equation"))
    return found


def _observed(question: Question, state: State) -> list[float]:
    return [float(function(state[question.parameters])) for function in question.observables.values()]


def _iterates(question: Question, rate: float) -> State:
    """The state of the rule at the end."""
    process = question.chain(rate)
    return _iterate(process, process.init(question.x0), *question.steps(float(process.step_time)))


def _solution(question: Question, rate: float) -> State:
    """The state of the limit at the end."""
    equation = question.sde(rate)
    return _solve(equation, equation.init(question.x0), question.t1)


@eqx.filter_jit
def _iterate(process: Chain, state: State, steps: Any) -> State:
    quiet = jnp.zeros(process.noise_dim)
    return jax.lax.fori_loop(0, jnp.asarray(steps), lambda k, z: process.step(k, z, quiet), state)


def _solve(equation: SDE, start: State, time: float) -> State:
    flat, unravel = ravel_pytree(start)
    rate = lambda _, z: np.asarray(_rate(equation, unravel, jnp.asarray(z)))
    solution = solve_ivp(rate, (0.0, time), np.asarray(flat), method="DOP853", rtol=_TOLERANCE, atol=_TOLERANCE)
    return unravel(jnp.asarray(solution.y[:, -1]))


@eqx.filter_jit
def _rate(equation: SDE, unravel: Any, z: jax.Array) -> jax.Array:
    return ravel_pytree(equation.drift(0.0, unravel(z), None))[0]
