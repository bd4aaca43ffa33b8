import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from sde_momentum.solvers import TwoPointIncrements, normal, signs, three_point
from sde_momentum.solvers._box_muller import box_muller_32, box_muller_64

PATHS, STEPS = 20_000, 16
SE = 5.0


def _sample(draw, seed, size, dtype, stream=0, shift=0, count=STEPS):
    """Numbers of shape `(steps, size, paths)`."""
    steps = jnp.arange(count) + shift
    rows = jax.vmap(lambda k: draw(seed, jnp.arange(PATHS), k, size, stream=stream, dtype=dtype))(steps)
    return np.asarray(rows, np.float64).reshape(count, size or 1, PATHS)


SLOW = pytest.mark.slow
LAYOUTS = [
    (None, "float32"),
    pytest.param((None, "float64"), marks=SLOW),
    pytest.param((3, "float32"), marks=SLOW),
    pytest.param((3, "float64"), marks=SLOW),
]


@pytest.fixture(scope="module", params=LAYOUTS, ids=str)
def sample(request):
    return _sample(normal, 20260, *request.param)


def _moment_scores(values):
    """Deviations of the first eight moments from those of the normal law, in standard errors."""
    double = lambda k: math.prod(range(k - 1, 0, -2)) if k % 2 == 0 else 0
    moments = [(values**k).mean() - double(k) for k in range(1, 9)]
    return np.array([m * math.sqrt(values.size / (double(2 * k) - double(k) ** 2)) for k, m in enumerate(moments, 1)])


def test_moments_to_order_eight(sample):
    """The first eight moments are those of the standard normal law."""
    assert np.abs(_moment_scores(sample.ravel())).max() < SE


def _chi_square_score(values):
    """χ² over 200 equiprobable cells and the tails beyond 3.5, 4 and 4.5, standardized."""
    edges = scipy.stats.norm.ppf(np.linspace(0, 1, 201))
    edges = np.sort(np.concatenate([edges, [-4.5, -4, -3.5, 3.5, 4, 4.5]]))
    counts = np.histogram(values, edges)[0]
    expected = np.diff(scipy.stats.norm.cdf(edges)) * values.size
    cells = expected > 0.5
    statistic = ((counts - expected)[cells] ** 2 / expected[cells]).sum()
    freedom = cells.sum() - 1
    return (statistic - freedom) / math.sqrt(2 * freedom)


def test_histogram_with_tails(sample):
    """The distribution is normal into the tails."""
    assert abs(_chi_square_score(sample.ravel())) < SE


def _correlation_scores(a, b):
    """Correlations of first and second powers and of their mixture, in standard errors."""
    a, b = a.ravel(), b.ravel()
    pairs = [(a, b)]
    if np.ptp(a**2) > 0:  # squares of signs are constant
        pairs += [(a**2 - 1, b**2 - 1), (a, b**2 - 1), (a**2 - 1, b)]
    return np.array([math.sqrt(a.size) * np.mean(x * y) / math.sqrt(np.mean(x**2) * np.mean(y**2)) for x, y in pairs])


@pytest.mark.parametrize("size", [None, pytest.param(3, marks=SLOW)])
def test_numbers_at_neighboring_addresses_are_independent(size):
    """No correlation between neighboring steps, paths, components, streams, seeds."""
    base = _sample(normal, 5, size, "float32")
    neighbors = {f"step + {lag}": (base[lag:], base[:-lag]) for lag in (1, 2, 3, 4, 5)}
    neighbors |= {f"path + {lag}": (base[..., lag:], base[..., :-lag]) for lag in (1, 2, 16)}
    neighbors["stream"] = (base, _sample(normal, 5, size, "float32", stream=1))
    neighbors["seed"] = (base, _sample(normal, 6, size, "float32"))
    neighbors["layout"] = (base[:, :1], _sample(normal, 5, 1 if size is None else None, "float32"))
    if size is not None:
        neighbors |= {f"component {i}{j}": (base[:, i], base[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))}
    worst = {name: np.abs(_correlation_scores(*pair)).max() for name, pair in neighbors.items()}
    assert max(worst.values()) < SE, worst


def test_a_broken_counter_is_rejected():
    """Negative control: a counter that repeats every second step, and a uniform law in place of the normal."""
    broken = lambda seed, path, step, size, **kwargs: normal(seed, path, step // 2, size, **kwargs)
    repeated = _sample(broken, 5, None, "float32")
    assert np.abs(_correlation_scores(repeated[1:], repeated[:-1])).max() > SE
    uniform = np.random.default_rng(0).uniform(-math.sqrt(3), math.sqrt(3), PATHS * STEPS)
    assert np.abs(_moment_scores(uniform)).max() > SE
    assert abs(_chi_square_score(uniform)) > SE
    shared = _sample(normal, 5, 2, "float32")
    shared[:, 1] = 0.999 * shared[:, 1] + 0.045 * shared[:, 0]
    assert np.abs(_correlation_scores(shared[:, 0], shared[:, 1])).max() > SE


def test_box_muller_is_accurate():
    """R² = −2 ln u to rounding, and the outputs lie on the circle of radius R at the angle of the word."""
    rng = np.random.default_rng(3)
    high = rng.integers(0, 2**32, (2, 100_000), dtype=np.uint32)
    low = rng.integers(0, 2**32, (2, 100_000), dtype=np.uint32)
    high[0, :3] = low[0, :3] = [0, 1, 2**32 - 1]
    words = lambda table: (jnp.asarray(table[0]), jnp.asarray(table[1]))
    double = np.asarray(jnp.stack(box_muller_64(words(high), words(low))))
    uniform = (high[0] + (low[0] + 0.5) * 2.0**-32) * 2.0**-32
    radius = np.sqrt(np.maximum(-2 * np.log(uniform), 0))
    np.testing.assert_allclose(np.hypot(*double), radius, rtol=4e-15, atol=2e-8)
    angle = np.pi * (high[1].astype(np.int32) & ~1).astype(float) * 2.0**-32
    away = radius > 1e-6  # word 2 has u = 1 to rounding, hence no angle
    np.testing.assert_allclose(np.arctan2(double[1], np.abs(double[0]))[away], angle[away], atol=2e-9)
    assert np.array_equal(double[0][away] < 0, high[1][away] & 1 == 1)
    single = np.asarray(jnp.stack(box_muller_32(words(high))), float)
    assert np.isfinite(single).all()
    assert 6.6 < np.abs(single).max() < 6.7
    radius = np.sqrt(-2 * np.log(((high[0] >> 1) + 0.5) * 2.0**-31))
    np.testing.assert_allclose(np.hypot(*single), radius, rtol=2e-6, atol=4e-4)


@pytest.mark.parametrize(("draw", "even"), [(signs, (1, 1, 1, 1)), (three_point, (1, 3, 9, 27))])
@pytest.mark.parametrize("size", [None, pytest.param(70, marks=SLOW)])
def test_weak_increments_match_their_moments(draw, even, size):
    """The moments are those of the two- or three-valued law: m₂ = m₄ = m₆ = 1, or 1, 3, 9; odd ones vanish."""
    values = _sample(draw, 8, size, "float64", count=16 if size is None else 1)
    allowed = [-1.0, 1.0] if draw is signs else [-math.sqrt(3), 0.0, math.sqrt(3)]
    assert np.array_equal(np.unique(values), np.unique(allowed))
    for k, variance in ((1, even[0]), (3, even[2])):
        assert abs((values**k).mean()) * math.sqrt(values.size / variance) < SE
    for k, mean, square in ((2, even[0], even[1]), (4, even[1], even[3])):
        spread = math.sqrt(square - mean**2)
        assert abs((values**k).mean() - mean) * math.sqrt(values.size) < SE * spread + 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("draw", [signs, three_point])
def test_weak_increments_that_share_a_word_are_independent(draw):
    """Steps cut from one word, and components cut from one word, are uncorrelated, squares included."""
    scalar = _sample(draw, 8, None, "float64", count=48)
    worst = {lag: np.abs(_correlation_scores(scalar[lag:], scalar[:-lag])).max() for lag in (1, 2, 3, 4, 15, 16, 32)}
    assert max(worst.values()) < SE, worst
    vector = _sample(draw, 8, 70, "float64", count=1)[0]
    worst = {lag: np.abs(_correlation_scores(vector[lag:], vector[:-lag])).max() for lag in (1, 2, 3, 4, 31, 32, 33)}
    assert max(worst.values()) < SE, worst


def test_fast_runs_are_the_same_numbers():
    """Numbers drawn for several steps at once are those of the single steps, bit for bit."""
    law = TwoPointIncrements()
    path = jnp.arange(50)
    for count, first in ((4, 4), (12, 8), (32, 64), (64, 128), (3, 5)):
        run = law.run(1, path, jnp.uint32(first), count, 0, np.dtype("float32"))
        single = [law.draw(1, path, first + i, None, 0, np.dtype("float32")) for i in range(count)]
        assert all(jnp.array_equal(a, b) for a, b in zip(run, single, strict=True))
