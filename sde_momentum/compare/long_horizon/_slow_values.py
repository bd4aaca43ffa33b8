"""Observables of a study on the slow clock, checked at the start."""

from collections.abc import Callable, Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

Observable = Callable[[PyTree[Array]], Array]


def values_at(observables: Mapping[str, Observable], x: PyTree[Array]) -> np.ndarray:
    """The observables at a point, by one program.

    Raises:
        ValueError: there is none, or one is not a single finite number.
    """
    if not observables:
        raise ValueError("`observables` is empty; leave it out for the trace of the Hessian.")
    values = [np.asarray(value) for value in _evaluate(tuple(observables.values()), x)]
    for name, value in zip(observables, values, strict=True):
        if value.shape != () or not np.isfinite(value):
            raise ValueError(f"observable `{name}` must be one finite number a replica, got {value} at {x}")
    return np.array(values)


@eqx.filter_jit
def _evaluate(functions: tuple[Observable, ...], x: PyTree[Array]) -> list[Array]:
    return [jnp.asarray(function(x)) for function in functions]
