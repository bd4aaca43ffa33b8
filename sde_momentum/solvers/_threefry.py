"""Threefry-2x32-20: two random words from a 64-bit key and a 64-bit counter."""

import functools

import jax
import jax.numpy as jnp

from sde_momentum.solvers._philox import Words2

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


@functools.partial(jax.jit, inline=True)  # traced once for all the calls of a program
def threefry2x32(key: Words2, counter: Words2) -> Words2:
    """Hash a 64-bit counter under a 64-bit key into two words, bit for bit as JAX's own generator does.

    JAX runs the rounds as a rolled loop on the CPU; here they are unrolled in plain `jax.numpy`, so the hash fuses with
    whatever consumes it.

    Args:
        key: two uint32 words.
        counter: two uint32 words; scalars and arrays broadcast against one another.

    Returns:
        Two uint32 arrays, the words of Random123's `threefry2x32_R(20, counter, key)`.

    References:
        J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11, §3.2.
    """
    k0, k1 = (jnp.asarray(k, jnp.uint32) for k in key)
    keys = (k0, k1, k0 ^ k1 ^ jnp.uint32(_PARITY))
    x0, x1 = (jnp.asarray(c, jnp.uint32) + k for c, k in zip(counter, keys[:2], strict=True))
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = ((x1 << jnp.uint32(bits)) | (x1 >> jnp.uint32(32 - bits))) ^ x0
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return x0, x1
