"""Three-valued weak increments, which match the moments of a normal number up to the fifth."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from sde_momentum.solvers._dtype import check_size, real_dtype
from sde_momentum.solvers._materialize import materialize
from sde_momentum.solvers._seed import Seed
from sde_momentum.solvers._signs import select_word
from sde_momentum.solvers._streams import Kind, Stream, as_word, scalar_words, vector_words

STEPS_PER_HASH = 16
_DIGITS = 4
_SIXTH = math.ceil(2**32 / 6)


def _digits(word: Array) -> list[Array]:
    """Four remainders, each uniform on the words, whose leading sixths are the first four base-6 digits of the word."""
    return [word * jnp.uint32(6**k) for k in range(_DIGITS)]


def _as_value(word: Array, dtype: np.dtype) -> Array:
    upper = (word >= jnp.uint32(2**32 - _SIXTH)).astype(dtype)
    lower = (word < jnp.uint32(_SIXTH)).astype(dtype)
    return (upper - lower) * np.asarray(math.sqrt(3), dtype)


def three_point_run(
    seed: Seed, path_index: ArrayLike, first_step: Array, count: int, stream: int, dtype: np.dtype
) -> tuple[Array, ...]:
    """Scalar values of `count` consecutive steps; `count` is 1 or a multiple of 4, `first_step` of gcd(count, 16)."""
    first = as_word(first_step, "step")
    if count == 1:
        word = select_word(scalar_words(seed, path_index, first >> 4, Kind.THREE_POINT, stream), first >> 2)
        power = jnp.asarray([6**k for k in range(_DIGITS)], jnp.uint32)[first & 3]
        return (_as_value(word * power, dtype),)
    values: list[Array] = []
    chunk = math.gcd(count, STEPS_PER_HASH)
    for start in range(0, count, chunk):
        step = first + jnp.uint32(start)
        words = scalar_words(seed, path_index, step >> 4, Kind.THREE_POINT, stream)
        for part in range(0, chunk, _DIGITS):
            index = part >> 2 if chunk == STEPS_PER_HASH else (step + jnp.uint32(part)) >> 2
            values += [_as_value(digit, dtype) for digit in _digits(select_word(words, jnp.uint32(index)))]
    return tuple(values)


def three_point(
    seed: Seed,
    path_index: ArrayLike,
    step: ArrayLike,
    size: int | None = None,
    *,
    stream: int = Stream.GAUSSIAN,
    dtype: DTypeLike | None = None,
) -> Float[Array, "*size_and_paths"]:
    """Independent numbers ±√3 with probability 1/6 each and 0 with probability 2/3, a pure function of their address.

    Mean, variance, third, fourth and fifth moments are those of a standard normal number (0, 1, 0, 3, 0), which is
    what a method of weak order 2 asks of its increments. Four values share one word, as its leading base-6 digits;
    each of the 6⁴ outcomes has its probability to within 2**-29.

    Args:
        seed: an integer in [0, 2**64), a JAX key, or its two words; see `seed_from_key`.
        path_index: integers in [0, 2**32), shape `(N,)` or `()`.
        step: an integer in [0, 2**32), possibly traced.
        size: the number of components, or `None` for a single one without an axis (faster, with numbers of its own).
        stream: which of the independent streams, a `Stream` or any integer in [0, 2**32).
        dtype: float32 or float64; by default JAX's default float.

    Returns:
        Values of shape `(size, N)`; the axes of `size=None` and of a scalar `path_index` are absent.

    Raises:
        ValueError: as for `normal`.

    Example:
        >>> import numpy as np
        >>> three_point(seed=1, path_index=np.arange(3), step=0, size=2).shape
        (2, 3)

    References:
        P. E. Kloeden, E. Platen, "Numerical Solution of Stochastic Differential Equations", Springer (1992), (14.2.3).
    """
    chosen = real_dtype(dtype)
    check_size(size)
    word = as_word(step, "step")
    if size is None:
        return three_point_run(seed, path_index, word, 1, stream, chosen)[0]
    blocks = -(-size // _DIGITS)
    words = materialize(word, lambda: vector_words(seed, path_index, word, blocks, Kind.THREE_POINT, stream)[0])
    digits = jnp.stack(_digits(words), axis=1)
    return _as_value(digits.reshape(-1, *words.shape[1:])[:size], chosen)
