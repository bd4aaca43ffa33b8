"""The route without sampling for states of one or two components: transition operators of rule and limit."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from sde_momentum.compare._measured import Measured, NotApplicable
from sde_momentum.compare._noise_points import describe_noise, noise_points, with_few_normals
from sde_momentum.compare._transition import chain_expectation, sde_expectation
from sde_momentum.compare._weak_question import Question, raveled
from sde_momentum.dynamics import SDE, Chain

# Every batch is padded to whole chunks of this many points, so that one compiled program serves all grids.
_CHUNK = 512


def transition_errors(question: Question, rates: Sequence[float], *, largest: int = 2) -> Measured:
    """Errors from transition operators, with the residual of their own refinement in place of standard errors.

    Args:
        question: what is compared.
        rates: learning rates.
        largest: states of more components are refused, 1 or 2.

    Raises:
        NotApplicable: too many components, noise that no finite sum gives, the stationary law asked for, an observable
            that is not finite on the grid, or a process that leaves every box with a probability that matters.
    """
    if question.limit.regime.schedules:
        raise NotApplicable("coefficients that change with time need method='coupled'.")
    if math.isinf(question.t1):
        raise NotApplicable("transition operators need a finite t1: take several relaxation times.")
    _check_dimension(question, rates[0], largest)
    with jax.enable_x64(True):
        question = question.in_double_precision()
        programs = _Programs(question, float(rates[0]))
        rows = [_row(question, float(rate), programs) for rate in rates]
    errors, residuals, converged = (np.stack(part) for part in zip(*rows, strict=True))
    if not np.all(np.isfinite(errors)):
        bad = [float(rate) for rate, row in zip(rates, errors, strict=True) if not np.all(np.isfinite(row))]
        raise NotApplicable(
            f"rule or limit leaves every box at learning rates {bad}: lower them, shorten t1, or use method='coupled'."
        )
    method = f"transition operators, {describe_noise(question.problem)}, residual at most {residuals.max():.1e}"
    return Measured(errors, residuals, method, converged=converged)


def _check_dimension(question: Question, rate: float, largest: int) -> None:
    """Refuse states of too many components before anything is computed."""
    if not question.problem.independent_steps:
        raise NotApplicable("steps that walk through epochs are no Markov chain of the parameters alone; sample it.")
    for process, what in ((question.chain(rate), "rule"), (question.sde(rate), "limit")):
        state = jax.eval_shape(process.init, question.x0)
        size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state))
        if size > largest:
            raise NotApplicable(
                f"the state of the {what} has {size} components, and transition operators serve one or two; use "
                "method='exact' where moments are closed, or method='coupled'."
            )


def _row(question: Question, rate: float, programs: "_Programs"):
    """Errors and residuals at one learning rate, shape `(observables, times)`, and whether all converged."""
    process, equation = programs.processes(rate)
    basis = inward_basis(process, question.x0)
    left, right = _Coordinates(programs.chain, process, basis), _Coordinates(programs.sde, equation, basis)
    cells, good = [], True
    for time, steps in zip(question.times, question.steps(float(process.step_time)), strict=True):
        discrete = chain_expectation(_step(left, programs.table), left.observables(), left.start, steps, programs.law)
        continuous = sde_expectation(*_equation(right), right.observables(), right.start, time)
        good = good and discrete.converged and continuous.converged
        cells.append((discrete.values - continuous.values, discrete.residuals + continuous.residuals))
    errors, residuals = (np.stack(part, axis=-1) for part in zip(*cells, strict=True))
    return errors, residuals, good


def inward_basis(process: Chain, x0: Any) -> np.ndarray:
    r"""Columns of coordinates in which a rule with momentum moves inward, such as $y = x - \eta\beta m/(1-\beta)$.

    They are the eigenvectors of the step at a gradient held at zero: the direction that does not decay, and the one
    that relaxes. Where those are no real basis the state's own coordinates serve.
    """
    state = process.init(x0)
    flat, unravel = ravel_pytree(state)
    still = jax.tree.map(jnp.zeros_like, state[process.rule.state[0]])
    matrix = np.asarray(jax.jacfwd(lambda z: ravel_pytree(process.update(unravel(z), still))[0])(flat))
    identity = np.eye(len(flat))
    if len(flat) == 1 or not np.all(np.isfinite(matrix)):
        return identity
    values, vectors = np.linalg.eig(matrix)
    if np.any(np.abs(np.imag(values)) > 0) or np.linalg.cond(vectors) > 1e4:
        return identity
    # The slow direction first; each column scaled so that its own component is one, as in y + ηβ/(1−β) m.
    order = np.argsort(-np.abs(values))
    vectors = np.real(vectors[:, order])
    scale = np.diag(vectors)
    return vectors / scale if np.all(np.abs(scale) > 1e-8) else identity


class _Programs:
    """The compiled functions of both sides, made once: learning rates differ in arrays only."""

    def __init__(self, question: Question, rate: float):
        self.question = question
        self.small = with_few_normals(
            question.problem, sum(leaf.size for leaf in jax.tree.leaves(question.parameters_at_start))
        )
        self.law, self.table = noise_points(self.small)
        process, equation = self.processes(rate)
        self.chain, self.sde = _Side(process, question), _Side(equation, question)

    def processes(self, rate: float) -> tuple[Chain, SDE]:
        """Rule and limit at a learning rate."""
        return self.question.chain(rate, self.small), self.question.sde(rate)


class _Side:
    """Rule or limit on raveled states, batched and compiled; what a jit would hash at every call is closed over."""

    def __init__(self, process: Chain | SDE, question: Question):
        self.x0 = question.x0
        unravel = ravel_pytree(process.init(question.x0))[1]
        static = eqx.partition(_as_jax(process), eqx.is_array)[1]
        name = question.parameters

        def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(arrays: Any, points: Any, draw: Any) -> Any:
                one = eqx.combine(arrays, static)
                return jax.vmap(lambda z: function(one, z, draw), -1, -1)(points)

            return jax.jit(call)

        flat = lambda state: ravel_pytree(state)[0]
        self.advance = compiled(lambda one, z, draw: flat(one.step(0, unravel(z), draw)))
        self.drift = compiled(lambda one, z, draw: flat(one.drift(0.0, unravel(z), None)))
        self.factor = compiled(lambda one, z, draw: _columns(one, z, unravel))
        self.observables = [
            compiled(lambda one, z, draw, f=f: jnp.asarray(f(unravel(z)[name]))) for f in question.observables.values()
        ]


def _columns(process: SDE, z: Any, unravel: Callable[[Any], Any]) -> Any:
    product = lambda w: ravel_pytree(process.noise_product(0.0, unravel(z), None, w))[0]
    return jax.vmap(product, out_axes=-1)(jnp.eye(process.noise_dim, dtype=z.dtype))


def _as_jax(process: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if eqx.is_array_like(leaf) else leaf, process)


class _Coordinates:
    """A side at one learning rate, in the coordinates of a basis, called on many states at once."""

    def __init__(self, side: _Side, process: Chain | SDE, basis: np.ndarray):
        flat = raveled(process.init(side.x0))
        self.side, self.arrays = side, eqx.partition(_as_jax(process), eqx.is_array)[0]
        self.basis = basis if len(flat) == len(basis) else np.eye(len(flat))
        self.inverse = np.linalg.inv(self.basis)
        start = self.inverse @ flat
        self.start = float(start[0]) if len(start) == 1 else start

    def observables(self) -> list[Callable[[np.ndarray], np.ndarray]]:
        """Functions of points, shape `(N,)` or `(2, N)`, to numbers of shape `(N,)`."""
        return [lambda points, f=f: self.batch(f, points) for f in self.side.observables]

    def batch(self, function: Callable[..., Any], points: np.ndarray, draw: Any = None) -> np.ndarray:
        """A function of one state at many points, in padded chunks."""
        points = self.basis @ np.atleast_2d(points)
        count = points.shape[1]
        padded = np.pad(points, ((0, 0), (0, -count % _CHUNK)), mode="edge")
        parts = [
            np.asarray(function(self.arrays, padded[:, k : k + _CHUNK], draw))
            for k in range(0, padded.shape[1], _CHUNK)
        ]
        return np.concatenate(parts, axis=-1)[..., :count]


def _step(at: _Coordinates, table: Any) -> Callable[[np.ndarray, Any], np.ndarray]:
    """The chain's step on points, given one noise point."""

    def step(points: np.ndarray, xi: Any) -> np.ndarray:
        draw = np.atleast_1d(xi) if table is None else table[xi]
        moved = at.inverse @ at.batch(at.side.advance, points, draw)
        return moved[0] if np.ndim(at.start) == 0 else moved

    return step


def _equation(at: _Coordinates) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """Drift and noise factor of the limit on points; in one dimension all noises are one of the same variance."""
    one = np.ndim(at.start) == 0

    def drift(points: np.ndarray) -> np.ndarray:
        value = at.inverse @ at.batch(at.side.drift, points)
        return value[0] if one else value

    def diffusion(points: np.ndarray) -> np.ndarray:
        columns = np.einsum("ij,jan->ian", at.inverse, at.batch(at.side.factor, points))
        return np.sqrt((columns[0] ** 2).sum(axis=0)) if one else columns

    return drift, diffusion
