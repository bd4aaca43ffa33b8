"""Random numbers written to memory before anything reads them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax


def materialize(step: Array, compute: Callable[[], Array]) -> Array:
    """`compute()` in one loop of its own, with every hash inside it.

    One array, complex if two numbers belong together, is one loop of XLA's CPU backend. Fused into the loops of its
    readers, the hash would run again for each, and one path at a time where they shuffle components. That backend drops
    `optimization_barrier` before it fuses; it does not fuse across a condition, unless it can tell that this one always
    holds. What `compute` takes from outside is not fused either: it must hash by itself.

    Args:
        step: a traced or concrete uint32, from which the condition is made.
        compute: gives one array.
    """
    always = (step << 1) & 1 == 0

    def behind_condition() -> Array:
        like = jax.eval_shape(compute)
        return lax.cond(always, compute, lambda: jnp.zeros(like.shape, like.dtype))

    return lax.platform_dependent(cpu=behind_condition, default=lambda: lax.optimization_barrier(compute()))
