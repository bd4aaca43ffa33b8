"""Philox-4x32-10: four random words from a 64-bit key and a 128-bit counter."""

import functools
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

Words2: TypeAlias = tuple[Array, Array]
Words4: TypeAlias = tuple[Array, Array, Array, Array]

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


def high_product(a: Array, b: Array) -> Array:
    """High word of the 64-bit product of two 32-bit words (multiply-high).

    The product is written out in 64-bit words, which XLA knows whether or not JAX is in its 64-bit mode, and which the
    compiler turns into one instruction. `lax.mulhi` does not survive a program on several devices (JAX 0.10).
    """
    with jax.enable_x64(True):
        wide = lax.mul(*(lax.convert_element_type(x, np.uint64) for x in jnp.broadcast_arrays(a, b)))
        high = lax.shift_right_logical(wide, lax.full_like(wide, 32))
        return lax.convert_element_type(high, np.uint32)


@functools.partial(jax.jit, inline=True)  # traced once for all the calls of a program
def philox4x32(key: Words2, counter: Words4) -> Words4:
    """Hash a 128-bit counter under a 64-bit key into four words, unrolled so that it fuses with its consumer.

    Args:
        key: two uint32 words.
        counter: four uint32 words; scalars and arrays broadcast against one another.

    Returns:
        Four uint32 arrays, the words of Random123's `philox4x32_R(10, counter, key)`.

    References:
        J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11, §3.3.
    """
    k0, k1 = (jnp.asarray(k, jnp.uint32) for k in key)
    c0, c1, c2, c3 = (jnp.asarray(c, jnp.uint32) for c in counter)
    m0, m1 = (jnp.uint32(m) for m in _MULTIPLIERS)
    w0, w1 = (jnp.uint32(w) for w in _WEYL)
    for _ in range(_ROUNDS):
        c0, c1, c2, c3 = high_product(c2, m1) ^ c1 ^ k0, c2 * m1, high_product(c0, m0) ^ c3 ^ k1, c0 * m0
        k0, k1 = k0 + w0, k1 + w1
    return c0, c1, c2, c3
