"""Ensembles of discrete chains, against an autoregression whose law is known."""

import ensemble_doubles as doubles
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.ensembles import simulate

X0 = jnp.asarray([1.0, -2.0])


def _simulate(process, x0=X0, **arguments):
    chosen = {"t1": 4.0, "num_paths": 20_000, "seed": 5, "progress": False, "block_size": 4096} | arguments
    return simulate(process, x0, **chosen)


@pytest.fixture(scope="module")
def result():
    return _simulate(doubles.autoregression(), saves=[0.0, 0.3, 1.0, 4.0])


def _z_scores(result, process):
    """Distances of mean and variance from the exact law, in standard errors, at times after the start."""
    steps = np.rint(result.time.values[1:] / process.step_time)[:, None]
    later = result.isel(time=slice(1, None))
    mean = float(process.a) ** steps * np.asarray(X0)
    return (
        doubles.standard_errors_away(later["mean"], mean, later["standard_error"]),
        doubles.standard_errors_away(later["variance"], process.variance(steps), later["variance_standard_error"]),
    )


def test_mean_and_variance_follow_the_exact_law(result):
    """E x_k = aᵏ x₀ and Var x_k = s²(1 − a²ᵏ)/(1 − a²), within 5 standard errors at every save time."""
    assert max(_z_scores(result, doubles.autoregression())) < 5


@pytest.mark.parametrize("wrong", [{"a": 0.88}, {"s": 0.31}])
def test_a_wrong_law_is_rejected_at_the_same_sample_size(result, wrong):
    """Negative control: a coefficient off by 2 or 3 % is rejected by the same distances."""
    assert max(_z_scores(result, doubles.autoregression(**wrong))) > 5


def test_fourth_moment_and_covariance_follow_the_exact_law(result):
    """A Gaussian has μ₃ = 0 and μ₄ = 3σ⁴; independent components have covariance 0."""
    last, n = result.isel(time=-1), 20_000
    variance = last["variance"].values
    assert doubles.standard_errors_away(last["third_central_moment"], 0, np.sqrt(6 * variance**3 / n)) < 5
    assert (
        doubles.standard_errors_away(last["fourth_central_moment"], 3 * variance**2, np.sqrt(96 * variance**4 / n)) < 5
    )
    cross = last["covariance"].values
    assert abs(cross[0, 1]) < 5 * np.sqrt(variance.prod() / n)
    np.testing.assert_allclose(np.diag(cross), variance, rtol=1e-12)


def test_the_start_is_exact(result):
    """At time 0 every path is at x₀, with no spread."""
    np.testing.assert_array_equal(result["mean"].values[0], X0)
    assert (result["variance"].values[0] == 0).all()


def test_moments_at_a_time_do_not_depend_on_the_other_saves(result):
    """Saving at other times as well changes no bit."""
    alone = _simulate(doubles.autoregression())
    doubles.assert_same_bits(alone, result.isel(time=[-1]))


@pytest.mark.parametrize("how", [{"chunk_size": 1}, {"chunk_size": 9000}, {"chunk_size": 10**9}])
def test_chunk_size_changes_no_bit(result, how):
    """Moments are folded over fixed blocks, so chunks change nothing."""
    again = _simulate(doubles.autoregression(), saves=[0.0, 0.3, 1.0, 4.0], **how)
    doubles.assert_same_bits(again, result)


def test_another_seed_gives_an_independent_result(result):
    """Another seed moves the mean by the difference of two independent estimates, and the same seed does not."""
    other = _simulate(doubles.autoregression(), saves=[0.0, 0.3, 1.0, 4.0], seed=6)
    z = (other["mean"] - result["mean"]).values[-1] / (np.sqrt(2) * result["standard_error"].values[-1])
    assert (np.abs(z) > 0.001).all()
    assert (np.abs(z) < 5).all()


def test_a_path_is_the_same_in_every_ensemble():
    """Path j of a run is path j of every run with its seed: a larger run's histogram contains the smaller run's."""
    edges = np.linspace(-3, 3, 1001)
    small = _simulate(doubles.autoregression(), num_paths=100, block_size=100, histograms={"x": edges})
    large = _simulate(doubles.autoregression(), num_paths=300, block_size=100, histograms={"x": edges})
    assert (large["histogram_x"].values >= small["histogram_x"].values).all()
    assert large["histogram_x"].sum() == 600


@pytest.mark.slow
def test_replica_blocks_change_the_layout_only():
    """Computing 8 replicas at a time gives the same moments up to rounding."""
    whole = _simulate(doubles.autoregression(), num_paths=64, block_size=64)
    blocked = _simulate(doubles.autoregression(), num_paths=64, block_size=64, replica_block=8)
    np.testing.assert_allclose(blocked["mean"], whole["mean"], rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(blocked["covariance"], whole["covariance"], rtol=1e-12, atol=1e-14)


def test_diverged_paths_are_counted_and_poison_the_moments():
    """Without an explicit argument a diverged path makes the moments non-finite, and the result says so in words."""
    start = jnp.asarray(0.6)
    result = _simulate(doubles.Exploding(), start, num_paths=500, t1=2.0, saves=4)
    diverged = result["diverged"].values
    assert (np.diff(diverged) >= 0).all()
    assert 0 < diverged[-1] < 500
    assert not np.isfinite(result["mean"].values[-1]).any()
    assert f"{diverged[-1]} of 500 paths diverged" in result.attrs["status"]
    dropped = _simulate(doubles.Exploding(), start, num_paths=500, t1=2.0, saves=4, drop_diverged=True)
    np.testing.assert_array_equal(dropped["diverged"], diverged)
    np.testing.assert_array_equal(dropped["count"], 500 - diverged)
    assert np.isfinite(dropped["mean"].values).all()
    assert "left out" in dropped.attrs["status"]


def test_an_observable_that_is_undefined_is_reported_by_name():
    """Finite paths on which an observable is not finite are counted apart from diverged ones."""
    result = _simulate(
        doubles.autoregression(), num_paths=500, observables={"root": lambda state: jnp.sqrt(state["x"][0] + 0.5)}
    )
    assert 0 < int(result["undefined"][0, 0]) < 500
    assert int(result["diverged"][0]) == 0
    assert "observable root was not finite" in result.attrs["status"]
