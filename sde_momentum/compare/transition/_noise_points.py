"""The noise of a problem as finitely many draws with weights, for transition operators."""

from itertools import combinations, combinations_with_replacement
from math import comb, factorial, prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.compare.orders._measured import NotApplicable
from sde_momentum.compare.transition._noise import NoiseLaw
from sde_momentum.problems import AbstractProblem, AbstractWrapped, IndexDraw, NormalDraw, SignDraw, SubsetDraw

_LARGEST = 4096
_NORMALS = 8


class SmallFactor(AbstractWrapped):
    """Gaussian noise with as many columns as parameters, S S^T = Σ: the same law from one or two normals a step."""

    problem: AbstractProblem
    draw: NormalDraw

    leading_cumulant = None

    @property
    def noise_dim(self) -> int:
        """One column a parameter."""
        return self.draw.size

    def factor(self, x: PyTree[ArrayLike]) -> Float[Array, "dimension noise_dim"]:
        """Return the lower triangular root of Σ; zero columns where Σ is singular."""
        covariance = self.problem.covariance(x)
        first = jnp.sqrt(covariance[0, 0])
        if self.draw.size == 1:
            return first[None, None]
        below = jnp.where(first > 0, covariance[0, 1] / jnp.where(first > 0, first, 1.0), 0.0)
        second = jnp.sqrt(jnp.maximum(covariance[1, 1] - below**2, 0.0))
        return jnp.array([[first, jnp.zeros_like(first)], [below, second]])

    def noise_product(self, x: PyTree[ArrayLike], w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return S(x) w."""
        return ravel_pytree(x)[1](self.factor(x) @ jnp.asarray(w))

    def weighted_gradient(self, x: PyTree[ArrayLike], a: ArrayLike, w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return a ∇L(x) + S(x) w."""
        return jax.tree.map(lambda g, n: a * g + n, self.gradient(x), self.noise_product(x, w))

    def stochastic_gradient(
        self, x: PyTree[ArrayLike], draw: Float[ArrayLike, " noise_dim"], noise_scale: ArrayLike = 1.0
    ) -> PyTree[Array]:
        """Return ∇L(x) + σ S(x) z."""
        return self.weighted_gradient(x, 1.0, noise_scale * jnp.asarray(draw))


def with_few_normals(problem: AbstractProblem, dimension: int) -> AbstractProblem:
    """The problem itself, or its twin with one normal a parameter where one or two of these draw more than two."""
    if isinstance(problem.draw, NormalDraw) and problem.noise_dim > 2 and dimension <= 2:
        return SmallFactor(problem, NormalDraw(dimension))
    return problem


def noise_points(problem: AbstractProblem) -> tuple[NoiseLaw, Any]:
    """The law of one step's draw, and the draws its points stand for.

    Args:
        problem: says what a step draws.

    Returns:
        A `NoiseLaw`, and the table of draws whose rows its points number; None where the points are the draws.

    Raises:
        NotApplicable: too many draws, or a law that is neither Gaussian nor finite.
    """
    draw = problem.draw
    if isinstance(draw, NormalDraw):
        if draw.size > _NORMALS:
            raise NotApplicable(
                f"one step draws {draw.size} normals, at most {_NORMALS} are summed; take method='coupled', or "
                "method='exact' where moments are closed."
            )
        return NoiseLaw.gaussian(draw.size), None
    if isinstance(draw, SignDraw):
        count, rows = 2**draw.size, lambda: _signs(draw.size)
    elif isinstance(draw, IndexDraw):
        count, rows = comb(draw.population + draw.size - 1, draw.size), lambda: _batches(draw)
    elif isinstance(draw, SubsetDraw):
        count, rows = comb(draw.population, draw.size), lambda: _subsets(draw)
    else:
        raise NotApplicable(f"the noise {type(draw).__name__} has no finite sum that is its law; {_REMEDY}.")
    if count > _LARGEST:
        raise NotApplicable(f"one step has {count} possible draws, at most {_LARGEST} are summed; {_REMEDY}.")
    table, weights = rows()
    return NoiseLaw.finite(np.arange(count), weights), np.asarray(table)


_REMEDY = "pass problem.gaussian(), its twin with the same covariance, or method='coupled'"


def _signs(size: int):
    table = np.array(np.meshgrid(*[[-1.0, 1.0]] * size)).reshape(size, -1).T
    return table, np.full(len(table), 1 / len(table))


def _batches(draw: IndexDraw):
    """Every multiset of B of the n examples, with its multinomial probability."""
    table = np.array(list(combinations_with_replacement(range(draw.population), draw.size)))
    repeats = [prod(factorial(k) for k in np.unique(row, return_counts=True)[1]) for row in table]
    weights = factorial(draw.size) / np.array(repeats, dtype=float) / float(draw.population) ** draw.size
    return table, weights


def _subsets(draw: SubsetDraw):
    table = np.array(list(combinations(range(draw.population), draw.size)))
    return table, np.full(len(table), 1 / len(table))


def describe_noise(problem: AbstractProblem) -> str:
    """The law of a step's draw in words."""
    if isinstance(problem.draw, NormalDraw):
        return "Gauss–Hermite noise"
    return "exact sum over signs" if isinstance(problem.draw, SignDraw) else "exact sum over minibatches"
