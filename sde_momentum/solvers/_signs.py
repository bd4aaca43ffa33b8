"""Two-valued weak increments: signs from single random bits."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from sde_momentum.solvers._dtype import check_size, real_dtype
from sde_momentum.solvers._materialize import materialize
from sde_momentum.solvers._philox import Words4
from sde_momentum.solvers._seed import Seed
from sde_momentum.solvers._streams import Kind, Stream, as_word, scalar_words, vector_words

STEPS_PER_HASH = 128
_COMPONENTS_PER_BLOCK = 32


def select_word(words: Words4, index: Array) -> Array:
    """Word number `index` of four, where `index` is a traced integer in [0, 4)."""
    low = jnp.where((index & 1) != 0, words[1], words[0])
    high = jnp.where((index & 1) != 0, words[3], words[2])
    return jnp.where((index & 2) != 0, high, low)


def _as_sign(bit: Array, dtype: np.dtype) -> Array:
    """+1 where the lowest bit is 0, −1 where it is 1, by moving it into the sign bit of 1.0."""
    one = lax.bitcast_convert_type((bit << 31) | jnp.uint32(0x3F800000), jnp.float32)
    return one.astype(dtype)


def sign_run(
    seed: Seed,
    path_index: ArrayLike,
    first_step: Array,
    count: int,
    stream: int,
    dtype: np.dtype,
    kind: Kind = Kind.SIGNS,
) -> tuple[Array, ...]:
    """Scalar signs of `count` consecutive steps from a multiple of gcd(count, 128), the steps that share a hash."""
    first, chunk = as_word(first_step, "step"), math.gcd(count, STEPS_PER_HASH)
    values: list[Array] = []
    for start in range(0, count, chunk):
        step = first + jnp.uint32(start)
        words = scalar_words(seed, path_index, step >> 7, kind, stream)
        for part in range(0, chunk, 32):
            index = jnp.uint32(part >> 5) if chunk == STEPS_PER_HASH else (step + jnp.uint32(part)) >> 5
            word = select_word(words, index) >> (step & 31)
            values += [_as_sign(word >> shift, dtype) for shift in range(min(chunk, 32))]
    return tuple(values)


def sign_draw(
    seed: Seed, path_index: ArrayLike, step: ArrayLike, size: int | None, stream: int, dtype: np.dtype, kind: Kind
) -> Array:
    """Signs of one step for one of the purposes that signs serve."""
    word = as_word(step, "step")
    if size is None:
        return sign_run(seed, path_index, word, 1, stream, dtype, kind)[0]
    blocks = -(-size // _COMPONENTS_PER_BLOCK)
    words = materialize(word, lambda: vector_words(seed, path_index, word, blocks, kind, stream)[0])
    shift = jnp.arange(_COMPONENTS_PER_BLOCK, dtype=jnp.uint32).reshape((1, -1) + (1,) * (words.ndim - 1))
    bits = words[:, None] >> shift
    return _as_sign(bits.reshape(-1, *words.shape[1:])[:size], dtype)


def signs(
    seed: Seed,
    path_index: ArrayLike,
    step: ArrayLike,
    size: int | None = None,
    *,
    stream: int = Stream.GAUSSIAN,
    dtype: DTypeLike | None = None,
) -> Float[Array, "*size_and_paths"]:
    """Independent signs, +1 and −1 with probability ½ each (Rademacher), a pure function of their address.

    Args:
        seed: an integer in [0, 2**64), a JAX key, or its two words; see `seed_from_key`.
        path_index: integers in [0, 2**32), shape `(N,)` or `()`.
        step: an integer in [0, 2**32), possibly traced.
        size: the number of components, or `None` for a single one without an axis (faster, with numbers of its own).
        stream: which of the independent streams, a `Stream` or any integer in [0, 2**32).
        dtype: float32 or float64; by default JAX's default float.

    Returns:
        ±1 of shape `(size, N)`; the axes of `size=None` and of a scalar `path_index` are absent.

    Raises:
        ValueError: as for `normal`.

    Example:
        >>> import numpy as np
        >>> signs(seed=1, path_index=np.arange(3), step=0, size=2).shape
        (2, 3)
    """
    check_size(size)
    return sign_draw(seed, path_index, step, size, stream, real_dtype(dtype), Kind.SIGNS)
