r"""Noise of squared gradients: what a limit needs of ξ beyond its covariance.

For $\xi = S z$ with independent standardized components of skewness $k_3$ and excess kurtosis $k_4$,

$$\xi_i^2 - \Sigma_{ii} = \sum_a S_{ia}^2 (z_a^2 - 1) + 2 \sum_{a<b} S_{ia} S_{ib} z_a z_b .$$

The variables $z_a$, $z_a^2 - 1 - k_3 z_a$ and $z_a z_b$ are uncorrelated. With weights of unit variance in their places
the right-hand side is R w, and (S; R) a factor of the joint covariance of ξ and ξ∘ξ.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from sde_momentum.dynamics._node_values import along, inner
from sde_momentum.problems import AbstractProblem, AbstractStandardDraw
from sde_momentum.symbolic import Limit, TensorExpression

SQUARES = "R"
Vector = PyTree[Array]


def needs(expressions: Iterable[TensorExpression]) -> set[str]:
    """Return which fields beyond L, S and Σ occur: `R`, `kappa3`, `kappa4` and so on."""
    found = {node.field for expression in expressions for graph, _ in expression for node in graph}
    return {str(field) for field in found if field == SQUARES or field.startswith("kappa")}


def require_components(problem: AbstractProblem, fields: set[str]) -> None:
    """Refuse a problem whose noise is not known well enough for a limit.

    Raises:
        ValueError: ξ is not S z with standardized independent components, or a cumulant is infinite.
    """
    if not fields:
        return
    if not isinstance(problem.draw, AbstractStandardDraw):
        raise ValueError(
            "this limit contains the noise of squared gradients, so it needs third and fourth moments of ξ: they are "
            f"known for ξ = S z with independent components z, not for a problem that draws {problem.draw}; pass "
            "`problem.gaussian()`."
        )
    orders = {4 if field == SQUARES else int(field[5:]) for field in fields}
    for order in sorted(orders):
        problem.draw.cumulant(order)


def _cumulant(problem: AbstractProblem, order: int) -> float:
    """The cumulant of one component of z, for a problem that `require_components` let pass."""
    assert isinstance(problem.draw, AbstractStandardDraw)
    return problem.draw.cumulant(order)


def without_vanishing(limit: Limit, problem: AbstractProblem) -> Limit:
    """The limit without the terms that contain a cumulant which the problem's noise does not have."""

    def vanishes(field: str) -> bool:
        if not field.startswith("kappa"):
            return False
        lowest = problem.leading_cumulant
        return lowest is None or int(field[5:]) < lowest

    def kept(expressions: Mapping[str, TensorExpression]) -> dict[str, TensorExpression]:
        terms = {
            name: tuple((graph, c) for graph, c in expression if not any(vanishes(node.field) for node in graph))
            for name, expression in expressions.items()
        }
        return {name: TensorExpression(found) for name, found in terms.items()}

    if not any(vanishes(field) for field in needs([*limit.drift.values(), *limit.initial_shift.values()])):
        return limit
    return replace(limit, drift=kept(limit.drift), initial_shift=kept(limit.initial_shift))


def noise_components(problem: AbstractProblem, fields: set[str]) -> int:
    """Weights that a limit takes: the columns of S, and those that only R has."""
    m = problem.noise_dim
    return m + m * (m + 1) // 2 if SQUARES in fields else m


def squares_product(problem: AbstractProblem, x: Vector, weights: Float[Array, " components"]) -> Vector:
    """R(x) w; costs one product with S for each of its columns."""
    m = problem.noise_dim
    third, fourth = _cumulant(problem, 3), _cumulant(problem, 4)
    first, own, pairs = weights[:m], weights[m : 2 * m], weights[2 * m :]
    diagonal = third * first + float(np.sqrt(2 + fourth - third**2)) * own
    rows, columns = np.triu_indices(m, 1)
    matrix = jnp.diag(diagonal).at[rows, columns].set(2 * pairs)
    factor = jax.vmap(lambda w: problem.noise_product(x, w), out_axes=-1)(jnp.eye(m, dtype=weights.dtype))
    return jax.tree.map(lambda s: jnp.sum((s @ matrix.astype(s.dtype)) * s, axis=-1), factor)


def _transpose(problem: AbstractProblem, x: Vector) -> Callable[[Vector], Array]:
    """V ↦ Sᵀ v."""
    shape = jax.ShapeDtypeStruct((problem.noise_dim,), jax.tree.leaves(x)[0].dtype)
    transposed = jax.linear_transpose(lambda w: problem.noise_product(x, w), shape)
    return lambda vector: transposed(vector)[0]


def cumulant_node(
    problem: AbstractProblem,
    x: Vector,
    base: Sequence[Vector],
    derivative: Sequence[Vector],
    order: int,
    output_is_base: bool,
) -> Vector:
    """∂^k κ_n contracted with vectors on all slots but one: κ_n = k_n Σ_a S_·a ⊗ … ⊗ S_·a."""
    number = _cumulant(problem, order)

    def weights(y: Vector, vectors: Sequence[Vector]) -> Array:
        transpose = _transpose(problem, y)
        product = jnp.full((problem.noise_dim,), number, jax.tree.leaves(y)[0].dtype)
        for vector in vectors:
            product = product * transpose(vector)
        return product

    if output_is_base:
        return along(lambda y: problem.noise_product(y, weights(y, base)), x, derivative)
    form = lambda y: inner(problem.noise_product(y, weights(y, base[1:])), base[0])
    return along(jax.grad(form), x, derivative)


def diagonal_node(
    problem: AbstractProblem, x: Vector, order: int, derivative: Sequence[Vector], outer: Vector | None
) -> Vector:
    """∂^k of κ_n with one index on all its n slots, Σ_ii for n = 2: a product with S a column, or with Sᵀ a component.

    Args:
        problem: loss and noise factor.
        x: parameters.
        order: n.
        derivative: vectors on the derivative slots.
        outer: the vector on the index, where the result is wanted on one more derivative slot.
    """
    number = 1.0 if order == 2 else _cumulant(problem, order)

    def diagonal(y: Vector) -> Vector:
        dtype = jax.tree.leaves(y)[0].dtype
        flat, unravel = ravel_pytree(y)
        if flat.size < problem.noise_dim:
            transpose = _transpose(problem, y)
            rows = jax.lax.map(
                lambda e: number * jnp.sum(transpose(unravel(e)) ** order), jnp.eye(flat.size, dtype=dtype)
            )
            return unravel(rows)

        def add(total: Vector, position: Array) -> tuple[Vector, None]:
            column = problem.noise_product(y, jax.nn.one_hot(position, problem.noise_dim, dtype=dtype))
            return jax.tree.map(lambda t, s: t + number * s**order, total, column), None

        return jax.lax.scan(add, jax.tree.map(jnp.zeros_like, y), jnp.arange(problem.noise_dim))[0]

    if outer is None:
        return along(diagonal, x, derivative)
    return along(jax.grad(lambda y: inner(diagonal(y), outer)), x, derivative)
