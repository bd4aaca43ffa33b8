"""Distances between samples: metric laws, closed forms, level and power of the tests, stationary identities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from sde_momentum.compare import (
    AffineChain,
    compare_laws,
    energy_distance,
    fluctuation_dissipation,
    kolmogorov_smirnov,
    mmd,
    sliced_wasserstein,
    wasserstein_1d,
)

SAMPLES = st.lists(st.floats(-10, 10), min_size=1, max_size=8)


@given(SAMPLES, SAMPLES, SAMPLES, st.sampled_from([1, 2]))
def test_wasserstein_is_a_metric(x, y, z, exponent):
    """Symmetry, triangle inequality, zero distance to itself, and W₁ ≤ W₂; sizes differ."""

    def distance(a, b):
        return wasserstein_1d(a, b, exponent=exponent)

    assert distance(x, x) == 0
    assert distance(x, y) == pytest.approx(distance(y, x), abs=1e-12)
    assert distance(x, z) <= distance(x, y) + distance(y, z) + 1e-9
    assert wasserstein_1d(x, y) <= wasserstein_1d(x, y, exponent=2) + 1e-9


@given(SAMPLES, st.integers(1, 3), st.integers(1, 4))
def test_repeating_a_sample_changes_nothing(x, often, oftener):
    """The empirical law, not the list, is compared: sizes n·a and n·b with the same law are at distance zero."""
    assert wasserstein_1d(x * often, x * oftener, exponent=2) == pytest.approx(0, abs=1e-9)


def test_wasserstein_of_gaussians():
    """W₂² of N(0,1) and N(1, 4) is 1 + 1, up to the sampling error of 40 000 points."""
    rng = np.random.default_rng(0)
    found = wasserstein_1d(rng.standard_normal(40_000), 1 + 2 * rng.standard_normal(30_000), exponent=2)
    assert found == pytest.approx(np.sqrt(2), abs=5 * 0.015)


def test_sliced_wasserstein_under_shifts_and_scaling():
    """A common shift leaves it unchanged, and scaling both samples scales it."""
    x, y = np.random.default_rng(1).standard_normal((2, 300, 3))
    base = sliced_wasserstein(x, y + 1)
    assert sliced_wasserstein(x + 7, y + 8) == pytest.approx(base, rel=1e-9)
    assert sliced_wasserstein(2 * x, 2 * y + 2) == pytest.approx(2 * base, rel=1e-9)


@pytest.mark.parametrize("test", [energy_distance, mmd])
def test_permutation_tests_keep_their_level_and_have_power(test):
    """At level 5 % equal laws are rejected in 5 % of 200 trials; negative control: a wrong scale always is."""
    rng = np.random.default_rng(2)
    rejected = 0
    for trial in range(200):
        x, y = rng.standard_normal((2, 40, 2))
        rejected += test(x, y, permutations=99, seed=trial).p_value <= 0.05
    assert binom.ppf(norm.cdf(-5), 200, 0.05) <= rejected <= binom.ppf(norm.cdf(5), 200, 0.05)
    x, y = rng.standard_normal((2, 300, 2))
    outcome = test(x, 1.5 * y)
    assert outcome.p_value <= 0.005
    assert outcome.statistic > outcome.null_quantile


def test_kolmogorov_smirnov_names_the_marginal_that_differs():
    """Equal marginals pass, one shifted marginal among three fails even after correction."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 500, 3))
    assert kolmogorov_smirnov(x, y).p_value > 1e-3
    assert kolmogorov_smirnov(x, y + np.array([0, 0.6, 0])).p_value < 1e-6


def test_fluctuation_dissipation_on_momentum():
    """Stationary SGDM on ½x² satisfies the identity; negative control: with β = 0.55 in place of 0.5 it fails."""
    eta, beta = 0.3, 0.5
    matrix = np.array([[1 - eta * (1 - beta), -eta * beta], [1 - beta, beta]])
    noise = np.array([[-eta * (1 - beta)], [1 - beta]])
    law = AffineChain(matrix, noise=noise).stationary()
    rng = np.random.default_rng(4)
    state = rng.multivariate_normal(law.mean, law.covariance, size=20_000)
    options = {"learning_rate": eta, "momentum": state[:, 1:], "beta": beta}
    assert abs(fluctuation_dissipation(state[:, :1], state[:, :1], **options).z_score) < 5
    wrong = fluctuation_dissipation(state[:, :1], state[:, :1], **(options | {"beta": 0.55}))
    assert abs(wrong.z_score) > 5


@pytest.mark.parametrize("exponent", [1, 2, 7.5, 2000, np.inf])
def test_a_shift_moves_everything_by_itself(exponent):
    """Every power of a shift has the shift as its root: none overflows, and infinity is the largest move."""
    x = np.array([[0.0, 1.0], [3.0, -2.0], [0.5, 0.5]])
    for size in (1e-8, 0.5, 5.0, 1e8):
        assert wasserstein_1d(1e-2 * x[:, 0], 1e-2 * x[:, 0] + size, exponent=exponent) == pytest.approx(size)
    assert wasserstein_1d([0.0, 0.0, 1.0], [0.0, 4.0], exponent=np.inf) == 4.0
    spread = sliced_wasserstein(x, x + np.array([5.0, 0.0]), exponent=exponent)
    assert 0.5 * 5 < spread <= 5.0
    assert sliced_wasserstein(x, x, exponent=exponent) == 0.0


def test_complex_samples_are_no_samples():
    """The imaginary part is not dropped."""
    for distance in (wasserstein_1d, energy_distance, mmd, kolmogorov_smirnov, compare_laws):
        with pytest.raises(TypeError, match="first must be a sample of real numbers, got dtype complex128"):
            distance(np.array([1 + 1j, 2.0]), np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wasserstein_1d([1.0], [1.0], exponent=np.nan), "got nan"),
        (lambda: wasserstein_1d([1.0], [1.0], exponent="2nd"), "exponent must be a number"),
        (lambda: energy_distance([1.0, 2.0], [1.0, 3.0], permutations=0), "permutations must be .* at least 1, got 0"),
        (lambda: mmd([1.0, 2.0], [1.0, 3.0], permutations=-3), "permutations must be .* at least 1, got -3"),
        (lambda: mmd([1.0, 2.0], [1.0, 3.0], bandwidth=-1.0), "bandwidth must be positive and finite, got -1.0"),
        (lambda: sliced_wasserstein(np.eye(2), np.eye(2), directions=0), "directions must be .* at least 1, got 0"),
        (lambda: compare_laws(np.zeros((10, 2)), np.zeros((12, 2))), "one and the same point"),
        (lambda: wasserstein_1d([], [1.0]), "not empty"),
        (lambda: wasserstein_1d([np.nan], [1.0]), "not finite"),
        (lambda: wasserstein_1d([1.0], [1.0], exponent=0.5), "exponent"),
        (lambda: sliced_wasserstein(np.ones((3, 2)), np.ones((3, 3))), "same dimension"),
        (lambda: mmd(np.ones(5), np.ones(5)), "bandwidth"),
        (lambda: energy_distance(np.ones(9000), np.ones(9)), "sliced_wasserstein"),
        (lambda: fluctuation_dissipation(np.ones((3, 1)), np.ones((3, 1)), learning_rate=0.1), "noise_trace"),
    ],
)
def test_bad_input_is_refused(call, message):
    """Structural faults raise and name the remedy."""
    with pytest.raises(ValueError, match=message):
        call()
