"""Splitting an equation into what one weighted backward pass gives, −∇L dt + S dW, and the rest."""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PyTree

from sde_momentum.dynamics._lowering import evaluate
from sde_momentum.symbolic import Node, TensorExpression

_GRADIENT = (Node("L", ((-1,),)),)
_COLUMN = (Node("S", ((-1,), (-2,), ())),)


class Fused(NamedTuple):
    """Where ∇L stands in the drift and S in the factor, and what else there is.

    Attributes:
        gradient: position of ∇L among the drift's terms, or None.
        column: position of S among the factor's terms, or None.
        drift: the other terms of the drift, with their positions.
        factor: the other terms of the factor, with their positions.
    """

    gradient: int | None
    column: int | None
    drift: tuple[TensorExpression, tuple[int, ...]]
    factor: tuple[TensorExpression, tuple[int, ...]]

    def increment(self, process: Any, name: str, state: dict, dt: ArrayLike, dw: Array) -> PyTree[Array]:
        """B dt + B dw for one variable of a process."""
        parameters = process.limit.variables[0]
        x, values = state[parameters], {**process.constants, **state}
        drift, factor = process.drift_numbers.get(name, ()), process.factor_numbers.get(name, ())
        total = self._together(process.problem, x, drift, factor, dt, dw)
        pieces = []
        if self.drift[0]:
            numbers = tuple(drift[j] for j in self.drift[1])
            value = evaluate(self.drift[0], numbers, process.problem, values, parameters)
            pieces.append(jax.tree.map(lambda leaf: leaf * jnp.asarray(dt, leaf.dtype), value))
        if self.factor[0]:
            numbers = tuple(factor[j] for j in self.factor[1])
            pieces.append(evaluate(self.factor[0], numbers, process.problem, values, parameters, dw))
        for piece in pieces:
            total = jax.tree.map(jnp.add, total, piece)
        return total

    def _together(self, problem, x, drift, factor, dt, dw) -> PyTree[Array]:
        if self.column is not None:
            a = 0.0 if self.gradient is None else drift[self.gradient] * dt
            own = dw[: problem.noise_dim]  # the factor of squares has more columns than S
            return problem.weighted_gradient(x, a, jnp.asarray(factor[self.column], dw.dtype) * own)
        if self.gradient is not None:
            scale = drift[self.gradient] * dt
            return jax.tree.map(lambda leaf: jnp.asarray(scale, leaf.dtype) * leaf, problem.gradient(x))
        return jax.tree.map(jnp.zeros_like, x)


@lru_cache(maxsize=256)
def fuse(drift: TensorExpression, factor: TensorExpression) -> Fused:
    """Find ∇L and S among the terms of one variable's equation."""
    gradient = next((j for j, (graph, _) in enumerate(drift.terms) if graph == _GRADIENT), None)
    column = next((j for j, (graph, _) in enumerate(factor.terms) if graph == _COLUMN), None)
    return Fused(gradient, column, _others(drift, gradient), _others(factor, column))


def _others(expression: TensorExpression, left_out: int | None) -> tuple[TensorExpression, tuple[int, ...]]:
    positions = tuple(j for j in range(len(expression.terms)) if j != left_out)
    return TensorExpression(tuple(expression.terms[j] for j in positions)), positions
