"""Fits, plans, comparisons and distances refuse nonsense in one sentence that names the argument."""

from fractions import Fraction

import jax
import numpy as np
import pytest

from sde_momentum.compare import (
    compare_laws,
    compare_to_bound,
    energy_distance,
    equivalence,
    fit_order,
    kolmogorov_smirnov,
    mmd,
    plan_samples,
    sliced_wasserstein,
    wasserstein_1d,
)
from sde_momentum.compare.orders._remainder import RemainderPrior

ETA = np.array([0.2, 0.1, 0.05, 0.025])
X, Y = np.random.default_rng(0).standard_normal((2, 20, 2))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"solver_bias_se": 0.1}, ValueError, "`solver_bias_se` is the standard error of `solver_bias`: pass that too"),
        ({"solver_bias": 0.0, "solver_bias_se": -1.0}, ValueError, "`solver_bias_se` must not be negative, got -1.0"),
        ({"solver_bias": np.nan}, ValueError, "`solver_bias` must be finite, got nan"),
        ({"solver_bias": np.inf}, ValueError, "`solver_bias` must be finite, got inf"),
        ({"solver_bias": "a"}, TypeError, "solver_bias must be real numbers, got 'a'"),
        ({"solver_bias": [0.1, 0.1]}, ValueError, r"solver_bias of shape \(2,\) do not belong to errors"),
        ({"second_remainder_prior": -3}, ValueError, "`second_remainder_prior` must be finite and not .* got -3"),
        ({"second_remainder_prior": np.nan}, ValueError, "`second_remainder_prior` must be finite and not .* got nan"),
        ({"second_remainder_prior": "wide"}, TypeError, "`second_remainder_prior` must be a number, got 'wide'"),
        ({"learning_rate_unit": np.inf}, ValueError, "`learning_rate_unit` must be positive and finite, got inf"),
        ({"learning_rate_unit": "a"}, TypeError, "`learning_rate_unit` must be a number, got 'a'"),
        ({"learning_rate_unit": True}, TypeError, "`learning_rate_unit` must be a number, got True"),
        ({"remainder_exponent": None}, TypeError, "`remainder_exponent` must be a number, got None"),
        ({"remainder_exponent": -1}, ValueError, "`remainder_exponent` must be positive and finite, got -1"),
        ({"confidence": "a"}, TypeError, "`confidence` must be a number, got 'a'"),
        ({"confidence": 1}, ValueError, "`confidence` must lie strictly between 0 and 1, got 1"),
        ({"correlation": "a"}, TypeError, "correlation must be real numbers, got 'a'"),
        ({"errors": list("abcd")}, TypeError, r"errors must be real numbers, got \['a', 'b', 'c', 'd'\]$"),
        ({"errors": None}, TypeError, "errors must be real numbers, got None$"),
        ({"errors": 1j * ETA}, TypeError, "errors must be real numbers, .* fit real and imaginary part apart"),
        ({"standard_errors": None}, TypeError, "standard_errors must be real numbers, got None$"),
        ({"learning_rates": "abcd"}, TypeError, "learning_rates must be real numbers, got 'abcd'$"),
    ],
)
def test_a_fit(changes, error, message):
    """What a fit cannot be told."""
    with pytest.raises(error, match=message):
        fit_order(**({"learning_rates": ETA, "errors": ETA, "standard_errors": 1e-5} | changes))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"exponent": "a"}, TypeError, "`exponent` must be a number, got 'a'"),
        ({"exponent": -1}, ValueError, "`exponent` must be positive and finite, got -1"),
        ({"first": -1}, ValueError, "`first` must be finite and not negative, got -1"),
        ({"second": np.nan}, ValueError, "`second` must be finite and not negative, got nan"),
        ({"unit": 0}, ValueError, "`unit` must be positive and finite, got 0"),
    ],
)
def test_a_prior(changes, error, message):
    """Scales that are none."""
    with pytest.raises(error, match=message):
        RemainderPrior(**changes)


def test_fractions_are_powers():
    """A remainder exponent from the regime's grading, and a prior without remainder, are no misuse."""
    half = fit_order(ETA, ETA * (1 + np.sqrt(ETA)), 1e-5, remainder_exponent=Fraction(1, 2))
    assert half.order == fit_order(ETA, ETA * (1 + np.sqrt(ETA)), 1e-5, remainder_exponent=0.5).order
    assert RemainderPrior(Fraction(1, 2), second=0).features(ETA).shape == (4, 1)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"target_snr": 0}, ValueError, "`target_snr` must be positive and finite, got 0"),
        ({"target_snr": np.inf}, ValueError, "`target_snr` must be positive and finite, got inf"),
        ({"budget_seconds": np.nan}, ValueError, "`budget_seconds` must be a number, got nan"),
        ({"budget_seconds": 0}, ValueError, "`budget_seconds` must be positive, got 0"),
        ({"minimum_paths": -5}, ValueError, "`minimum_paths` must be finite and not negative, got -5"),
        ({"minimum_paths": "a"}, TypeError, "`minimum_paths` must be a number, got 'a'"),
        ({"errors": "abcd"}, TypeError, "errors must be real numbers, got 'abcd'"),
        ({"paths": [10, 10]}, ValueError, r"paths of shape \(2,\) do not belong"),
        ({"standard_errors": [0.1] * 3}, ValueError, r"standard_errors of shape \(3,\) do not belong"),
    ],
)
def test_a_plan(changes, error, message):
    """Targets, budgets and pilots that are none."""
    pilot = {"learning_rates": ETA, "errors": ETA, "standard_errors": 1e-3, "paths": 100, "seconds": 1.0}
    with pytest.raises(error, match=message):
        plan_samples(**(pilot | changes))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: equivalence("a", 0.1, 0.1), TypeError, "`difference` must be a number, got 'a'"),
        (lambda: equivalence(0, 0.1, "a"), TypeError, "`margin` must be a number, got 'a'"),
        (lambda: equivalence(0, 0.1, 0), ValueError, "`margin` must be positive, got 0"),
        (lambda: equivalence(ETA, 0.1, 0.1), TypeError, "`difference` must be a number, got array"),
        (lambda: equivalence(0, ETA, 0.1), TypeError, "`standard_error` must be a number, got array"),
        (lambda: equivalence(np.inf, 0.1, 0.1), ValueError, "`difference` must be finite, got inf"),
        (lambda: equivalence(0, np.nan, 0.1), ValueError, "`standard_error` must be finite and not negative, got nan"),
        (lambda: equivalence(0, 0.1, 0.1, confidence="a"), TypeError, "`confidence` must be a number, got 'a'"),
        (lambda: compare_to_bound(0, 0.1, below="a"), TypeError, "`below` must be a number, got 'a'"),
        (lambda: compare_to_bound(0, 0.1, above=np.nan), ValueError, "`above` must be a number, got nan"),
        (lambda: compare_to_bound(0, 0.1, above=np.inf), ValueError, "no number meets above=inf and below=None"),
        (lambda: compare_to_bound("a", 0.1, below=1), TypeError, "`value` must be a number, got 'a'"),
    ],
)
def test_a_comparison(call, error, message):
    """Words and arrays are no numbers, and no number lies above infinity."""
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: compare_laws(X[:, :0], Y[:, :0]), ValueError, r"first must .* not empty, got shape \(20, 0\)"),
        (lambda: compare_laws(X, Y, seed=-1), ValueError, r"seed must lie in \[0, 2\*\*64\), got -1"),
        (lambda: compare_laws(X, Y, seed=2**64), ValueError, r"seed must lie in \[0, 2\*\*64\)"),
        (lambda: compare_laws(X, Y, seed="a"), TypeError, "seed must be an int in .* a JAX key .* got str"),
        (lambda: compare_laws(X, Y, seed=None), TypeError, "seed must be an int in .* got NoneType"),
        (lambda: sliced_wasserstein(X, Y, seed=None), TypeError, "seed must be an int in .* got NoneType"),
        (lambda: energy_distance(X, Y, seed=1.5), TypeError, "seed must be an int in .* got float"),
        (lambda: mmd(X, Y, seed=-1), ValueError, "seed must lie in"),
        (lambda: compare_laws(X, Y, permutations=True), ValueError, "permutations must be .* at least 1, got True"),
        (lambda: sliced_wasserstein(X, Y, directions=True), ValueError, "directions must be .* at least 1, got True"),
        (lambda: sliced_wasserstein(X, Y, exponent=True), ValueError, "exponent must be a number of .* got True"),
        (lambda: wasserstein_1d(X[:, 0], Y[:, 0], exponent="2"), ValueError, "exponent must be a number of .* got '2'"),
        (lambda: mmd(X, Y, bandwidth="a"), TypeError, "`bandwidth` must be a number, got 'a'"),
        (lambda: compare_laws("ab", Y), TypeError, "first must be a sample of real numbers, got 'ab'$"),
        (lambda: kolmogorov_smirnov(X, None), TypeError, "second must be a sample of real numbers, got None$"),
        (lambda: compare_laws(X + 1j, Y), TypeError, "first must be a sample of real .*: pass parts as components"),
    ],
)
def test_a_distance(call, error, message):
    """Seeds, counts and samples that are none."""
    with pytest.raises(error, match=message):
        call()


def test_a_key_is_the_seed_it_was_made_of():
    """The key of 7 and 7 itself give the same permutations and directions; another seed does not."""
    key, options = jax.random.key(7), {"permutations": 49}
    assert str(compare_laws(X, Y, seed=key, **options)) == str(compare_laws(X, Y, seed=7, **options))
    assert sliced_wasserstein(X, Y, seed=key) == sliced_wasserstein(X, Y, seed=7) != sliced_wasserstein(X, Y, seed=8)


def test_samples_on_a_line_have_one_direction():
    """Samples of shape (n,) are those of shape (n, 1): the sliced distance is that of the line."""
    sliced = sliced_wasserstein(X[:, 0], Y[:15, 0])
    assert sliced == sliced_wasserstein(X[:, :1], Y[:15, :1])
    assert sliced == pytest.approx(wasserstein_1d(X[:, 0], Y[:15, 0], exponent=2))
