"""From tensor expressions to automatic differentiation.

A vector expression Σ c · graph is evaluated for one replica: nodes become derivatives along vectors, so the same limit
runs on a parabola and on a network, and neither H nor Σ is ever formed. A graph with a cycle costs one evaluation for
each basis vector or noise column; `cost` says how many.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import sympy as sp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.dynamics._contraction import BASIS, COLUMN, OUTPUT, components, ends, is_diagonal, passes, plan
from sde_momentum.dynamics._field_values import component_values, deviation_node, scalar_value
from sde_momentum.dynamics._joint_noise import SQUARES, cumulant_node, diagonal_node, squares_product
from sde_momentum.dynamics._node_values import (
    covariance_node,
    factor_node,
    inner,
    loss_node,
    loss_scalar,
)
from sde_momentum.problems import AbstractProblem
from sde_momentum.symbolic import Graph, Label, TensorExpression, function_expression, scalar_expression

Vector = PyTree[Array]
State = dict[str, Vector]


class Surroundings(NamedTuple):
    """What a node may depend on: the problem, one replica's state, noise weights, and running sum indices."""

    problem: AbstractProblem
    state: State
    parameters: str
    weights: Array | None
    unit: dict[Label, Array]

    @property
    def columns(self) -> Array | None:
        """The weights of the columns of S; R has more columns."""
        return None if self.weights is None else self.weights[: self.problem.noise_dim]

    @property
    def x(self) -> Vector:
        """The parameters."""
        return self.state[self.parameters]


def evaluate(
    expression: TensorExpression,
    coefficients: tuple[Any, ...],
    problem: AbstractProblem,
    state: State,
    parameters: str,
    weights: Array | None = None,
) -> Vector:
    """Σ_j coefficients[j] · graph_j at one replica's state, a pytree like the parameters.

    Args:
        expression: a vector expression; its second free index, if any, is a noise column.
        coefficients: numbers in the order of the expression's terms.
        problem: loss and noise factor.
        state: variable → pytree. Its order means nothing: JAX sorts the keys of a dict.
        parameters: the variable that holds the parameters.
        weights: noise weights w for the columns of S, and further ones for those that R alone has.
    """
    around = Surroundings(problem, state, parameters, weights, {})
    total = jax.tree.map(jnp.zeros_like, around.x)
    for (graph, _), coefficient in zip(expression.terms, coefficients, strict=True):
        value = graph_vector(graph, around)
        total = jax.tree.map(lambda a, b, c=coefficient: a + jnp.asarray(c, a.dtype) * b.astype(a.dtype), total, value)
    return total


def cost(expression: TensorExpression, dimension: int, noise_dim: int) -> int:
    """Count the tree evaluations of an expression at one point: more than its terms where cycles are cut."""
    return sum(passes(graph, dimension, noise_dim) for graph, _ in expression.terms)


def graph_vector(graph: Graph, around: Surroundings) -> Vector:
    """The vector on the free index −1 of a graph."""
    cut = plan(graph)
    sizes = [_dimension(around)] * cut.basis_sums + [around.problem.noise_dim] * cut.column_sums
    keys = [-100 - j for j in range(cut.basis_sums)] + [-10 - j for j in range(cut.column_sums)]
    return _summed(cut.graph, around, list(zip(keys, sizes, strict=True)))


def _summed(graph: Graph, around: Surroundings, sums: list[tuple[Label, int]]) -> Vector:
    """Carry out the sums that cut cycles, one index after the other, then evaluate the forest."""
    if not sums:
        return _forest(graph, around)
    (key, size), *rest = sums
    dtype = jax.tree.leaves(around.x)[0].dtype

    def add(total: Vector, position: Array) -> tuple[Vector, None]:
        unit = {**around.unit, key: jax.nn.one_hot(position, size, dtype=dtype)}
        return jax.tree.map(jnp.add, total, _summed(graph, around._replace(unit=unit), rest)), None

    start = jax.tree.map(jnp.zeros_like, around.x)
    return jax.lax.scan(add, start, jnp.arange(size))[0]


def _forest(graph: Graph, around: Surroundings) -> Vector:
    scalar: Any = 1.0
    vector = None
    for part in components(graph):
        if any(OUTPUT in group for node in part for group in node.slots):
            vector = _on_wire(part, OUTPUT, None, around)
        else:
            scalar = scalar * _scalar(part, around)
    assert vector is not None
    return jax.tree.map(lambda leaf: scalar * leaf, vector)


def _on_wire(graph: Graph, label: Label, receiver: int | None, around: Surroundings) -> Vector:
    """What a label carries to `receiver`: the componentwise product of what its other ends send."""
    values = [_message(graph, sender, label, around) for sender in ends(graph, label) if sender != receiver]
    if not values:
        return jax.tree.map(jnp.ones_like, around.x)  # a diagonal summed over its index
    product = values[0]
    for value in values[1:]:
        product = jax.tree.map(jnp.multiply, product, value)
    return product


def _message(graph: Graph, sender: int, label: Label, around: Surroundings) -> Vector:
    """The vector that a node sends along one of its slots."""
    node = graph[sender]
    if node.field in around.state:
        return around.state[node.field]
    if node.field == BASIS:
        return ravel_pytree(around.x)[1](around.unit[node.slots[1][0]])
    if node.field == "one":
        return jax.tree.map(jnp.ones_like, around.x)
    function = function_expression(node)
    if function is not None:
        variances = lambda: diagonal_node(around.problem, around.x, 2, [], None)
        return component_values(function, around.problem, around.x, around.state, variances)
    incoming = lambda group, skip: [
        _on_wire(graph, other, sender, around) for other in _without(group, label if skip else None)
    ]
    if node.field == "L":
        return loss_node(around.problem, around.x, incoming(node.slots[0], True))
    if node.field == "noise deviation":
        return deviation_node(around.problem, around.x, incoming(node.slots[0], True))
    if node.field == SQUARES:
        assert around.weights is not None
        return squares_product(around.problem, around.x, around.weights)
    if node.field == COLUMN:
        weights = around.unit.get(node.slots[1][0], around.columns)
        return factor_node(around.problem, around.x, weights, incoming(node.slots[2], True))
    if is_diagonal(node):
        outer = None if label in node.slots[0] else _on_wire(graph, node.slots[0][0], sender, around)
        derivative = incoming(node.slots[1], outer is not None)
        return diagonal_node(around.problem, around.x, len(node.slots[0]), derivative, outer)
    if node.field == "Sigma":
        is_base = label in node.slots[0]
        base = incoming(node.slots[0], is_base)
        return covariance_node(around.problem, around.x, base, incoming(node.slots[1], not is_base), is_base)
    if node.field.startswith("kappa"):
        is_base = label in node.slots[0]
        base, derivative = incoming(node.slots[0], is_base), incoming(node.slots[1], not is_base)
        return cumulant_node(around.problem, around.x, base, derivative, len(node.slots[0]), is_base)
    raise ValueError(
        f"a limit that contains the field {node.field} cannot be integrated: problems supply L and S only."
    )


def _scalar(part: Graph, around: Surroundings) -> Array:
    """A component without free index: contract one wire last, or a lone loss or function of scalars."""
    function = scalar_expression(part[0])
    if function is not None:
        return scalar_value(function, around.problem, around.x, around.state)
    summed = sorted({label for node in part for group in node.slots for label in group if label >= 0})
    if not summed:
        return loss_scalar(around.problem, around.x, [])
    first, *others = list(ends(part, summed[0]))
    left = _message(part, first, summed[0], around)
    right = jax.tree.map(jnp.ones_like, left)
    for other in others:
        right = jax.tree.map(jnp.multiply, right, _message(part, other, summed[0], around))
    return inner(left, right)


def _without(group: tuple[Label, ...], label: Label | None) -> list[Label]:
    rest = list(group)
    if label in rest:
        rest.remove(label)
    return rest


def _dimension(around: Surroundings) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(around.x))


def numbers(expression: TensorExpression, values: dict[str, Any]) -> tuple[float, ...]:
    """The coefficients of an expression as floats."""
    substitution = {symbol: values[str(symbol)] for symbol in expression.free_symbols}
    return tuple(float(sp.sympify(c).subs(substitution)) for _, c in expression.terms)
