"""Weak errors by transition operators: any smooth loss and noise, states of one or two components, no sampling."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from sde_momentum.compare._catalogue_controls import Perturbation
from sde_momentum.compare._catalogue_question import Measured, Question, State
from sde_momentum.compare._noise_points import noise_points
from sde_momentum.compare._route_transition import inward_basis
from sde_momentum.compare._transition import Expectation, chain_expectation, sde_expectation
from sde_momentum.dynamics import SDE


def operator_errors(question: Question, wrong: Sequence[Perturbation | None]) -> list[Measured]:
    """Weak errors of the limit and of changed ones, up to the residual of the grids' own refinement.

    The optimizer's expectations are computed once for all equations.

    Args:
        question: what is compared; rule and limit have at most two scalar state variables.
        wrong: None for the limit itself, or a change.
    """
    law, table = noise_points(question.problem)
    discrete, continuous = [], [[] for _ in wrong]
    for rate in question.learning_rates:
        process = question.chain(rate)
        left = _Points(process, question.chain_start(process, rate), question, inward_basis(process, question.x0))
        discrete.append(
            chain_expectation(_step(left, table), left.observables(), left.start, question.steps(process), law)
        )
        equation = question.sde(rate)
        for results, change in zip(continuous, wrong, strict=True):
            changed = equation if change is None else change.apply(equation)
            results.append(limit_expectation(question, changed, left.basis))
    return [_measured(discrete, results) for results in continuous]


def limit_expectation(question: Question, equation: SDE, basis: np.ndarray | None = None) -> Expectation:
    """Expected observables of a limit at the end.

    Args:
        question: start, end and observables.
        equation: the limit at one learning rate.
        basis: columns of the coordinates of the grid; those of the state by default.
    """
    start = question.sde_start(equation)
    size = len(ravel_pytree(start)[0])
    side = _Points(equation, start, question, np.eye(size) if basis is None else basis)
    return sde_expectation(*_equation(side), side.observables(), side.start, question.t1)


def _measured(discrete: Sequence, continuous: Sequence) -> Measured:
    pairs = list(zip(discrete, continuous, strict=True))
    errors = np.stack([left.values - right.values for left, right in pairs])
    return Measured.exact(errors, np.stack([left.residuals + right.residuals for left, right in pairs]))


class _Points:
    """A process at many states at once, in the coordinates of a basis."""

    def __init__(self, process: Any, start: State, question: Question, basis: np.ndarray):
        flat, unravel = ravel_pytree(start)
        self.process, self.unravel, self.question = process, unravel, question
        self.basis = basis if len(flat) == len(basis) else np.eye(len(flat))
        self.inverse = np.linalg.inv(self.basis)
        self.single = len(flat) == 1
        place = self.inverse @ np.asarray(flat)
        self.start = float(place[0]) if self.single else place

    def evaluate(self, function: Callable[..., Any], points: np.ndarray, extra: Any = None) -> np.ndarray:
        """A function of (process, unravel, state, extra) at points of shape `(N,)` or `(d, N)`."""
        states = self.basis @ np.atleast_2d(points)
        return np.asarray(function(self.process, self.unravel, jnp.asarray(states), extra))

    def observables(self) -> list[Callable[[np.ndarray], np.ndarray]]:
        """The question's observables as functions of points."""
        name = self.question.parameters
        return [
            lambda points, f=f: self.evaluate(_observed, points, (f, name)) for f in self.question.observables.values()
        ]


def _step(side: _Points, table: Any) -> Callable[[np.ndarray, Any], np.ndarray]:
    def step(points: np.ndarray, xi: Any) -> np.ndarray:
        draw = jnp.atleast_1d(jnp.asarray(xi)) if table is None else jnp.asarray(table[xi])
        moved = side.inverse @ side.evaluate(_advanced, points, draw)
        return moved[0] if side.single else moved

    return step


def _equation(side: _Points) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    def drift(points: np.ndarray) -> np.ndarray:
        value = side.inverse @ side.evaluate(_drift, points)
        return value[0] if side.single else value

    def diffusion(points: np.ndarray) -> np.ndarray:
        columns = np.einsum("ij,jan->ian", side.inverse, side.evaluate(_columns, points))
        # In one dimension several sources of noise are one with the same variance.
        return np.sqrt((columns[0] ** 2).sum(axis=0)) if side.single else columns

    return drift, diffusion


@eqx.filter_jit
def _advanced(process, unravel, states, draw):
    return jax.vmap(lambda z: ravel_pytree(process.step(0, unravel(z), draw))[0], -1, -1)(states)


@eqx.filter_jit
def _drift(process, unravel, states, extra):
    return jax.vmap(lambda z: ravel_pytree(process.drift(0.0, unravel(z), None))[0], -1, -1)(states)


@eqx.filter_jit
def _columns(process, unravel, states, extra):
    def columns(z):
        product = lambda w: ravel_pytree(process.noise_product(0.0, unravel(z), None, w))[0]
        return jax.vmap(product, out_axes=-1)(jnp.eye(process.noise_dim, dtype=z.dtype))

    return jax.vmap(columns, -1, -1)(states)


@eqx.filter_jit
def _observed(process, unravel, states, extra):
    function, name = extra
    return jax.vmap(lambda z: jnp.asarray(function(unravel(z)[name])), -1, -1)(states)
