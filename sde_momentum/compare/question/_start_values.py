"""What a comparison may start from: finite numbers, for the parameters or for every variable."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from sde_momentum.dynamics._start import full_start
from sde_momentum.problems import AbstractProblem


def checked_start(x0: PyTree[Any], variables: tuple[str, ...], problem: AbstractProblem) -> PyTree[Array]:
    """A start with array leaves; what is no number, not finite, or no start of all variables is refused.

    Args:
        x0: the parameters, or a dict with the start of each variable.
        variables: names, the parameters first.
        problem: knows what its parameters look like.

    Raises:
        TypeError: a leaf holds no numbers.
        ValueError: a number is NaN or infinite, or a dict names some variables, and other things than them.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(x0):
        name = f"x0{jax.tree_util.keystr(path)}"
        if np.asarray(leaf).dtype.kind not in "biufV":  # V: the short floats that NumPy does not know.
            raise TypeError(f"{name} must hold numbers, got {leaf!r}.")
        if not np.all(np.isfinite(np.asarray(leaf, dtype=float))):
            raise ValueError(f"{name} must be finite, got {leaf!r}.")
    # Whole numbers are parameters too, where somebody writes x0=1.
    start = jax.tree.map(lambda leaf: jnp.asarray(leaf, None if np.asarray(leaf).dtype.kind in "fV" else float), x0)
    if isinstance(start, dict) and variables[0] in start and full_start(start, variables) is None:
        _require_parameters(start, variables, problem)
    return start


def _require_parameters(start: dict[str, Any], variables: tuple[str, ...], problem: AbstractProblem) -> None:
    """A dict that is not one of all variables must be what the loss takes: parameters may have such names too."""
    try:
        eqx.filter_eval_shape(problem.loss, start)
    except (TypeError, ValueError) as error:
        named = "the parameters alone" if len(variables) < 2 else f"the parameters, or all of {', '.join(variables)}"
        raise ValueError(f"x0 names {', '.join(start)}, but a start is that of {named}: {error}") from None
