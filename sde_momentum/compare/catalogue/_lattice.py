"""Weak errors of rules that use the sign of the gradient alone, in one dimension: their law on a lattice, exactly."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

from sde_momentum.compare.orders._measured import Measured
from sde_momentum.compare.question._question import Question
from sde_momentum.compare.transition._sides import Side
from sde_momentum.dynamics import Chain
from sde_momentum.problems import NormalDraw


def lattice_errors(questions: Sequence[Question], rates: Sequence[float]) -> list[Measured]:
    r"""Weak errors of sign descent, and of normalized descent, for Gaussian noise in one dimension.

    A step is ±η, up where the stochastic gradient is negative: $P(g > 0) = \Phi(L'/(\sigma|S|))$. After k steps the law
    lives on k + 1 points of a lattice, and is computed there without approximation; the limit's side is the backward
    equation on a Chebyshev grid.

    Args:
        questions: what is compared, one limit and changes of it; one parameter, one normal a step, and one time.
        rates: learning rates.

    Raises:
        ValueError: noise that is not one normal a step, or a rule that uses more than the sign of the gradient.
    """
    first = questions[0]
    if not isinstance(first.problem.draw, NormalDraw) or first.problem.noise_dim != 1:
        raise ValueError("the lattice serves one parameter with one normal a step; use coupled sampling for others")
    discrete = np.array([_chain_expectations(first, first.chain(rate)) for rate in rates])
    side = _limit_side(first, rates[0])
    found = []
    for question in questions:
        equations = [question.sde(rate) for rate in rates]
        limits = [side.at(one, one.init(question.x0)).sde_ways(question.t1, box=True).expectation for one in equations]
        errors = discrete - np.array([limit.values for limit in limits])
        residuals = np.array([limit.residuals for limit in limits])
        found.append(Measured(errors[..., None], residuals[..., None], "the law on a lattice"))
    return found


def _limit_side(question: Question, rate: float) -> Side:
    equation = question.sde(rate)
    return Side(equation, equation.init(question.x0), question.observables, question.parameters)


def _chain_expectations(question: Question, process: Chain) -> np.ndarray:
    (steps,), x0 = question.steps(float(process.step_time)), float(question.x0)
    stride = _stride(process, question.x0)
    places = x0 - stride * np.arange(-steps, steps + 1)
    up = _positive(process, jnp.asarray(places))
    mass = np.zeros(2 * steps + 1)
    mass[steps] = 1.0
    for _ in range(steps):
        down = up * mass
        rest = mass - down
        mass = np.zeros_like(mass)
        mass[1:] += down[:-1]
        mass[:-1] += rest[1:]
    return np.array([float(mass @ np.asarray(jax.vmap(f)(jnp.asarray(places)))) for f in question.observables.values()])


def _stride(process: Chain, x0: object) -> float:
    """How far a step with a positive gradient leads down; the same for every size of the gradient."""
    state = process.init(jnp.asarray(x0))
    name = process.rule.state[0]
    moves = [float(state[name] - process.update(state, jnp.asarray(g))[name]) for g in (0.3, 2.0, -0.7)]
    if len(state) > 1 or not np.allclose(moves, [moves[0], moves[0], -moves[0]], rtol=1e-12):
        raise ValueError(f"rule `{process.rule.name}` uses more than the sign of the gradient: no lattice carries it")
    return moves[0]


@eqx.filter_jit
def _scaled_gradients(process: Chain, places: jax.Array) -> jax.Array:
    problem = process.problem
    spread = jax.vmap(lambda x: problem.noise_product(x, jnp.ones(1)))(places)
    return jax.vmap(problem.gradient)(places) / (process.noise_scale * jnp.abs(spread))


def _positive(process: Chain, places: jax.Array) -> np.ndarray:
    """P(g > 0) at each place."""
    return norm.cdf(np.asarray(_scaled_gradients(process, places)))
