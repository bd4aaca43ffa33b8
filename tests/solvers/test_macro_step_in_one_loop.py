import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.solvers import (
    CounterPath,
    FusedTerm,
    GaussianIncrements,
    MacroEuler,
    ThreePointIncrements,
    TwoPointIncrements,
)

DT, PATHS, STEPS = 1 / 16, 3, 8
FORCES = {
    "elementwise": lambda x, p, q: (p, -x - p, jnp.sin(x) - q),
    "shuffles": lambda x, p, q: tuple(jnp.stack([p, -x - p, jnp.sin(x) - q])[::-1][::-1]),
    "branches": lambda x, p, q: jax.lax.cond(x[0] < 10, lambda: (p, -x - p, jnp.sin(x) - q), lambda: (x, p, q)),
}


def _increment(force, size):
    def increment(t, y, args, dt, dw):
        rows = [dw] if size is None else [dw[i] for i in range(size)]
        kicks = [rows[i % len(rows)] * (1 + 0.1 * i * y[i]) for i in range(len(y))]
        return tuple(a * dt + kick for a, kick in zip(force(*y), kicks, strict=True))

    return increment


def _solve(solver, increment, size, number, dtype, law=None):
    real = np.dtype(dtype).type  # diffrax promotes the state to the type of the times
    path = CounterPath(real(0), real(STEPS * DT), real(DT), 7, np.arange(PATHS), size, dtype=dtype, increments=law)
    y0 = tuple(jnp.linspace(i, i + 1, PATHS, dtype=dtype) for i in range(number))
    length = real(DT * getattr(solver, "substeps", 1))
    return dfx.diffeqsolve(FusedTerm(increment, path), solver, path.t0, path.t1, length, y0).ys


@pytest.mark.parametrize(
    ("force", "size", "law"),
    [
        ("elementwise", 3, GaussianIncrements()),
        *(
            pytest.param(force, size, law, marks=pytest.mark.slow)
            for force in FORCES
            for size, law in [(3, ThreePointIncrements()), (2, TwoPointIncrements()), (None, GaussianIncrements())]
        ),
    ],
    ids=str,
)
def test_a_macro_step_of_several_arrays_is_that_many_euler_steps(force, size, law):
    """Packed into one array or not, the components take the same steps, of the same noise, as with diffrax's Euler."""
    increment = _increment(FORCES[force], size)
    ours = _solve(MacroEuler(4), increment, size, 3, "float32", law)
    theirs = _solve(dfx.Euler(), increment, size, 3, "float32", law)
    np.testing.assert_allclose(ours, theirs, rtol=3e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "dtype"), [(4, "float32"), (2, "float64")])
def test_every_number_of_components_survives_the_packing(number, dtype):
    """Each component has its own rotation frequency; an exchanged or truncated one would show."""
    increment = _increment(lambda *y: tuple(-(i + 1) * each for i, each in enumerate(y)), 2)
    ours, theirs = (_solve(solver, increment, 2, number, dtype) for solver in (MacroEuler(4), dfx.Euler()))
    np.testing.assert_allclose(ours, theirs, rtol=3e-6 if dtype == "float32" else 1e-14)


@pytest.mark.slow
def test_packed_components_have_derivatives():
    """The bits that components are packed into have none; forward and reverse mode agree with diffrax's Euler."""

    def loss(solver, start, rate):
        increment = _increment(lambda *y: tuple(-rate * (i + 1) * each for i, each in enumerate(y)), 2)
        path = CounterPath(*map(np.float32, (0, STEPS * DT, DT)), 7, np.arange(PATHS), 2, dtype="float32")
        y0, length = (start,) * 4, np.float32(DT * getattr(solver, "substeps", 1))
        rest = {"adjoint": dfx.DirectAdjoint(), "max_steps": STEPS}
        ys = dfx.diffeqsolve(FusedTerm(increment, path), solver, path.t0, path.t1, length, y0, **rest).ys
        return sum((i + 1) * y.sum() for i, y in enumerate(ys))

    at = (jnp.linspace(0, 1, PATHS, dtype="float32"), jnp.float32(1.0))
    ours, theirs = (jax.grad(loss, argnums=(1, 2))(solver, *at) for solver in (MacroEuler(4), dfx.Euler()))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)
        assert np.abs(other).min() > 0.1


def _words_turned(substeps, number):
    """How often the compiled program turns a word, which the hash does and, once for two components, the packing."""
    increment = _increment(lambda *y: tuple(-each for each in y), 2)
    solve = jax.jit(lambda: _solve(MacroEuler(substeps), increment, 2, number, "float32"))
    return solve.lower().compile().as_text().count(" shift-left(")


@pytest.mark.slow
def test_all_components_and_substeps_share_one_loop_of_hashes():
    """Four components add the two shifts that pack them; with one substep, hence no packing, there are none."""
    two = _words_turned(4, 2)
    assert _words_turned(4, 4) == two + 2
    assert _words_turned(8, 2) == two
