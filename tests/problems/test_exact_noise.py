"""The noise of one step, by summing over everything that can be drawn: no sampling, no tolerance for luck."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from problem_table import row

SIGNS = (-1.0, 1.0)


def all_batches(population, size):
    return jnp.array(list(itertools.product(range(population), repeat=size)))


def all_subsets(population, size):
    return jnp.array(list(itertools.combinations(range(population), size)))


def all_labels(population, size):
    pairs = itertools.product(itertools.product(range(population), repeat=size), itertools.product(SIGNS, repeat=size))
    index, sign = zip(*pairs, strict=True)
    return jnp.array(index), jnp.array(sign)


def all_pairs(draws):
    count = draws.shape[0]
    first, second = np.divmod(np.arange(count**2), count)
    return draws[first], draws[second]


OUTCOMES = {
    "minibatch": all_batches(7, 2),
    "least squares": all_batches(7, 3),
    "subsets": all_subsets(7, 2),
    "epochs": all_subsets(7, 3),
    "label noise": all_labels(2, 1),
    "label noise, batch 2": all_labels(2, 2),
    "label noise, all": jnp.array(list(itertools.product(SIGNS, repeat=2))),
    "parabola": jnp.array(list(itertools.product(SIGNS, repeat=1))),
    "svag": all_pairs(all_batches(7, 2)),
}


@eqx.filter_jit
def outcomes(problem, x, draws):
    one = lambda draw: ravel_pytree(problem.stochastic_gradient(x, draw))[0]
    return jax.vmap(one)(draws), ravel_pytree(problem.gradient(x))[0], problem.covariance(x)


@pytest.mark.parametrize("name", OUTCOMES)
def test_mean_and_covariance_are_exact(name):
    """E g = ∇L and Cov g = Σ over all equally likely draws; 1/(n−1) for 1/n, or a lost 1/B, does not pass."""
    problem, x, _ = row(name)
    gradients, mean, covariance = (np.asarray(v) for v in outcomes(problem, x, OUTCOMES[name]))
    np.testing.assert_allclose(gradients.mean(axis=0), mean, atol=1e-12 * (1 + np.abs(mean).max()))
    measured = np.cov(gradients.T, bias=True).reshape(covariance.shape)
    scale = np.abs(covariance).max()
    np.testing.assert_allclose(measured, covariance, atol=1e-12 * scale)
    for wrong in (7 / 6, 2.0, 0.5):
        assert np.abs(measured - wrong * covariance).max() > 0.05 * scale


def test_per_example_gradients_give_the_covariance():
    """Σ = (1/Bn) Σ_k (g_k − ∇L)(g_k − ∇L)ᵀ, times (n − B)/(n − 1) without replacement, from a loop of jax.grad."""
    for name, factor in (("minibatch", 1.0), ("subsets", (7 - 2) / (7 - 1))):
        problem, x, _ = row(name)
        one = jax.jit(lambda k, p=problem, y=x: ravel_pytree(jax.grad(_single_loss)(y, p, k))[0])
        gradients = np.stack([one(k) for k in range(7)])
        centered = gradients - gradients.mean(axis=0)
        np.testing.assert_allclose(problem.covariance(x), factor * centered.T @ centered / (2 * 7), rtol=1e-11)


def _single_loss(x, problem, k):
    return problem.batch_loss(x, jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, k, 1), problem.data))


def third_moment(gradients, direction):
    centered = (gradients - gradients.mean(axis=0)) @ direction
    return np.mean(centered**3)


def test_declared_third_cumulant_is_the_true_one():
    """Minibatch noise is skewed, label signs are not: `leading_cumulant` is 3 and 4 accordingly."""
    for name, skewed in (("minibatch", True), ("svag", True), ("label noise, all", False), ("parabola", False)):
        problem, x, _ = row(name)
        gradients, mean, covariance = (np.asarray(v) for v in outcomes(problem, x, OUTCOMES[name]))
        direction = np.linspace(1.0, 2.0, mean.size)
        skewness = third_moment(gradients, direction) / (direction @ covariance @ direction) ** 1.5
        assert (abs(skewness) > 1e-2) == skewed, name
        assert problem.leading_cumulant == (3 if skewed else 4)


def test_svag_reduces_skewness_as_its_coefficients_say():
    """κ₃(ĝ) = (r₊³ + r₋³) κ₃(g) with r₊³ + r₋³ = (3ℓ − 1)/2, so relative skewness falls like ℓ^{-1/2}."""
    inner, x, _ = row("minibatch")
    direction = np.linspace(1.0, 2.0, 4)
    before = third_moment(np.asarray(outcomes(inner, x, OUTCOMES["minibatch"])[0]), direction)
    after = third_moment(np.asarray(outcomes(row("svag")[0], x, OUTCOMES["svag"])[0]), direction)
    np.testing.assert_allclose(after / before, (3 * 3 - 1) / 2, rtol=1e-10)
