"""Weak errors of rules that use the sign of the gradient alone, in one dimension: their law on a lattice, exactly."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

from sde_momentum.compare.catalogue._controls import Perturbation
from sde_momentum.compare.catalogue._operators import Limits
from sde_momentum.compare.catalogue._question import Measured, Question
from sde_momentum.dynamics import Chain
from sde_momentum.problems import NormalDraw


def lattice_errors(question: Question, wrong: Sequence[Perturbation | None]) -> list[Measured]:
    r"""Weak errors of sign descent, and of normalized descent, for Gaussian noise in one dimension.

    A step is ±η, up where the stochastic gradient is negative: $P(g > 0) = \Phi(L'/(\sigma|S|))$. After k steps the law
    lives on k + 1 points of a lattice, and is computed there without approximation; the limit's side is the backward
    equation on a Chebyshev grid.

    Args:
        question: what is compared; one parameter, one normal a step.
        wrong: None for the limit itself, or a change.

    Raises:
        ValueError: noise that is not one normal a step, or a rule that uses more than the sign of the gradient.
    """
    if not isinstance(question.problem.draw, NormalDraw) or question.problem.noise_dim != 1:
        raise ValueError("the lattice serves one parameter with one normal a step; use coupled sampling for others")
    limits = Limits(question)
    discrete, continuous, residuals = [], [[] for _ in wrong], [[] for _ in wrong]
    for rate in question.learning_rates:
        process = question.chain(rate)
        discrete.append(_chain_expectations(question, process))
        equation = question.sde(rate)
        for k, change in enumerate(wrong):
            found = limits.expectation(equation if change is None else change.apply(equation))
            continuous[k].append(found.values)
            residuals[k].append(found.residuals)
    return [
        Measured.exact(np.array(discrete) - np.array(values), np.array(rest))
        for values, rest in zip(continuous, residuals, strict=True)
    ]


def _chain_expectations(question: Question, process: Chain) -> np.ndarray:
    steps, x0 = question.steps(process), float(np.asarray(question.x0))
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
