"""Standard normal numbers as a function of (seed, path, step, component, stream)."""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from sde_momentum.solvers._box_muller import box_muller_32, box_muller_64
from sde_momentum.solvers._dtype import check_size, real_dtype
from sde_momentum.solvers._materialize import materialize
from sde_momentum.solvers._philox import Words2, Words4
from sde_momentum.solvers._seed import Seed
from sde_momentum.solvers._streams import Kind, Stream, as_word, scalar_words, vector_words

_STEPS_PER_BLOCK = 4


def _quad(seed: Seed, path: ArrayLike, block: Array, stream: int, dtype: np.dtype) -> tuple[Words4, Words4 | None]:
    """The words of four consecutive steps: leading words, and trailing ones for float64."""
    high = scalar_words(seed, path, block, Kind.GAUSSIAN, stream)
    return high, scalar_words(seed, path, block, Kind.GAUSSIAN_LOW, stream) if dtype == np.float64 else None


def _pair(high: Words2, low: Words2 | None) -> tuple[Array, Array]:
    return box_muller_32(high) if low is None else box_muller_64(high, low)


def normal_run(
    seed: Seed, path_index: ArrayLike, first_step: Array, count: int, stream: int, dtype: np.dtype
) -> tuple[Array, ...]:
    """Scalar normals of `count` consecutive steps, each `(N,)`; `count` and `first_step` are multiples of 4.

    Equal to `count` calls of `normal(..., size=None)`, at a quarter of the hashes and half of the transforms.
    """
    first_block = as_word(first_step, "step") >> 2
    values: list[Array] = []
    for offset in range(count // _STEPS_PER_BLOCK):
        high, low = _quad(seed, path_index, first_block + jnp.uint32(offset), stream, dtype)
        values += _pair(high[:2], low and low[:2])
        values += _pair(high[2:], low and low[2:])
    return tuple(values)


def _scalar_normal(seed: Seed, path_index: ArrayLike, step: Array, stream: int, dtype: np.dtype) -> Array:
    def half(words: Words4) -> Words2:
        second = (step & 2) != 0
        return jnp.where(second, words[2], words[0]), jnp.where(second, words[3], words[1])

    high, low = _quad(seed, path_index, step >> 2, stream, dtype)
    first, second = _pair(half(high), low and half(low))
    return jnp.where((step & 1) != 0, second, first)


def normal_pairs(seed: Seed, path_index: ArrayLike, step: ArrayLike, size: int, stream: int, dtype: np.dtype) -> Array:
    """`normal(..., size)` with components 2j and 2j + 1 as the parts of complex number j, computed in one loop.

    Several steps, whose array then has two trailing axes of length 1, come in the same loop, along a leading axis.
    """
    blocks, step = (size + 1) // 2, as_word(step, "step")

    def compute() -> Array:
        high = vector_words(seed, path_index, step, blocks, Kind.GAUSSIAN, stream)
        wide = dtype == np.float64
        low = vector_words(seed, path_index, step, blocks, Kind.GAUSSIAN_LOW, stream) if wide else None
        return lax.complex(*_pair(high, low))

    return materialize(step.ravel()[0], compute)


def _vector_normal(seed: Seed, path_index: ArrayLike, step: Array, size: int, stream: int, dtype: np.dtype) -> Array:
    packed = normal_pairs(seed, path_index, step, size, stream, dtype)
    pairs = jnp.stack([packed.real, packed.imag], axis=1)
    return pairs.reshape(-1, *pairs.shape[2:])[:size]


def normal(
    seed: Seed,
    path_index: ArrayLike,
    step: ArrayLike,
    size: int | None = None,
    *,
    stream: int = Stream.GAUSSIAN,
    dtype: DTypeLike | None = None,
) -> Float[Array, "*size_and_paths"]:
    """Independent standard normal numbers, a pure function of their address.

    The result for a path does not depend on which other paths are asked for, and a smaller `size` gives the leading
    components of a larger one. `size=None` is noise with a single component and no component axis; it uses a faster
    layout, so its numbers differ from those of `size=1`. The float32 numbers are those of float64 up to rounding.

    Args:
        seed: an integer in [0, 2**64), a JAX key, or its two words; see `seed_from_key`.
        path_index: integers in [0, 2**32), shape `(N,)` or `()`.
        step: an integer in [0, 2**32), possibly traced.
        size: the number of components, or `None`.
        stream: which of the independent streams, a `Stream` or any integer in [0, 2**32).
        dtype: float32 or float64; by default JAX's default float.

    Returns:
        Normal numbers of shape `(size, N)`; the axes of `size=None` and of a scalar `path_index` are absent.

    Raises:
        ValueError: `size` < 1; an integer out of range; `dtype` neither float32 nor float64, or float64 without x64.

    Example:
        >>> import numpy as np
        >>> normal(seed=1, path_index=np.arange(3), step=0, size=2).shape
        (2, 3)

    References:
        G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Stat. 29 (1958).
    """
    chosen = real_dtype(dtype)
    check_size(size)
    word = as_word(step, "step")
    if size is None:
        return _scalar_normal(seed, path_index, word, stream, chosen)
    return _vector_normal(seed, path_index, word, size, stream, chosen)
