import jax.extend.random as jer
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from sde_momentum.solvers._philox import high_product, philox4x32
from sde_momentum.solvers._threefry import threefry2x32

PI = [int(word, 16) for word in ["243f6a88", "85a308d3", "13198a2e", "03707344", "a4093822", "299f31d0"]]
ONES = 0xFFFFFFFF


def _hex(words):
    return " ".join(f"{int(word):08x}" for word in words)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0, 0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((ONES, ONES), (ONES, ONES, ONES, ONES), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (PI[4:], PI[:4], "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_known_answers(key, counter, expected):
    """Philox-4x32-10 reproduces the test vectors of Random123 (kat_vectors)."""
    words = lambda values: tuple(jnp.uint32(value) for value in values)
    assert _hex(philox4x32(words(key), words(counter))) == expected


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), "6b200159 99ba4efe"),
        ((ONES, ONES), (ONES, ONES), "1cb996fc bb002be7"),
        (PI[2:4], PI[:2], "c4923a9c 483df7a0"),
    ],
)
def test_threefry_gives_the_known_answers(key, counter, expected):
    """Threefry-2x32-20 reproduces the test vectors of Random123 (kat_vectors)."""
    words = lambda values: tuple(jnp.uint32(value) for value in values)
    assert _hex(threefry2x32(words(key), words(counter))) == expected


def test_threefry_gives_the_bits_of_jax():
    """The unrolled hash is JAX's own Threefry for the same key and counter."""
    key = jr.key_data(jr.key(12345))
    counter = jnp.asarray(np.random.default_rng(0).integers(0, 2**32, 1000), jnp.uint32)
    ours = threefry2x32((key[0], key[1]), (counter[:500], counter[500:]))
    assert jnp.array_equal(jnp.concatenate(ours), jer.threefry_2x32(key, counter))


def test_high_product_is_exact():
    """The high word of a product agrees with integer arithmetic."""
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, 2**32, (2, 1000), dtype=np.uint64)
    pairs[:, :4] = [[0, 1, ONES, ONES], [ONES, ONES, ONES, 1]]
    a, b = (jnp.asarray(row, jnp.uint32) for row in pairs)
    expected = (pairs[0] * pairs[1]) >> np.uint64(32)
    assert np.array_equal(np.asarray(high_product(a, b), np.uint64), expected)
