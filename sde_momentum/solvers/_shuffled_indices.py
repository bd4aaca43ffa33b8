"""Minibatch indices without replacement: a random permutation of the data set for every path and epoch."""

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Int32

from sde_momentum.solvers._dtype import check_size
from sde_momentum.solvers._philox import Words2, high_product
from sde_momentum.solvers._seed import Seed
from sde_momentum.solvers._streams import Kind, Stream, as_word, vector_words
from sde_momentum.solvers._threefry import threefry2x32

_MIXING = 77.0


def _rounds(population: int) -> int:
    """How many rounds bring the law of any four places within 1e-6 of uniform.

    The total variation distance falls by about n^(1/4) a round. The constant is from exact computation, convolving the
    law of the rounds on all tuples of up to seven places for n = 4, 6, 9, 12, 16.
    """
    return 2 * math.ceil(max(8.0, _MIXING / math.log(max(population, 2))) / 2)


def _feistel(key: Words2, value: Array, radices: tuple[int, int], rounds: int) -> Array:
    """A random permutation of left + a right in [0, a b): in turn left += F(right) mod a, right += F(left) mod b."""
    left_radix, right_radix = (jnp.uint32(r) for r in radices)

    def two_rounds(number: Array, halves: tuple[Array, Array]) -> tuple[Array, Array]:
        left, right = halves
        left = (left + high_product(threefry2x32(key, (right, 2 * number))[0], left_radix)) % left_radix
        right = (right + high_product(threefry2x32(key, (left, 2 * number + 1))[0], right_radix)) % right_radix
        return left, right

    halves = (value % left_radix, value // left_radix)
    left, right = lax.fori_loop(jnp.uint32(0), jnp.uint32(rounds // 2), two_rounds, halves)
    return left + left_radix * right


def _permute(key: Words2, position: Array, population: int) -> Array:
    """A random permutation of [0, population), by walking along a cycle of a slightly larger one until it returns."""
    left = math.isqrt(population - 1) + 1
    radices = (left, -(-population // left))
    permute = lambda v: _feistel(key, v, radices, _rounds(population))
    value = permute(position)
    if radices[0] * radices[1] == population:
        return value
    outside = lambda v: v >= jnp.uint32(population)
    walk = lambda v: jnp.where(outside(v), permute(v), v)
    return lax.while_loop(lambda v: jnp.any(outside(v)), walk, value)


def shuffled_indices(
    seed: Seed,
    path_index: ArrayLike,
    step: ArrayLike,
    size: int,
    population: int,
    *,
    stream: int = Stream.SHUFFLE,
) -> Int32[Array, "*size_and_paths"]:
    """Indices into a data set without replacement, in an order of its own for every path and epoch.

    An epoch has ⌊n / size⌋ steps; step k uses places (k mod steps) · size, … of the order of epoch ⌊k / steps⌋, and the
    last n mod size data points of an order are left out (`drop_last` of the usual data loaders). The order is never
    stored: place → index is a keyed permutation, evaluated where it is needed, so any step is reproduced by itself.

    The permutation is a Feistel network over mixed radices a b ≥ n, a ≈ √n, with Threefry as its round function, and
    cycle walking for the a b − n < a surplus values. Its rounds, 8 or more, bring the joint law of any four places of
    an order within 1e-6 of uniform (total variation), which covers all that second and fourth moments can see.

    Args:
        seed: an integer in [0, 2**64), a JAX key, or its two words; see `seed_from_key`.
        path_index: integers in [0, 2**32), shape `(N,)` or `()`.
        step: an integer in [0, 2**32), possibly traced.
        size: how many indices each path takes per step (the batch size), at most `population`.
        population: n, the number of data points, at most 2**31 − 1.
        stream: which of the independent streams, a `Stream` or any integer in [0, 2**32).

    Returns:
        Integers in [0, n) of shape `(size, N)`, or `(size,)` for a scalar `path_index`.

    Raises:
        ValueError: `size` outside [1, population]; `population` outside [1, 2**31); an integer out of range.

    Example:
        >>> import jax.numpy as jnp
        >>> epoch = [shuffled_indices(seed=1, path_index=0, step=k, size=2, population=6) for k in range(3)]
        >>> sorted(jnp.concatenate(epoch).tolist())
        [0, 1, 2, 3, 4, 5]

    References:
        J. Black, P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002, Methods 2 and 3.
    """
    check_size(size)
    if not 1 <= population < 2**31:
        raise ValueError(f"population must lie in [1, 2**31), got {population}")
    if size > population:
        raise ValueError(f"size must be at most population = {population} without replacement, got {size}")
    steps = jnp.uint32(population // size)
    path, word = as_word(path_index, "path_index"), as_word(step, "step")
    key = tuple(words[0] for words in vector_words(seed, path, word // steps, 1, Kind.SHUFFLE, stream))
    place = jnp.arange(size, dtype=jnp.uint32).reshape((size,) + (1,) * path.ndim)
    position = jnp.broadcast_to((word % steps) * jnp.uint32(size) + place, (size, *path.shape))
    return _permute((key[0], key[1]), position, population).astype(jnp.int32)
