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
        ValueError: the variables do not have the structure and shapes of the parameters.
    """
    if not isinstance(x0, dict) or len(variables) < 2 or set(x0) != set(variables):
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
