"""Nodes as derivatives: what one node of a graph does to the vectors on its slots."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from sde_momentum.problems import AbstractProblem

Vector = PyTree[Array]


def along(function: Callable[[Vector], Any], x: Vector, directions: Sequence[Vector]) -> Any:
    """D^k function(x)[v_1, …, v_k], by nested forward derivatives."""
    if not directions:
        return function(x)
    *rest, last = directions
    return jax.jvp(lambda y: along(function, y, rest), (x,), (last,))[1]


def inner(left: Vector, right: Vector) -> Array:
    """The Euclidean inner product of two pytrees."""
    products = jax.tree.map(lambda a, b: jnp.sum(a * b), left, right)
    return jax.tree.reduce(jnp.add, products)


def loss_node(problem: AbstractProblem, x: Vector, vectors: Sequence[Vector]) -> Vector:
    """∂^{k+1} L with k vectors: derivatives of the gradient."""
    return along(problem.gradient, x, vectors)


def loss_scalar(problem: AbstractProblem, x: Vector, vectors: Sequence[Vector]) -> Array:
    """∂^k L with k vectors."""
    if not vectors:
        return problem.loss(x)
    return inner(loss_node(problem, x, vectors[1:]), vectors[0])


def covariance_product(problem: AbstractProblem, x: Vector, v: Vector) -> Vector:
    """Σ(x) v = S(Sᵀ v), one product with S and one with its transpose."""
    product = lambda w: problem.noise_product(x, w)
    dtype = jax.tree.leaves(x)[0].dtype
    (weights,) = jax.linear_transpose(product, jax.ShapeDtypeStruct((problem.noise_dim,), dtype))(v)
    return product(weights)


def covariance_node(
    problem: AbstractProblem, x: Vector, base: Sequence[Vector], derivative: Sequence[Vector], output_is_base: bool
) -> Vector:
    """∂^k Σ contracted with vectors on all slots but one, which is a base slot or a derivative slot."""
    if output_is_base:
        return along(lambda y: covariance_product(problem, y, base[0]), x, derivative)
    form = lambda y: inner(covariance_product(problem, y, base[0]), base[1])
    return along(jax.grad(form), x, derivative)


def factor_node(problem: AbstractProblem, x: Vector, weights: Array, derivative: Sequence[Vector]) -> Vector:
    """∂^k S contracted with noise weights and k vectors."""
    return along(lambda y: problem.noise_product(y, weights), x, derivative)
