"""Reshuffled epochs have dependent steps: whatever assumes independent ones refuses them and names what to use."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.compare import (
    affine_chain,
    momentum_index_study,
    slow_weak_error,
    stationary_residual,
    strong_error,
    weak_error,
)
from sde_momentum.dynamics import chain
from sde_momentum.optimizers import sgd
from sde_momentum.problems import least_squares
from sde_momentum.symbolic import modified_equation

INPUTS = np.array([[1.0, 0.3], [-0.5, 0.8], [0.2, -1.0]])
TARGETS = np.array([0.5, -1.0, 2.0])
START, RATE = np.array([0.7, -1.1]), 0.2
LIMIT = modified_equation(sgd(), order=2)
STUDY = {"t1": 1.2, "learning_rates": (0.1, 0.05, 0.025, 0.0125), "progress": False}


def problem(**options):
    return least_squares(INPUTS, TARGETS, 1, **options)


EPOCHS = problem(replacement=False)


def moments_of_all_sequences(sequences):
    """Mean and variance after three steps, over sequences of examples of equal probability."""
    ends = []
    for sequence in sequences:
        x = START
        for i in sequence:
            x = x - RATE * (INPUTS[i] @ x - TARGETS[i]) * INPUTS[i]
        ends.append(x)
    return np.mean(ends, axis=0), np.var(ends, axis=0)


@pytest.mark.slow
def test_independent_steps_would_give_other_moments():
    """Three steps with replacement are 27 sequences, and the affine chain has their moments; an epoch is 6 others."""
    process = chain(sgd(), problem(), learning_rate=RATE)
    found = affine_chain(process, START).moments(START, [3])
    mean, variance = moments_of_all_sequences(itertools.product(range(3), repeat=3))
    np.testing.assert_allclose(found.mean[0], mean, rtol=1e-12)
    np.testing.assert_allclose(np.diag(found.covariance[0]), variance, rtol=1e-10)
    _, epoch = moments_of_all_sequences(itertools.permutations(range(3)))
    assert np.all(epoch < 0.2 * variance)


@pytest.mark.parametrize("method", ["auto", "exact", "transition", "coupled", "multilevel"])
def test_no_route_judges_a_limit_on_epochs(method):
    """Whatever the route, the limit says nothing of reshuffled epochs, and sampling a Gaussian twin would hide it."""
    with pytest.raises(ValueError, match=r"walks through epochs.*replacement=True or reshuffle=False.*gaussian\(\)"):
        weak_error(sgd(), LIMIT, EPOCHS, START, method=method, **STUDY)


@pytest.mark.slow
def test_the_gaussian_twin_is_asked_for_by_name():
    """What replaces the epochs is stated in the question, and then has an answer."""
    assert weak_error(sgd(), LIMIT, EPOCHS.gaussian(), START, **STUDY).verdict.is_answer


@pytest.mark.parametrize(
    "ask",
    [
        lambda: affine_chain(chain(sgd(), EPOCHS, learning_rate=RATE), START),
        lambda: momentum_index_study(EPOCHS, START, indices=(0,), t1=1.0),
        lambda: strong_error(sgd(), LIMIT, EPOCHS, START, **STUDY),
        lambda: stationary_residual(chain(sgd(), EPOCHS, learning_rate=RATE)),
        lambda: slow_weak_error(sgd(), EPOCHS, jnp.asarray(START), t1=0.64, learning_rates=(0.16, 0.08, 0.04, 0.02)),
    ],
    ids=["affine_chain", "momentum_index_study", "strong_error", "stationary_residual", "slow_weak_error"],
)
def test_everything_that_needs_independent_steps_says_so(ask):
    """One sentence: what needs them, why this problem has none, what to pass instead."""
    with pytest.raises(ValueError, match=r"needs independent steps.*walks through epochs.*replacement=True"):
        ask()
