import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from sde_momentum.solvers import Stream, indices, normal, seed_from_key, shuffled_indices, signs, three_point

PATHS = np.arange(6)
DRAWS = (normal, signs, three_point)


def test_a_jax_key_is_the_seed_of_its_integer():
    """`jax.random.key(s)` and the integer s below 2**32 give the same numbers, as do the two words of the key."""
    expected = normal(7, PATHS, 3, 2)
    key = jr.key(7)
    assert jnp.array_equal(normal(key, PATHS, 3, 2), expected)
    assert jnp.array_equal(normal(seed_from_key(key), PATHS, 3, 2), expected)
    # A compiled program may contract a product and a sum into one rounding.
    assert jnp.allclose(jax.jit(lambda k: normal(k, PATHS, 3, 2))(key), expected, rtol=1e-14, atol=0)
    assert not jnp.array_equal(normal(2**32 + 7, PATHS, 3, 2), expected)


def test_a_key_of_another_implementation_is_accepted():
    """Any JAX key gives two words."""
    assert seed_from_key(jr.key(7, impl="rbg")).shape == (2,)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("size", [None, 3])
def test_numbers_depend_on_their_address_only(draw, size):
    """A path's numbers do not depend on the batch nor on its order; smaller sizes are prefixes of larger ones."""
    compiled = jax.jit(lambda path, step: draw(1, path, step, size))
    batch = compiled(PATHS, 5)
    same = lambda a, b: jnp.allclose(a, b, rtol=1e-14, atol=0)
    assert same(compiled(4, 5), batch[..., 4])
    assert same(compiled(PATHS[::-1].copy(), 5)[..., ::-1], batch)
    if size is not None:
        assert same(jax.jit(lambda path, step: draw(1, path, step, 70))(PATHS, 5)[:size], batch)


_four = jax.jit(lambda seed, path, step, stream: normal(seed, path, step, 4, stream=stream))


def _number(seed=1, path=2, step=3, component=0, stream=0):
    words = np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)
    return float(_four(words, np.uint32(path), np.uint32(step), np.uint32(stream))[component])


def test_no_two_addresses_share_a_number():
    """Changing any one field of the address, at either end of its range, changes the number."""
    top = 2**32 - 1
    addresses = [
        *({"seed": s} for s in (0, 1, 2, 2**32, 2**64 - 1)),
        *({"path": p} for p in (0, 1, 3, top)),
        *({"step": k} for k in (0, 1, 2, top)),
        *({"component": c} for c in (1, 2, 3)),
        *({"stream": int(s)} for s in Stream if s != 0),
        {"stream": top},
    ]
    values = [_number(**address) for address in addresses]
    assert len(set(values)) == len(addresses)


def test_float32_normals_are_the_float64_ones_rounded():
    """The two precisions share their leading words, so a float32 run can be checked in float64."""
    paths = np.arange(20000)
    for size in (None, 4):
        draws = (jax.jit(lambda p, d=d, n=size: normal(3, p, 9, n, dtype=d))(paths) for d in ("float32", "float64"))
        single, double = (np.asarray(z, float) for z in draws)
        assert np.abs(single - double).max() < 2e-4
        assert np.median(np.abs(single - double)) < 2e-7


@pytest.mark.parametrize("draw", DRAWS)
def test_large_addresses_work_without_64_bit_types(draw):
    """Path indices and steps beyond 2**31 are addresses like others."""
    top = np.array([2**32 - 1, 2**31], np.uint32)
    with jax.enable_x64(False):
        values = jax.jit(lambda path, step: draw(1, path, step, 70))(top, np.uint32(2**32 - 1))
    assert values.dtype == np.float32
    assert not jnp.array_equal(values[:, 0], values[:, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: normal(-1, 0, 0), r"seed must lie in \[0, 2\*\*64\), got -1"),
        (lambda: normal(2**64, 0, 0), r"seed must lie in \[0, 2\*\*64\)"),
        (lambda: normal(1, np.array([-1]), 0), r"path_index must lie in \[0, 2\*\*32\), got values from -1"),
        (lambda: normal(1, 2**32, 0), r"path_index must lie in"),
        (lambda: normal(1, 0, -1), r"step must lie in"),
        (lambda: normal(1, 0, 0, stream=2**32), r"stream must lie in"),
        (lambda: normal(1, 0, 0, 0), r"size must be a positive integer, got 0"),
        (lambda: normal(1, 0, 0, dtype="float16"), r"dtype must be float32 or float64, got float16"),
        (lambda: normal(np.zeros(3, np.uint32), 0, 0), r"uint32 of shape \(2,\), got uint32 of shape \(3,\)"),
        (lambda: seed_from_key(jr.split(jr.key(0), 3)), r"one key, got an array of keys of shape \(3,\)"),
        (lambda: indices(1, 0, 0, 1, 0), r"population must lie in \[1, 2\*\*31\), got 0"),
        (lambda: shuffled_indices(1, 0, 0, 5, 4), r"size must be at most population = 4"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    """A wrong argument is named with the value received."""
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("call", [lambda: normal(1.5, 0, 0), lambda: normal(1, 0.5, 0), lambda: seed_from_key(3)])
def test_a_wrong_type_is_refused(call):
    """Floats are no addresses, integers no keys."""
    with pytest.raises(TypeError):
        call()


def test_float64_needs_64_bit_jax():
    """Without x64 a float64 request is refused, not silently narrowed."""
    with jax.enable_x64(False), pytest.raises(ValueError, match="needs 64-bit JAX"):
        normal(1, 0, 0, dtype="float64")
