"""The address of a random word: (seed, path, step, component, stream), and how it is laid out.

Two generators serve two shapes of noise, each where it is the faster one.

Scalar noise, one number for every path and step, uses Philox-4x32-10 with the seed as its key and the counter

    (path, step // steps_per_block, kind, stream),

so one call feeds several consecutive steps of a path: 4 Gaussian, 128 two-valued, 16 three-point ones.

Vector noise uses Threefry-2x32-20 with the counter (path, step). Its key is derived, once for every block of
components, as the first two words of Philox under the seed at (component block, kind, `KEYS`, stream). One call gives
two numbers, which fit one complex number, and XLA then computes them once (with several outputs, XLA's CPU backend
repeats the whole hash for each). Indices use it too.

Path, step and component run over [0, 2**32) each, the stream over [0, 2**32). No two addresses share a counter: scalar
and key-deriving calls differ in `kind`; two derived keys coincide by chance only (about n² 2**-65 for n blocks).
"""

from enum import IntEnum

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from sde_momentum.solvers._philox import Words2, Words4, philox4x32
from sde_momentum.solvers._seed import Seed, seed_words
from sde_momentum.solvers._threefry import threefry2x32


class Stream(IntEnum):
    """Named streams of random numbers; draws from two streams at the same path and step are independent.

    Any other integer in [0, 2**32) is a stream as well; those from 256 on are never used by this package.

    Example:
        >>> Stream.INDICES
        <Stream.INDICES: 1>
    """

    GAUSSIAN = 0
    """Increments of the driving Brownian motion."""
    INDICES = 1
    """Minibatch indices drawn with replacement."""
    LABELS = 2
    """Label noise."""
    SECOND_DRAW = 3
    """The second, independent draw of SVAG-type iterates."""
    SHUFFLE = 4
    """Epoch orders: minibatch indices without replacement."""
    INITIAL = 5
    """Initial conditions."""


class Kind(IntEnum):
    """What a call makes: the third counter word of Philox for scalar noise, part of the derived key for vectors."""

    GAUSSIAN = 0
    GAUSSIAN_LOW = 1
    SIGNS = 2
    THREE_POINT = 3
    INDICES = 4
    SHUFFLE = 5
    SOLVER_SIGNS = 6
    KEYS = 7


def as_word(value: ArrayLike, name: str) -> Array:
    """A counter word; concrete integers are checked, traced ones wrap modulo 2**32."""
    if isinstance(value, (int, np.integer, np.ndarray)):
        array = np.asarray(value)
        if not np.issubdtype(array.dtype, np.integer):
            raise TypeError(f"{name} must be an integer, got dtype {array.dtype}")
        if array.size and not (array.min() >= 0 and array.max() < 2**32):
            raise ValueError(f"{name} must lie in [0, 2**32), got values from {array.min()} to {array.max()}")
        return jnp.asarray(array.astype(np.uint32))
    word = jnp.asarray(value)
    if not jnp.issubdtype(word.dtype, jnp.integer):
        raise TypeError(f"{name} must be an integer, got dtype {word.dtype}")
    return word.astype(jnp.uint32)


def scalar_words(seed: Seed, path_index: ArrayLike, block: ArrayLike, kind: Kind, stream: int) -> Words4:
    """Four words of shape `(N,)` for a block of consecutive steps."""
    path = as_word(path_index, "path_index")
    counter = (path, as_word(block, "step"), jnp.uint32(kind), as_word(stream, "stream"))
    return philox4x32(seed_words(seed), counter)


def vector_words(seed: Seed, path_index: ArrayLike, step: ArrayLike, blocks: int, kind: Kind, stream: int) -> Words2:
    """Two words for each of `blocks` component blocks, each of shape `(blocks, N)`, or `(blocks,)` for one path."""
    path = as_word(path_index, "path_index")
    block = jnp.arange(blocks, dtype=jnp.uint32).reshape((blocks,) + (1,) * path.ndim)
    counter = (block, jnp.uint32(kind), jnp.uint32(Kind.KEYS), as_word(stream, "stream"))
    k0, k1, _, _ = philox4x32(seed_words(seed), counter)
    return threefry2x32((k0, k1), (path, as_word(step, "step")))
