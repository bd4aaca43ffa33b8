import functools

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest

from sde_momentum.solvers import (
    CounterPath,
    FusedTerm,
    MacroEuler,
    SmallNoise,
    TwoPointIncrements,
    WeakRK2,
    WeakRK2Additive,
)

PATHS = 6
SOLVERS = {
    "MacroEuler": MacroEuler(4),
    "SmallNoise": SmallNoise(),
    "WeakRK2": WeakRK2(),
    "WeakRK2Additive": WeakRK2Additive(),
}


def _drift(t, y, args):
    return -args * y


def _sigma(t, y, args):
    return 0.3 * jnp.sqrt(1 + y**2)


def _fused(t, y, args, dt, dw):
    return _drift(t, y, args) * dt + _sigma(t, y, args) * dw


def _terms(path, kind="multi"):
    if kind == "fused":
        return FusedTerm(_fused, path)
    if kind == "fused with drift":
        return FusedTerm(_fused, path, drift=_drift)
    noise = lambda t, y, args: lx.DiagonalLinearOperator(jnp.atleast_1d(_sigma(t, y, args)))
    if path.path_index.ndim == 0:
        noise = _sigma
    return dfx.MultiTerm(dfx.ODETerm(_drift), dfx.ControlTerm(noise, path))


def _solve(solver, kind="multi", path_index=None, args=1.0, adjoint=None, dtype="float32", **path_arguments):
    """Sixteen grid steps from 1; float32 noise compiles faster and serves as well in a float64 state."""
    index = np.arange(PATHS) if path_index is None else path_index
    path = CounterPath(0.0, 1.0, 1 / 16, 7, index, dtype=dtype, **path_arguments)
    step = 1 / 16 * getattr(solver, "substeps", 1)
    y0 = jnp.ones(np.shape(index))
    adjoint = dfx.DirectAdjoint() if adjoint is None else adjoint
    return dfx.diffeqsolve(_terms(path, kind), solver, 0.0, 1.0, step, y0, args, adjoint=adjoint, max_steps=16).ys[0]


@functools.cache
def _batch(solver, kind="multi"):
    return np.asarray(_solve(solver, kind))


@pytest.mark.parametrize("substeps", [2, 4, 16])
def test_macro_euler_is_euler(substeps):
    """M substeps a step give the numbers of `diffrax.Euler` on the same path."""
    np.testing.assert_allclose(_batch(MacroEuler(substeps)), _batch(dfx.Euler()), rtol=1e-5)


@pytest.mark.parametrize(
    "name",
    ["MacroEuler", "WeakRK2", *(pytest.param(n, marks=pytest.mark.slow) for n in ("SmallNoise", "WeakRK2Additive"))],
)
def test_kinds_of_terms_agree(name):
    """`MultiTerm(ODETerm, ControlTerm)` and `FusedTerm`, with or without its drift, are the same equation."""
    for kind in ("fused", "fused with drift")[: 2 if name in ("SmallNoise", "WeakRK2") else 1]:
        np.testing.assert_allclose(_batch(SOLVERS[name], kind), _batch(SOLVERS[name]), rtol=1e-5)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_single_path_is_a_column_of_the_batch(name):
    """One replica, batched by nobody, has the numbers of its column in the batch; so has a vmapped solve."""
    np.testing.assert_allclose(_solve(SOLVERS[name], path_index=2), _batch(SOLVERS[name])[2], rtol=1e-5)
    if name == "MacroEuler":
        mapped = jax.vmap(lambda i: _solve(SOLVERS[name], path_index=i))(jnp.arange(PATHS))
        np.testing.assert_allclose(mapped, _batch(SOLVERS[name]), rtol=1e-5)


@pytest.mark.slow
def test_vector_states_with_dense_noise():
    """A state of shape (d, N) with m noise components, S given densely for one replica, in one solve for all."""
    path = CounterPath(0.0, 0.5, 1 / 8, 7, np.arange(PATHS), size=3, dtype="float32")
    matrix = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3)))
    batched = FusedTerm(lambda t, y, args, dt, dw: -y * dt + (matrix @ dw) * (1 + y), path)
    single = lambda i: dfx.MultiTerm(
        dfx.ODETerm(lambda t, y, args: -y),
        dfx.ControlTerm(
            lambda t, y, args: matrix * (1 + y)[:, None], CounterPath(0.0, 0.5, 1 / 8, 7, i, size=3, dtype="float32")
        ),
    )
    for solver in (WeakRK2(), SmallNoise(), MacroEuler(2)):
        step = 1 / 8 * getattr(solver, "substeps", 1)
        solve = lambda terms, y0, s=solver, h=step: dfx.diffeqsolve(
            terms, s, 0.0, 0.5, h, y0, adjoint=dfx.DirectAdjoint(), max_steps=4
        ).ys[0]
        both = solve(batched, jnp.ones((2, PATHS)))
        np.testing.assert_allclose(solve(single(4), jnp.ones(2)), both[:, 4], rtol=1e-5)


@pytest.mark.slow
def test_trees_as_states():
    """A state may be any pytree."""
    path = CounterPath(0.0, 1.0, 1 / 8, 7, np.arange(PATHS), size=2, dtype="float32")

    def increment(t, y, args, dt, dw):
        return {"x": y["v"] * dt, "v": (-y["x"] - y["v"]) * dt + 0.1 * dw[0] + 0.2 * y["v"] * dw[1]}

    y0 = {"x": jnp.ones(PATHS), "v": jnp.zeros(PATHS)}
    for solver in (WeakRK2(), SmallNoise(), WeakRK2Additive()):
        y1 = dfx.diffeqsolve(FusedTerm(increment, path), solver, 0.0, 1.0, 1 / 8, y0).ys
        assert y1["x"].shape == (1, PATHS)
        assert np.isfinite(y1["v"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, 1])
@pytest.mark.parametrize("name", SOLVERS)
def test_gradients_agree_across_adjoints(name, size):
    """Both reverse modes and forward mode agree with differences, in either layout of the noise; another does not."""

    def loss(args, adjoint):
        path = CounterPath(0.0, 1.0, 1 / 16, 7, np.arange(PATHS), size)
        kick = lambda t, y, a, dt, dw: _fused(t, y, a, dt, dw if size is None else dw[0])
        step = 1 / 16 * getattr(SOLVERS[name], "substeps", 1)
        rest = {"adjoint": adjoint, "max_steps": 16}
        ys = dfx.diffeqsolve(
            FusedTerm(kick, path), SOLVERS[name], 0.0, 1.0, step, args * jnp.ones(PATHS), args, **rest
        ).ys
        return jnp.sum(ys**2)

    step, direct = 1e-5, jax.jit(lambda args: loss(args, dfx.DirectAdjoint()))
    central = (direct(1.0 + step) - direct(1.0 - step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(direct)(1.0), central, rtol=1e-7)
    np.testing.assert_allclose(jax.grad(lambda a: loss(a, dfx.RecursiveCheckpointAdjoint()))(1.0), central, rtol=1e-7)
    forward = jax.jvp(lambda a: loss(a, dfx.ForwardMode()), (1.0,), (1.0,))[1]
    np.testing.assert_allclose(forward, central, rtol=1e-7)
    assert abs(jax.grad(lambda a: loss(a, dfx.ImplicitAdjoint()))(1.0) / central - 1) > 0.1


def test_float32_stays_float32():
    """Single precision noise and state are not promoted."""
    with jax.enable_x64(False):
        path = CounterPath(0.0, 1.0, 1 / 16, 7, np.arange(PATHS))
        y = dfx.diffeqsolve(FusedTerm(_fused, path), MacroEuler(4), 0.0, 1.0, 1 / 4, jnp.ones(PATHS), 1.0).ys
        assert y.dtype == jnp.float32


def test_float32_noise_may_drive_a_float64_state():
    """Noise in float32 changes a float64 solve by rounding only."""
    np.testing.assert_allclose(_batch(MacroEuler(4)), _solve(MacroEuler(4), dtype="float64"), rtol=1e-5)


def test_two_valued_noise_in_macro_steps():
    """Macro steps of two-valued noise are Euler steps with signs."""
    expected = _solve(dfx.Euler(), increments=TwoPointIncrements())
    np.testing.assert_allclose(_solve(MacroEuler(16), increments=TwoPointIncrements()), expected, rtol=1e-5)


def test_wrong_noise_and_substeps_are_refused():
    """A path that knows nothing of substeps or signs, and a meaningless number of substeps, are refused."""
    brownian = dfx.UnsafeBrownianPath((PATHS,), jax.random.key(0))
    for solver in (MacroEuler(4), WeakRK2()):
        with pytest.raises(TypeError):
            dfx.diffeqsolve(
                FusedTerm(_fused, brownian), solver, 0.0, 1.0, 0.25, jnp.ones(PATHS), 1.0, adjoint=dfx.DirectAdjoint()
            )
    with pytest.raises(ValueError, match="substeps must be a positive integer, got 0"):
        MacroEuler(0)
    with pytest.raises(ValueError, match="control is the pair"):
        dfx.diffeqsolve(dfx.ODETerm(lambda t, y, args: -y), SmallNoise(), 0.0, 1.0, 0.25, 1.0)


def test_substeps_share_no_memory_between_solves():
    """The compiled solve is reused for other seeds and paths: nothing of the noise is baked in."""
    solve = eqx.filter_jit(lambda words, paths: _seeded(words, paths))
    first = solve(np.array([0, 7], np.uint32), np.arange(PATHS))
    second = solve(np.array([0, 8], np.uint32), np.arange(PATHS))
    assert not np.allclose(first, second)
    np.testing.assert_allclose(first, _batch(MacroEuler(4), "fused"), rtol=1e-5)


def _seeded(words, paths):
    path = CounterPath(0.0, 1.0, 1 / 16, words, paths, dtype="float32")
    y0 = jnp.ones(PATHS)
    return dfx.diffeqsolve(FusedTerm(_fused, path), MacroEuler(4), 0.0, 1.0, 1 / 4, y0, 1.0).ys[0]
