"""Functions of fields at one replica: φ(∂_iL, Σ_ii, v_i) and ψ(|∇L|², s)."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import sympy as sp
from jaxtyping import Array, PyTree

from sde_momentum.dynamics._expressions import compiled, componentwise
from sde_momentum.dynamics._node_values import along, covariance_product, inner, loss_node
from sde_momentum.problems import AbstractProblem
from sde_momentum.symbolic import squared_norm

Vector = PyTree[Array]


# What functions of fields are functions of, besides state variables and hyperparameters.
FIELD_ARGUMENTS = frozenset({"loss_slope", "noise_variance", "squared_gradient", "noise_deviation", "dimension"})


def with_norms(update: Mapping[str, sp.Expr], values: Mapping[str, Any]) -> tuple[dict[str, sp.Expr], dict[str, Array]]:
    """Evaluate the squared norms in an update, which are not of one component.

    Args:
        update: variable → expression.
        values: name → pytree or number.

    Returns:
        The expressions with a symbol for each norm, and the values of these symbols.
    """
    found = sorted(set().union(*(e.atoms(squared_norm) for e in update.values())), key=str)
    names = {norm: sp.Symbol(f"squared_norm_{j}", positive=True) for j, norm in enumerate(found)}
    norms = {}
    for norm, symbol in names.items():
        vector = componentwise(norm.args[0], values)
        norms[symbol.name] = inner(vector, vector)
    return {name: expression.xreplace(names) for name, expression in update.items()}, norms


def component_values(
    function: sp.Expr, problem: AbstractProblem, x: Vector, known: Mapping[str, Any], variances: Any
) -> Vector:
    """A function of the components of fields, as a vector.

    Args:
        function: in `loss_slope` ∂_iL, `noise_variance` Σ_ii, state variables and hyperparameters.
        problem: loss and noise factor.
        x: the parameters.
        known: state variable or hyperparameter → value.
        variances: function that returns diag Σ, called where it is needed.
    """
    names = {str(symbol) for symbol in function.free_symbols}
    values = dict(known)
    if "loss_slope" in names:
        values["loss_slope"] = loss_node(problem, x, ())
    if "noise_variance" in names:
        values["noise_variance"] = variances()
    if "dimension" in names:
        values["dimension"] = dimension_of(x)
    return componentwise(function, values)


def scalar_value(function: sp.Expr, problem: AbstractProblem, x: Vector, known: Mapping[str, Any]) -> Array:
    """A function of |∇L|² and s, a number."""
    symbols = tuple(sorted(function.free_symbols, key=str))
    values = dict(known)
    names = {str(symbol) for symbol in symbols}
    if "squared_gradient" in names:
        gradient = loss_node(problem, x, ())
        values["squared_gradient"] = inner(gradient, gradient)
    if "noise_deviation" in names:
        values["noise_deviation"] = deviation(problem, x)
    if "dimension" in names:
        values["dimension"] = float(dimension_of(x))
    return compiled(function, symbols)(*(values[str(symbol)] for symbol in symbols))


def deviation(problem: AbstractProblem, x: Vector) -> Array:
    """The s of isotropic noise Σ = s² I, from one product with Σ: vᵀΣv for the unit vector v of equal components."""
    size = dimension_of(x)
    unit = jax.tree.map(lambda leaf: jnp.full_like(leaf, size**-0.5), x)
    return jnp.sqrt(inner(unit, covariance_product(problem, x, unit)))


def deviation_node(problem: AbstractProblem, x: Vector, vectors: list[Vector]) -> Vector:
    """∂^{k+1} s contracted with k vectors."""
    return along(jax.grad(lambda y: deviation(problem, y)), x, vectors)


def problem_dimension(problem: AbstractProblem, rule: str) -> float:
    """The number of parameters of a problem, for coefficients that depend on it.

    Raises:
        ValueError: the problem has no start that would tell.
    """
    try:
        start = jax.eval_shape(lambda: problem.initial(0))
    except ValueError as error:
        raise ValueError(
            f"the limit of `{rule}` depends on the number of parameters, which this problem does not tell: {error}"
        ) from None
    return float(dimension_of(start))


def dimension_of(x: Vector) -> int:
    """The number of parameters, d."""
    return sum(leaf.size for leaf in jax.tree.leaves(x))
