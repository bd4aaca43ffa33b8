import math

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.solvers import (
    CounterPath,
    FusedTerm,
    GaussianIncrements,
    Stream,
    ThreePointIncrements,
    TwoPointIncrements,
    normal,
)

SE = 5.0
PATHS = np.arange(5)
LAWS = (GaussianIncrements(), TwoPointIncrements(), ThreePointIncrements())


def _path(size=None, law=None, t1=8.0, **kwargs):
    return CounterPath(0.0, t1, 0.125, 7, kwargs.pop("path_index", PATHS), size, increments=law, **kwargs)


def test_an_increment_is_its_number_times_the_root_of_dt():
    """Increment k is √dt times the standard normal number at step k."""
    path = _path(3)
    assert jnp.array_equal(path.increment(11), math.sqrt(0.125) * normal(7, PATHS, 11, 3))
    assert jnp.array_equal(path.evaluate(11 / 8, 12 / 8), path.increment(11))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@pytest.mark.parametrize("size", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_sums_substeps_and_coarse_steps_are_one_path(law, size):
    """All ways to ask for W(t + 20 dt) − W(t) agree: sums, substeps, coarser paths, the value of the path."""
    path = _path(size, law, t1=10.0)

    @jax.jit
    def all_ways():
        single = jax.vmap(path.increment)(jnp.arange(60))
        return single, {
            "sum": (path.increments(0, 40), (0, 40)),
            "sum from anywhere": (path.increments(jnp.uint32(7), 20), (7, 27)),
            "value": (path.evaluate(2.5), (0, 20)),
            "coarse": (path.coarsen(20).evaluate(2.5, 5.0), (20, 40)),
            "coarse twice": (path.coarsen(4).coarsen(4).evaluate(2.0, 4.0), (16, 32)),
            "substeps": (sum(path.evaluate(4.0, 6.0, substeps=16).values), (32, 48)),
            "third substep": (path.evaluate(4.0, 6.0, substeps=16).values[2], (34, 35)),
            "third coarse substep": (path.coarsen(2).evaluate(4.0, 6.0, substeps=8).values[2], (36, 38)),
        }

    single, ways = all_ways()
    for name, (value, (first, last)) in ways.items():
        expected = single[int(first) : int(last)].sum(0)
        np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-14, err_msg=name)


def test_streams_and_laws_are_different_noise():
    """Two streams, and two laws in one stream, give different increments; signs for a solver are none of the path's."""
    base = _path(40, TwoPointIncrements())
    other = _path(40, TwoPointIncrements(), stream=Stream.SECOND_DRAW)
    assert not jnp.array_equal(base.increment(0), other.increment(0))
    weak = base.evaluate(0.0, 0.125, weak=True)
    assert weak.signs.shape == weak.value.shape
    assert not jnp.array_equal(jnp.sign(weak.value), weak.signs)


def test_a_single_path_is_a_column_of_the_batch():
    """A scalar path index drops the path axis and nothing else."""
    assert jnp.array_equal(_path(2, path_index=3).increment(4), _path(2).increment(4)[:, 3])
    assert _path(path_index=3).evaluate(0.0, 0.125).shape == ()


def test_increments_stay_independent_at_large_times():
    """At t = 10⁵ with dt = 10⁻³, 10⁸ steps from the start, neighboring increments are uncorrelated, never repeated."""
    start, dt, paths = 1e5, 1e-3, 4000
    path = CounterPath(0.0, 2e5, dt, 3, np.arange(paths))
    term = FusedTerm(lambda t, y, args, dt, dw: jnp.stack([dw - y[0], y[0]]), path)
    saves = dfx.SaveAt(steps=True)
    times = start + dt * np.arange(33)
    solve = dfx.diffeqsolve(
        term, dfx.Euler(), times[0], times[-1], None, jnp.zeros((2, paths)), saveat=saves,
        stepsize_controller=dfx.StepTo(times), max_steps=32, adjoint=dfx.DirectAdjoint(),
    )  # fmt: skip
    increments = np.asarray(solve.ys[:, 0]) / math.sqrt(dt)
    for lag in (1, 2, 3):
        correlation = (increments[lag:] * increments[:-lag]).mean()
        assert abs(correlation) * math.sqrt(increments[lag:].size) < SE
    assert np.unique(increments).size == increments.size
    repeated = np.repeat(increments[::2], 2, axis=0)  # what a rounded time index would give
    assert abs((repeated[1:] * repeated[:-1]).mean()) * math.sqrt(repeated[1:].size) > SE


@pytest.mark.parametrize(
    ("t0", "t1", "message"),
    [
        (0.1, 0.225, "off its grid"),
        (0.0, 0.25, "not one of its steps"),
        (0.0, 0.13, "off its grid"),
        (-0.125, 0.0, "outside"),
        (8.0, 8.125, "outside"),
        (math.nan, 0.125, "off its grid"),
    ],
)
def test_off_grid_times_are_refused(t0, t1, message):
    """A time off the grid, outside the path, or an interval that is not one step, ends the run with a reason."""
    path = _path()
    with pytest.raises(Exception, match=message):
        jax.block_until_ready(eqx.filter_jit(path.evaluate)(jnp.asarray(t0), jnp.asarray(t1)))


def test_a_wrong_step_size_is_refused_by_the_solve():
    """A solve whose dt0 is not the step of the path fails, also when it is a multiple of it."""
    term = FusedTerm(lambda t, y, args, dt, dw: dw, _path())
    for dt0 in (0.1, 0.25):
        with pytest.raises(Exception, match="CounterPath was evaluated"):
            dfx.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, dt0, jnp.zeros(5))


def test_a_misaligned_macro_step_is_refused():
    """Substeps that would split a shared random word are refused, not silently redrawn."""
    with pytest.raises(Exception, match="must start at a multiple"):
        jax.block_until_ready(_path().evaluate(0.125, 0.625, substeps=4))


def test_float32_time_resolves_long_grids():
    """In float32 a grid of 2**17 steps works; where rounding reaches a quarter of a step, the path refuses."""
    with jax.enable_x64(False):
        path = CounterPath(0.0, 131.072, 1e-3, 1, 0)
        evaluate = eqx.filter_jit(path.evaluate)
        time = np.float32(1e-3) * np.float32(131_000)
        assert evaluate(time, np.float32(time + np.float32(1e-3))) == path.increment(131_000)
        long = CounterPath(0.0, 1e5, 1e-3, 1, 0)
        with pytest.raises(Exception, match="CounterPath was evaluated"):
            jax.block_until_ready(eqx.filter_jit(long.evaluate)(np.float32(9e4), np.float32(9e4) + np.float32(1e-3)))


def test_a_path_may_be_traced():
    """Seed, paths and times may all be traced values, so a sweep over step sizes compiles once."""

    @jax.jit
    def first(dt, words, paths):
        return CounterPath(0.0, 8 * dt, dt, words, paths).increment(0) / jnp.sqrt(dt)

    words = np.array([0, 7], np.uint32)
    np.testing.assert_allclose(first(0.125, words, PATHS), normal(7, PATHS, 0), rtol=1e-12)
    np.testing.assert_allclose(first(0.1, words, PATHS), normal(7, PATHS, 0), rtol=1e-12)
    assert first._cache_size() == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dt": 0.3}, r"dt must divide t1 - t0, got \(t1 - t0\) / dt = 3.33.*nearest that does is dt=0.33"),
        ({"dt": 0.0}, r"dt > 0"),
        ({"dt": 1e-12}, r"at most 2\*\*32 steps"),
        ({"t1": -1.0}, r"t1 > t0"),
        ({"t1": math.inf}, r"finite t1 > t0"),
        ({"path_index": np.arange(0)}, r"at least one path along one axis, got shape \(0,\)"),
        ({"path_index": np.zeros((2, 2), int)}, r"got shape \(2, 2\)"),
        ({"path_index": np.array([-1])}, r"path_index must lie in"),
        ({"seed": 2**64}, r"seed must lie in"),
        ({"size": 0}, r"size must be a positive integer"),
        ({"dtype": "float16"}, r"dtype must be float32 or float64, got float16"),
        ({"dtype": "foo"}, r"dtype must be float32 or float64, got 'foo'"),
        ({"stream": -1}, r"stream must lie in"),
        ({"stride": 3}, r"dt must divide t1 - t0"),
    ],
)
def test_bad_paths_are_refused_in_one_line(change, message):
    """A wrong argument of the path is named with the value received."""
    arguments = {"t0": 0.0, "t1": 1.0, "dt": 0.125, "seed": 1, "path_index": PATHS} | change
    with pytest.raises(ValueError, match=message) as error:
        CounterPath(**arguments)
    assert "\n" not in str(error.value)


def test_increments_must_be_an_object():
    """A string is no law of increments."""
    with pytest.raises(TypeError, match="GaussianIncrements"):
        _path(law="gaussian")
