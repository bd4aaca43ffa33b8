"""Componentwise sympy expressions as JAX functions of pytrees."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import sympy as sp

from sde_momentum.dynamics._kummer_value import kummer

# `lambdify(..., "jax")` leaves these to host functions, which fail under jit.
_MODULES: list[Any] = [
    {
        "erf": special.erf,
        "erfc": special.erfc,
        "gamma": special.gamma,
        "loggamma": special.gammaln,
        "sign": jnp.sign,
        "Kummer": kummer,
    },
    "jax",
]


@lru_cache(maxsize=512)
def compiled(expression: sp.Expr, arguments: tuple[sp.Symbol, ...]) -> Callable[..., Any]:
    """`lambdify` for JAX, with the functions that sympy would leave to the host replaced.

    Raises:
        ValueError: the expression contains something that JAX has no function for.
    """
    unevaluated = expression.atoms(sp.Derivative, sp.Integral, sp.Subs)
    if unevaluated:
        raise ValueError(f"cannot compile {expression}: {next(iter(unevaluated))} is unevaluated; call .doit() first.")
    return sp.lambdify(arguments, expression, modules=_MODULES, cse=True)


def componentwise(expression: sp.Expr, values: Mapping[str, Any]) -> Any:
    """Evaluate an expression on every component of pytrees of one structure.

    Args:
        expression: in symbols whose names are keys of `values`.
        values: name → pytree, or scalar.
    """
    symbols = tuple(sorted(expression.free_symbols, key=str))
    trees = [values[str(symbol)] for symbol in symbols]
    function = compiled(expression, symbols)
    largest = max(trees, key=lambda tree: len(jax.tree.leaves(tree)), default=None)
    structure = jax.tree.structure(largest)
    spread = [
        tree if jax.tree.structure(tree) == structure else jax.tree.map(lambda _, t=tree: t, largest) for tree in trees
    ]
    return jax.tree.map(function, *spread)
