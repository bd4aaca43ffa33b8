"""Errors without noise: iterates against the solution of an ordinary differential equation."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

from sde_momentum.compare.catalogue._controls import Perturbation
from sde_momentum.compare.catalogue._question import Measured, Question, State
from sde_momentum.dynamics import SDE, Chain

_TOLERANCE = 1e-13


def ordinary_errors(question: Question, wrong: Sequence[Perturbation | None]) -> list[Measured]:
    """Errors of a limit without noise and of changed ones, exact to the tolerance of the integrator.

    Args:
        question: what is compared; neither rule nor limit has noise in its regime.
        wrong: None for the limit itself, or a change.
    """
    discrete, continuous = [], [[] for _ in wrong]
    for rate in question.learning_rates:
        process, equation = question.chain(rate), question.sde(rate)
        state = _iterate(process, question.chain_start(process, rate), question.steps(process))
        discrete.append(_observed(question, state))
        for results, change in zip(continuous, wrong, strict=True):
            changed = equation if change is None else change.apply(equation)
            results.append(_observed(question, _solve(changed, question.sde_start(changed), question.t1)))
    floor = np.full(np.shape(discrete), 10 * _TOLERANCE)
    return [Measured.exact(np.array(discrete) - np.array(results), floor) for results in continuous]


def _observed(question: Question, state: State) -> list[float]:
    return [float(function(state[question.parameters])) for function in question.observables.values()]


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
