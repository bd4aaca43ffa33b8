"""What a seed is, and how a JAX key becomes one."""

import operator
from typing import TypeAlias

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax import Array
from jaxtyping import PRNGKeyArray, UInt32

from sde_momentum.solvers._philox import Words2

Seed: TypeAlias = int | np.integer | PRNGKeyArray | UInt32[Array, " 2"] | np.ndarray


def _is_typed_key(seed: object) -> bool:
    return isinstance(seed, jax.Array) and jnp.issubdtype(seed.dtype, jax.dtypes.prng_key)


def seed_from_key(key: PRNGKeyArray) -> UInt32[Array, " 2"]:
    """Turn a JAX key into a seed, the two words that key every generator of this package.

    The one place where this is decided:

    - the two words of a Threefry key (JAX's default) are the seed, so `jax.random.key(7)` and the integer seed 7 give
      the same random numbers;
    - a key of any other implementation gives the first two words that it generates itself.

    Using a key here spends it: draw from `jax.random.split` of it elsewhere.

    Args:
        key: one typed key, as made by `jax.random.key`.

    Returns:
        Two uint32 words, high word first.

    Raises:
        TypeError: `key` is not a typed JAX key.
        ValueError: `key` is an array of several keys.

    Example:
        >>> import jax
        >>> seed_from_key(jax.random.key(7)).tolist()
        [0, 7]
    """
    if not _is_typed_key(key):
        raise TypeError(f"key must be a typed JAX key from jax.random.key, got {type(key).__name__}")
    if key.shape != ():
        raise ValueError(f"key must be one key, got an array of keys of shape {key.shape}; pass one of them")
    if str(jr.key_impl(key)) == "threefry2x32":
        return jr.key_data(key)
    return jr.bits(key, (2,), jnp.uint32)


def seed_words(seed: Seed) -> Words2 | tuple[np.uint32, np.uint32]:
    """The two uint32 words (high, low) of a seed: an integer, a JAX key, or the two words themselves."""
    if _is_typed_key(seed):
        words = seed_from_key(seed)
        return words[0], words[1]
    if isinstance(seed, (jax.Array, np.ndarray)) and seed.ndim == 1:
        if seed.shape != (2,) or seed.dtype != jnp.uint32:
            raise ValueError(
                f"seed given as words must be uint32 of shape (2,), got {seed.dtype} of shape {seed.shape}"
            )
        return jnp.asarray(seed[0]), jnp.asarray(seed[1])
    try:
        value = operator.index(seed)  # pyright: ignore[reportArgumentType]
    except TypeError:
        message = "seed must be an int in [0, 2**64), a JAX key or its two uint32 words"
        raise TypeError(f"{message}, got {type(seed).__name__}") from None
    if not 0 <= value < 2**64:
        raise ValueError(f"seed must lie in [0, 2**64), got {value}")
    return np.uint32(value >> 32), np.uint32(value & 0xFFFFFFFF)


def seed_array(seed: Seed) -> UInt32[Array, " 2"]:
    """The two words as one array; for an integer without a computation, so that nothing is compiled for it."""
    words = seed_words(seed)
    return jnp.stack(words) if isinstance(words[0], jax.Array) else jnp.asarray(np.array(words))
