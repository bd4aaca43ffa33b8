"""Ensembles of stochastic differential equations, against the exact law of Euler's scheme."""

import diffrax as dfx
import ensemble_doubles as doubles
import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum import solvers
from sde_momentum.ensembles import _workers, simulate

X0 = jnp.asarray([1.0, -2.0])
DT = 1 / 64


class TwoTermEuler(dfx.Euler):
    """A solver that insists on drift and noise as two terms."""

    term_structure = dfx.MultiTerm[tuple[dfx.ODETerm, dfx.AbstractTerm]]


def _simulate(process, x0=X0, **arguments):
    chosen = {"t1": 1.0, "dt": DT, "num_paths": 20_000, "seed": 5, "progress": False, "block_size": 4096} | arguments
    return simulate(process, x0, **chosen)


@pytest.fixture(scope="module")
def result():
    return _simulate(doubles.ornstein_uhlenbeck(), saves=[0.0, 0.125, 0.25, 1.0])


def _distances(result, process, dt=DT):
    """Largest distances of the mean and the covariance at the end from the exact law, in standard errors."""
    last, steps = result.isel(time=-1), round(float(result.time[-1]) / dt)
    exact = process.euler_covariance(dt, steps)
    mean = (1 - np.asarray(process.rate) * dt) ** steps * np.asarray(X0)
    # Var of a sample covariance of Gaussians: (σ_ii σ_jj + σ_ij²)/n.
    error = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / 20_000)
    return (
        doubles.standard_errors_away(last["mean"], mean, last["standard_error"]),
        doubles.standard_errors_away(last["covariance"], exact, error),
    )


@pytest.mark.parametrize("time", [1, 2, 3])
def test_mean_and_covariance_follow_the_exact_law(result, time):
    """Euler's mean (1 − a dt)ᵏ x₀ and its exact covariance, within 5 standard errors at every save."""
    assert max(_distances(result.isel(time=slice(0, time + 1)), doubles.ornstein_uhlenbeck())) < 5


def test_a_wrong_drift_or_noise_is_rejected_at_the_same_sample_size(result):
    """Negative control: 10 % off in a rate (7 standard errors), or 5 % in the noise factor (10), is rejected."""
    right = doubles.ornstein_uhlenbeck()
    wrong_rate = doubles.OrnsteinUhlenbeck(right.rate * jnp.asarray([1.1, 1.0]), right.factor, 3)
    wrong_factor = doubles.OrnsteinUhlenbeck(right.rate, right.factor * 1.05, 3)
    assert _distances(result, wrong_rate)[0] > 5
    assert _distances(result, wrong_factor)[1] > 5


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("dt", [0.1, *(pytest.param(dt, marks=pytest.mark.slow) for dt in (0.01, 1 / 7))])
def test_the_number_of_steps_is_exact(dt, dtype):
    """A state that counts its steps arrives at t1 / dt of them, although dt is no binary fraction."""
    result = _simulate(
        doubles.DoubleWell(),
        jnp.asarray(0.0),
        dt=dt,
        num_paths=8,
        dtype=dtype,
        observables={"clock": lambda s: s["clock"]},
    )
    assert float(result["mean"][0, 0]) == pytest.approx(1.0, rel=1e-5)
    one_more_step = 1.0 + dt
    assert float(result["mean"][0, 0]) != pytest.approx(one_more_step, rel=1e-3)


@pytest.mark.parametrize(
    ("saves", "dtype"),
    [
        pytest.param([0.0, 0.1, 0.7, 1.0], jnp.float32, marks=pytest.mark.slow),
        ([0.3], jnp.float32),
        pytest.param(5, jnp.float32, marks=pytest.mark.slow),
        (5, jnp.float64),
    ],
)
def test_saves_fall_on_their_times(saves, dtype):
    """The mean of a clock at every save time is that time, in both precisions."""
    result = _simulate(
        doubles.DoubleWell(),
        jnp.asarray(0.0),
        dt=0.1,
        num_paths=8,
        dtype=dtype,
        saves=saves,
        observables={"clock": lambda state: state["clock"][0]},
    )
    np.testing.assert_allclose(result["mean"].values[:, 0], result.time.values, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_separate_terms_give_the_numbers_of_the_fused_one(result):
    """A solver that takes drift and noise as two terms gets the same paths, up to rounding."""
    separate = _simulate(doubles.ornstein_uhlenbeck(), saves=[0.0, 0.125, 0.25, 1.0], solver=TwoTermEuler())
    np.testing.assert_allclose(separate["mean"], result["mean"], rtol=1e-11)
    np.testing.assert_allclose(separate["covariance"], result["covariance"], rtol=1e-11, atol=1e-14)


def test_macro_steps_give_the_numbers_of_single_ones(result):
    """Several substeps in a step of the solver change nothing but rounding."""
    macro = _simulate(doubles.ornstein_uhlenbeck(), saves=[0.0, 0.125, 0.25, 1.0], solver=solvers.MacroEuler(4))
    np.testing.assert_allclose(macro["mean"], result["mean"], rtol=1e-11)
    np.testing.assert_allclose(macro["covariance"], result["covariance"], rtol=1e-11, atol=1e-14)


def test_a_solver_in_macro_steps_refuses_saves_between_them():
    """Between macro steps there is only interpolation, which is not the law of the process."""
    with pytest.raises(ValueError, match="saves and t1 must be multiples of 4 dt"):
        _simulate(doubles.ornstein_uhlenbeck(), saves=[DT, 1.0], solver=solvers.MacroEuler(4))


def test_two_point_increments_match_the_first_two_moments():
    """Signs in place of Gaussians keep mean and covariance of a linear equation, and lower its fourth moment."""
    process = doubles.ornstein_uhlenbeck()
    result = _simulate(process, increments=solvers.TwoPointIncrements(), t1=2 * DT)
    assert max(_distances(result, process)) < 5
    # X₁ is driven by two independent signs per step: kurtosis 3 − 2 Σ c⁴/(Σ c²)² over its four coefficients c.
    coefficients = np.outer([1.0 - DT, 1.0], [1.0, 0.5]).ravel()
    kurtosis = 3 - 2 * (coefficients**4).sum() / (coefficients**2).sum() ** 2
    measured = float(result["fourth_central_moment"][0, 0] / result["variance"][0, 0] ** 2)
    assert abs(measured - kurtosis) < 0.05
    assert abs(measured - 3) > 0.5


@pytest.mark.parametrize("chunk_size", [1, 9000, 10**9])
def test_chunk_size_changes_no_bit(result, chunk_size):
    """Moments are folded over fixed blocks, so chunks change nothing."""
    again = _simulate(doubles.ornstein_uhlenbeck(), saves=[0.0, 0.125, 0.25, 1.0], chunk_size=chunk_size)
    doubles.assert_same_bits(again, result)


def test_a_chain_with_the_same_numbers_is_the_same_ensemble():
    """Euler's scheme and the chain x' = (1 − a η)x + √η S ξ with draws of the same counters agree path by path."""
    process = doubles.ornstein_uhlenbeck()

    class Twin(doubles.Autoregression):
        def step(self, k, state, draw):
            return {"x": self.a * state["x"] + self.s @ draw}

    chain = Twin(1 - process.rate * DT, process.factor * jnp.sqrt(DT), DT, doubles.NormalDraw(3))
    twin = simulate(chain, X0, t1=1.0, num_paths=500, seed=5, progress=False)
    sde = _simulate(process, num_paths=500, block_size=500)
    np.testing.assert_allclose(twin["mean"], sde["mean"], rtol=1e-10)
    np.testing.assert_allclose(twin["covariance"], sde["covariance"], rtol=1e-10)


def test_memory_does_not_grow_with_the_number_of_steps():
    """The program for 32 768 steps is that for 256, letter for letter, and keeps few states at a time."""
    from sde_momentum.ensembles._prepare import Question, prepare

    def lowered(steps):
        nothing = dict.fromkeys(Question.__dataclass_fields__)
        chosen = {"t1": 1.0, "dt": 1 / steps, "num_paths": 4096, "seed": 1, "saves": 4, "drop_diverged": False}
        run = prepare(doubles.ornstein_uhlenbeck(), X0, Question(**(nothing | chosen))).run
        return eqx.filter_jit(_workers.one_block).lower(run, jnp.uint32(0))

    few, many = lowered(256), lowered(32_768)
    assert few.as_text() == many.as_text()
    needed = few.compile().compiled.memory_analysis().temp_size_in_bytes
    one_path = 8 * (2 + 3)
    assert 0 < needed < 16 * one_path * 4096


def test_a_sweep_over_steps_and_parameters_compiles_once():
    """Another step, seed, number of paths or rate is another number for the same program: nothing is traced anew."""
    traces = []

    class Counted(doubles.OrnsteinUhlenbeck):
        def increment(self, t, state, args, dt, dw):
            traces.append(1)
            return super().increment(t, state, args, dt, dw)

    base = doubles.ornstein_uhlenbeck()
    _simulate(Counted(base.rate, base.factor, 3), num_paths=100, block_size=64)
    once = len(traces)
    for factor, dt, seed, paths in ((2.0, 1 / 32, 9, 70), (0.5, 1 / 128, 10, 128)):
        _simulate(Counted(base.rate * factor, base.factor, 3), dt=dt, seed=seed, num_paths=paths, block_size=64)
    # One abstract evaluation a run checks the start; none belongs to a compilation.
    assert len(traces) == once + 2
