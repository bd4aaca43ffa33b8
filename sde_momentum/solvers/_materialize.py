"""Random numbers written to memory before anything reads them."""

from collections.abc import Callable

import jax
from jax import Array, lax


def materialize(step: Array, compute: Callable[[], Array]) -> Array:
    """`compute()` in one loop of its own, with every hash inside it.

    One array, complex if two numbers belong together, is one loop of XLA's CPU backend. Fused into the loops of its
    readers, the hash would run again for each, and one path at a time where they shuffle components.

    Args:
        step: a traced or concrete uint32, from which the condition of `apart` is made.
        compute: gives one array.
    """
    return lax.platform_dependent(cpu=lambda: apart(step, compute), default=lambda: lax.optimization_barrier(compute()))


def apart(step: Array, compute: Callable[[], Array]) -> Array:
    """`compute()`, which XLA's CPU backend then does not fuse with its readers.

    That backend drops `optimization_barrier` before it fuses; it does not fuse across a condition, unless it can tell
    that this one always holds. What `compute` takes from outside is not fused either: it must hash by itself.

    Args:
        step: a traced or concrete uint32, from which the condition is made.
        compute: gives one array.
    """
    like = jax.eval_shape(compute)

    def zeros() -> Array:
        with jax.enable_x64(True):  # complex128 exists in XLA whether or not JAX is in its 64-bit mode
            return lax.full(like.shape, 0, like.dtype)

    return lax.cond((step << 1) & 1 == 0, compute, zeros)
