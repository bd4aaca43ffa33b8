"""The telescope from minibatches to the equation: its legs add up, and each has an honest standard error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from sde_momentum.compare import affine_chain, telescope, weak_error
from sde_momentum.compare.coupling._comonotone import ranked_draws
from sde_momentum.dynamics import chain
from sde_momentum.optimizers import sgd
from sde_momentum.problems import double_well, minibatch, quadratic, svag
from sde_momentum.symbolic import modified_equation

LIMIT = modified_equation(sgd(), order=1)
DATA = jnp.array([0.0, 0.0, 0.0, 4.0])
SETTING = {"t1": 0.8, "learning_rates": (0.4, 0.2), "num_paths": 256, "noise_paths": 16_384, "progress": False}


def skewed():
    """Loss (x − d)²/2 on four numbers, one of them far off: a strongly skewed gradient."""
    return minibatch(lambda x, rows: 0.5 * jnp.mean((x - rows) ** 2), DATA, 1)


@pytest.fixture(scope="module")
def legs():
    return telescope(sgd(), LIMIT, skewed(), 0.3, seed=2, observables={"x²": lambda x: x**2, "x³": lambda x: x**3},
                     **SETTING)  # fmt: skip


def third_moment(eta, steps):
    """E x³ after minibatch steps x' = (1−η)x + ηd, by the binomial recursion on the first three moments."""
    data = np.asarray(DATA)
    d1, d2, d3 = (float(np.mean(data**k)) for k in (1, 2, 3))
    m1, m2, m3 = 0.3, 0.3**2, 0.3**3
    a = 1 - eta
    for _ in range(steps):
        m1, m2, m3 = (
            a * m1 + eta * d1,
            a**2 * m2 + 2 * a * eta * m1 * d1 + eta**2 * d2,
            a**3 * m3 + 3 * a**2 * eta * m2 * d1 + 3 * a * eta**2 * m1 * d2 + eta**3 * d3,
        )
    return m1, m2, m3


@pytest.mark.slow
def test_noise_shape_is_the_third_cumulant(legs):
    """On a quadratic x² does not feel the shape of the noise, and x³ feels its third cumulant exactly, within 5 SE."""
    at = legs.dataset.sel(leg="noise shape").isel(time=-1)
    error, spread = at["error"], at["standard_error"]
    assert np.all(np.abs(error.sel(observable="x²")) < 5 * spread.sel(observable="x²"))
    for eta in SETTING["learning_rates"]:
        steps = round(0.8 / eta)
        m1, m2, m3 = third_moment(eta, steps)
        gaussian = m1**3 + 3 * m1 * (m2 - m1**2)
        one = (
            float(error.sel(observable="x³", learning_rate=eta)),
            float(spread.sel(observable="x³", learning_rate=eta)),
        )
        assert abs(one[0] - (m3 - gaussian)) < 5 * one[1]
    # The control: at this sample size no effect of the shape would be refused.
    far = error.sel(observable="x³", learning_rate=0.4) / spread.sel(observable="x³", learning_rate=0.4)
    assert abs(float(far)) > 5


def test_legs_add_up(legs):
    """The sum is the sum, its standard error the root of the sum of squares."""
    error, spread = legs.dataset["error"], legs.dataset["standard_error"]
    parts = ["noise shape", "discretization"]
    np.testing.assert_allclose(error.sel(leg=parts).sum("leg"), error.sel(leg="sum"))
    np.testing.assert_allclose(np.sqrt((spread.sel(leg=parts) ** 2).sum("leg")), spread.sel(leg="sum"))
    assert "noise shape" in str(legs)


@pytest.mark.slow
def test_sum_is_the_exact_error(legs):
    """For x² the sum agrees with closed moments of minibatch chain and equation, within 5 SE and the solver's bias."""
    rates = (0.4, 0.2, 0.1, 0.05)
    exact = weak_error(sgd(), LIMIT, skewed(), 0.3, t1=0.8, learning_rates=rates, observables={"x²": lambda x: x**2})
    found = legs.dataset.sel(leg="sum", observable="x²").isel(time=-1)
    truth = exact.dataset["error"].isel(time=-1, observable=0).sel(learning_rate=[0.4, 0.2])
    bias = np.abs(legs.dataset["solver_bias"].sel(observable="x²").isel(time=-1))
    assert np.all(np.abs(found["error"] - truth) < 5 * found["standard_error"] + 2 * bias)


def test_round_trip_and_figure(legs, tmp_path):
    """The data set goes through netCDF, and the figure has one curve a leg."""
    import matplotlib as mpl

    mpl.use("agg")
    legs.dataset.to_netcdf(tmp_path / "legs.nc", engine="h5netcdf")
    xr.testing.assert_identical(xr.load_dataset(tmp_path / "legs.nc", engine="h5netcdf"), legs.dataset)
    assert len(legs.plot("x³").get_legend().get_texts()) == 3


def test_ranked_minibatches_are_coupled(legs):
    """With one parameter a batch is a quantile of the normal: the same law, and a smaller spread than by chance."""
    problem = minibatch(lambda x, rows: 0.5 * jnp.mean((x - rows) ** 2), jnp.linspace(-1.0, 2.0, 7), 2)
    ranked = ranked_draws(problem, jnp.asarray(0.3))
    levels = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    rows = jax.jit(jax.vmap(lambda z: ranked(problem, jnp.asarray(0.3), z)))(jnp.asarray(levels))
    found = np.asarray(jax.vmap(lambda row: problem.stochastic_gradient(jnp.asarray(0.3), row, 1.0))(rows))
    assert np.mean(found) == pytest.approx(float(problem.gradient(jnp.asarray(0.3))), abs=1e-3)
    assert np.var(found) == pytest.approx(float(problem.covariance(jnp.asarray(0.3))[0, 0]), rel=2e-3)
    assert np.corrcoef(found, levels)[0, 1] > 0.98
    assert ranked_draws(problem, jnp.zeros(2)) is None
    # Independent chains would spread x² by √(Var + Var) over the paths.
    at = legs.dataset.sel(leg="noise shape", observable="x²", learning_rate=0.4).isel(time=-1)
    m1, m2, _ = third_moment(0.4, 2)
    independent = np.sqrt(2 * (2 * (m2 - m1**2) ** 2 + 4 * m1**2 * (m2 - m1**2)) / SETTING["noise_paths"])
    assert float(at["standard_error"]) < 0.8 * independent


@pytest.mark.parametrize("ell", [1, 2, 8])
def test_stationary_variance_under_svag(ell):
    """SVAG keeps σ² η and divides the curvature effect by ℓ: Var x = η s²/(h (2 − ηh/ℓ))."""
    eta, curvature, deviation = 0.5, 1.5, 0.7
    problem = svag(quadratic(curvature, noise=deviation), ell)
    found = affine_chain(chain(sgd(), problem, learning_rate=eta / ell), np.asarray(0.0))
    exact = eta * deviation**2 / (curvature * (2 - eta * curvature / ell))
    assert found.stationary().covariance[0, 0] == pytest.approx(exact, rel=1e-6)
    assert ell == 1 or exact != pytest.approx(eta * deviation**2 / (curvature * (2 - eta * curvature)), rel=0.05)


def test_dependent_steps_are_refused():
    """Reshuffled epochs have no Gaussian twin with independent steps."""
    problem = minibatch(lambda x, rows: 0.5 * jnp.mean((x - rows) ** 2), DATA, 2, replacement=False)
    with pytest.raises(ValueError, match="walks through epochs"):
        telescope(sgd(), LIMIT, problem, 0.3, **SETTING)


def test_gaussian_noise_has_no_shape():
    """The first leg is exactly zero, and print and legend say so; the second is the sum."""
    import matplotlib as mpl

    mpl.use("agg")
    study = telescope(sgd(), LIMIT, double_well(), 0.5, t1=0.8, learning_rates=(0.4, 0.2), num_paths=64, progress=False)
    parts = study.dataset[["error", "standard_error"]]
    assert not np.any(parts.sel(leg="noise shape").to_array())
    xr.testing.assert_equal(parts.sel(leg="sum", drop=True), parts.sel(leg="discretization", drop=True))
    text = str(study)
    assert "the noise is Gaussian, so that the leg “noise shape” is exactly zero; 64 coupled paths" in text
    assert text.count("(solver bias up to") == 3
    axes = study.plot()
    labels = [label.get_text() for label in axes.get_legend().get_texts()]
    assert sorted(labels) == ["discretization", "noise shape: exactly zero", "sum"]
    axes.figure.clear()
    with pytest.raises(ValueError, match="`observable` must be one of loss, mean x, mean x², got 'x'"):
        study.plot("x")


def test_how_both_legs_were_found_is_said(legs):
    """Numbers of paths, and how the noise is coupled to the Gaussian one."""
    assert "16384 pairs of paths for the shape of the noise, with the noise as quantiles of normals; 256" in str(legs)
    assert all("zero" not in text.get_text() for text in legs.plot("x³").get_legend().get_texts())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"learning_rates": 0.4}, ValueError, "`learning_rates` must be one or more positive numbers, .* got 0.4"),
        ({"learning_rates": ()}, ValueError, r"`learning_rates` must be one or more positive numbers, .* got \(\)"),
        ({"learning_rates": "ab"}, TypeError, "`learning_rates` must be one or more positive numbers, .* got 'ab'"),
        ({"learning_rates": (0.4, 0.4)}, ValueError, "strictly decreasing, got"),
        ({"learning_rates": (0.2, 0.4)}, ValueError, "strictly decreasing, got"),
        ({"learning_rates": (0.4, 0.0)}, ValueError, "positive numbers, strictly decreasing, got"),
        ({"learning_rates": (0.4, 0.3)}, ValueError, "t1 = 0.8 is 2.66667 steps of length 0.3"),
        ({"learning_rate": 0.4}, ValueError, "pass `learning_rates`, one or more of them"),
        ({"num_paths": "64"}, TypeError, "`num_paths` must be a whole number, got '64'"),
        ({"num_paths": None}, TypeError, "`num_paths` must be a whole number, got None"),
        ({"num_paths": -1}, ValueError, "`num_paths` must be at least .*, got -1"),
        ({"num_paths": 7}, ValueError, "`num_paths` must be at least 8, for a standard error, got 7"),
        ({"noise_paths": 7}, ValueError, "`noise_paths` must be at least 8, for a standard error, got 7"),
        ({"noise_paths": "64"}, TypeError, "`noise_paths` must be a whole number, got '64'"),
        ({"t1": np.inf}, ValueError, "`t1` must be positive and finite, got inf"),
        ({"substeps": 0}, ValueError, "`substeps` must be at least 1, got 0"),
    ],
)
def test_misuse_is_refused(changes, error, message):
    """One sentence that names the argument, before anything is run."""
    with pytest.raises(error, match=message):
        telescope(sgd(), LIMIT, skewed(), 0.3, **(SETTING | changes))
