"""Monte-Carlo moments of stochastic gradients as a run would draw them."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from problem_table import row

from sde_momentum import problems

PATHS = 20_000
CASES = {
    "minibatch": lambda: row("minibatch"),
    "epochs": lambda: row("epochs"),
    "svag": lambda: row("svag"),
    "skewed twin": lambda: _reshaped("least squares", problems.SkewedDraw),
    "student twin": lambda: _reshaped("dense quadratic", problems.StudentDraw, degrees=9, dtype=jnp.float32),
}


def _reshaped(name, draw, **options):
    problem, x, w = row(name)
    return problem.with_noise(draw(problem.noise_dim, **options)), x, w


@eqx.filter_jit
def gradients(problem, x, step):
    draws = problem.draw.sample(5, jnp.arange(PATHS), step)
    one = lambda draw: ravel_pytree(problem.stochastic_gradient(x, draw, 1.0))[0]
    sampled = jax.vmap(one, in_axes=-1, out_axes=-1)(draws)
    return sampled, ravel_pytree(problem.gradient(x))[0], problem.factor(x)


def z_score(values, expected):
    """Deviation of a mean from its expectation, in standard errors."""
    return (values.mean() - expected) / (values.std(ddof=1) / math.sqrt(values.size))


@pytest.mark.parametrize("name", CASES)
def test_sampled_gradients_have_the_stated_mean_and_covariance(name):
    """In two directions, E v·g = v·∇L and Var v·g = vᵀΣv within 5 SE; Σ too large by n/(n−1) = 7/6 is rejected."""
    problem, x, _ = CASES[name]()
    sampled, mean, factor = (np.asarray(v) for v in gradients(problem, x, 3))
    for direction in (np.ones(mean.size), np.linspace(-1.0, 2.0, mean.size)[::-1]):
        projected = direction @ sampled
        variance = np.sum((direction @ factor) ** 2)
        assert abs(z_score(projected, direction @ mean)) < 5
        squared = (projected - direction @ mean) ** 2
        assert abs(z_score(squared, variance)) < 5
        assert abs(z_score(squared, variance * 7 / 6)) > 5
        assert abs(z_score(projected, direction @ mean + 0.1 * math.sqrt(variance))) > 5


def test_third_moments_are_the_stated_ones():
    """E (v·ξ)³ is that of S z with skewness √(8/ν) a component, and zero for Gaussian z; each rejects the other's."""
    direction = np.array([1.0, 0.5, -1.0])
    expected = {}
    for name in ("skewed twin", "gaussian least squares"):
        problem, x, _ = CASES[name]() if name in CASES else _reshaped("least squares", problems.NormalDraw)
        sampled, mean, factor = (np.asarray(v) for v in gradients(problem, x, 3))
        third = np.sum((direction @ factor) ** 3) * getattr(problem.draw, "skewness", 0.0)
        scale = np.sum((direction @ factor) ** 2) ** 1.5
        cubes = (direction @ (sampled - mean[:, None])) ** 3
        assert abs(z_score(cubes, third)) < 5
        expected[name] = cubes, third, scale
    (skewed, third, scale), (gaussian, zero, _) = expected.values()
    assert zero == 0.0
    assert abs(third) / scale > 0.2, "the direction shows no skewness, so the controls below would be empty"
    assert abs(z_score(skewed, zero)) > 5
    assert abs(z_score(gaussian, third)) > 5
