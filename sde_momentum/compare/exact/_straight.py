"""Whether a function is a polynomial of low degree, seen along one line."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

# What functions of degree below the order leave in 64 bits; others miss it by many orders of magnitude.
TOLERANCE = 1e-9


def is_straight(function: Callable[[Array], Array], size: int, order: int = 2) -> bool:
    """Whether the differences of this order vanish along a random line, as those of a polynomial of lower degree do.

    Args:
        function: of arrays of shape `(size,)`.
        size: number of components.
        order: of the differences.
    """
    direction = jnp.asarray(np.random.default_rng(2).normal(size=size))
    values = np.stack([np.asarray(function(k * direction)) for k in range(order + 1)])
    return bool(np.max(np.abs(np.diff(values, n=order, axis=0))) < TOLERANCE * (1 + np.max(np.abs(values))))
