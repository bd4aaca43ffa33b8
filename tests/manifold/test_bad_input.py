"""Degenerate questions get a plain answer: noise undefined or absent on Γ, no manifold, no limit."""

import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.manifold import NoiseOutcome, inspect_noise, slow_sde
from sde_momentum.problems import general, label_noise_parabola, minibatch


def trough(x):
    """Γ is the line x₁ = x₂ = 0, the stiffness 1 and 3 + x₀."""
    return 0.5 * x[1] ** 2 + 0.5 * (3 + x[0]) * x[2] ** 2


SHAPES = {
    "normal": (lambda x, w: jnp.array([0.0, w[1], w[2]]), NoiseOutcome.NORMAL_ISOTROPIC),
    "two sizes": (lambda x, w: jnp.array([0.0, w[1], 2 * w[2]]), NoiseOutcome.NORMAL),
    "isotropic": (lambda x, w: w, NoiseOutcome.TANGENT),
    "hessian": (lambda x, w: jnp.array([0.0, w[1], jnp.sqrt(3.0) * w[2]]), NoiseOutcome.LABEL),
    "none": (lambda x, w: (x[1] + x[2]) * w, NoiseOutcome.ABSENT),
    "undefined": (lambda x, w: w / x[1], NoiseOutcome.UNDEFINED),
}


def marked(shape):
    """Each kind compiles anew: two of them are looked at every time."""
    return pytest.param(shape, marks=() if shape in ("normal", "undefined") else pytest.mark.slow)


@pytest.mark.parametrize("shape", [marked(shape) for shape in SHAPES])
def test_noise_on_the_manifold_is_named(shape):
    """Six kinds of noise on one trough, each by its name and sentence."""
    factor, outcome = SHAPES[shape]
    report = inspect_noise(general(trough, factor, noise_dim=3), jnp.zeros(3), codimension=2)
    assert report.outcome is outcome
    assert len(report.outcome.message) > 20


def test_label_noise_reports_its_constant():
    """Σ = δ² H on Γ for the loss ½(f − 1)²."""
    problem = label_noise_parabola([1.0, 2.0], 0.3)
    report = inspect_noise(problem, problem.initial(), codimension=1)
    assert report.outcome is NoiseOutcome.LABEL
    np.testing.assert_allclose(report.label_ratio, 0.09, rtol=1e-10)


def test_minibatches_at_interpolation_have_no_noise():
    """Every example fitted: the noise is absent, up to rounding."""
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3)))
    data = (rows, rows @ jnp.ones(3))
    square = lambda w, batch: 0.5 * jnp.mean((batch[0] @ w**2 - batch[1]) ** 2)
    report = inspect_noise(minibatch(square, data, batch_size=1), jnp.ones(3), codimension=2)
    assert report.outcome is NoiseOutcome.ABSENT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "start", "message"),
    [
        (lambda x: jnp.sum(x**2), (1.0, 2.0), "isolated minimum"),
        (lambda x: x[0] ** 2 - x[1] ** 2, (1.0, 0.0), "saddle"),
        (lambda x: x[0] ** 2 + jnp.exp(-x[1]), (1.0, 0.4), "runs away to infinity"),
        (lambda x: (x[0] * x[1]) ** 2, (0.0, 0.0), "no gap"),
        (lambda x: jnp.log(x[0] - 5), (1.0, 0.4), "not finite"),
    ],
)
def test_starts_without_a_slow_equation_are_refused(loss, start, message):
    """Isolated minimum, saddle, escape, degenerate gap, undefined loss: the reason stands in the error."""
    problem = general(loss, lambda x, w: w, noise_dim=2)
    with pytest.raises(RuntimeError, match=message):
        slow_sde(problem).init(jnp.asarray(start))


@pytest.mark.slow
def test_noise_undefined_on_the_manifold_is_refused():
    """A factor that blows up on Γ: init says so instead of returning a point with a NaN drift."""
    problem = general(lambda x: 0.5 * x[1] ** 2, lambda x, w: w / x[1] ** 2, noise_dim=2)
    with pytest.raises(RuntimeError, match="not defined on the manifold"):
        slow_sde(problem, codimension=1).init(jnp.zeros(2))
