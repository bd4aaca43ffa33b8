"""Where the variables besides the parameters start."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

State = dict[str, PyTree[Array]]


def full_start(x0: PyTree[Any], variables: tuple[str, ...]) -> State | None:
    """The start of every variable, where `x0` is a dict of them; None where it holds the parameters alone.

    Args:
        x0: a pytree of parameters, or a dict with one pytree for each of `variables`.
        variables: names, the parameters first.

    Raises:
        ValueError: some variables are missing, or do not have the structure and shapes of the parameters.
    """
    if not isinstance(x0, dict) or len(variables) < 2 or not set(x0) <= set(variables):
        return None
    missing = [name for name in variables if name not in x0]
    if missing and len(x0) > 1:
        given = [name for name in variables if name in x0]
        raise ValueError(
            f"the start names {', '.join(given)}, but not {', '.join(missing)}: give a start for every variable, or "
            "the parameters alone."
        )
    if missing:
        return None
    state = {name: jax.tree.map(jnp.asarray, x0[name]) for name in variables}
    shapes = {name: jax.tree.map(jnp.shape, value) for name, value in state.items()}
    for name, shape in shapes.items():
        if shape != shapes[variables[0]]:
            raise ValueError(
                f"the start of `{name}` has shapes {shape}, but the parameters have {shapes[variables[0]]}: every "
                "variable is taken componentwise and must look like the parameters."
            )
    return state
