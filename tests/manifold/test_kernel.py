"""The n × n kernel route against the dense route, and the constants of label noise."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from sde_momentum.manifold import Outcome, kernel_slow_drift, slow_drift, softmax_outputs

ROWS = 5


def network(params, inputs):
    """Two-layer network with two outputs a row."""
    return jnp.tanh(inputs @ params["in"] + params["bias"]) @ params["out"]


def draw(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


PARAMS = {"in": draw(0, 3, 6), "bias": draw(1, 6), "out": draw(2, 6, 2)}
INPUTS = draw(3, ROWS, 3)
FLAT, UNRAVEL = ravel_pytree(PARAMS)
TARGETS = network(PARAMS, INPUTS)
JACOBIAN = jax.jit(jax.jacobian(lambda z: jnp.ravel(network(UNRAVEL(z), INPUTS))))(FLAT)


def squared(z):
    """L = (1/n) Σ |f − y|², so that a = 2/n."""
    return jnp.mean(jnp.sum((network(UNRAVEL(z), INPUTS) - TARGETS) ** 2, axis=1))


@eqx.filter_jit
def kernel(noise, rate=jnp.inf):
    return kernel_slow_drift(
        network, PARAMS, INPUTS, curvature=2 / ROWS, output_noise=noise, relaxation_rate=rate, batch=2
    )


@eqx.filter_jit
def dense(covariance, rate=jnp.inf):
    return slow_drift(squared, covariance, FLAT, relaxation_rate=rate)


def relative(a, b):
    return float(jnp.linalg.norm(ravel_pytree(a)[0] - b) / jnp.linalg.norm(b))


def test_label_noise_equals_the_dense_route():
    """Scalar S: the drift is that of Σ = s JᵀJ to 1e-8, tr H is the dense one; half the constant is refuted."""
    result = kernel(0.3)
    reference = dense(0.3 * JACOBIAN.T @ JACOBIAN)
    assert relative(result.drift, reference.total) < 1e-8
    assert relative(result.drift, 2 * reference.total) > 0.4
    assert abs(float(result.trace / jnp.sum(reference.space.eigenvalues)) - 1) < 1e-10
    assert int(result.space.codimension) == int(reference.space.codimension) == 2 * ROWS


@pytest.mark.slow
@pytest.mark.parametrize("rate", [jnp.inf, 0.2])
def test_correlated_output_noise_equals_the_dense_route(rate):
    """A full S, below momentum index 1 and at it, to 1e-8."""
    factor = draw(4, 2 * ROWS, 2 * ROWS)
    noise = factor @ factor.T
    result = kernel(noise, rate)
    assert relative(result.drift, dense(JACOBIAN.T @ noise @ JACOBIAN, rate).total) < 1e-8


def test_a_diagonal_is_the_matrix_with_that_diagonal():
    """S of shape (n,) and its matrix give the same drift."""
    diagonal = jnp.abs(draw(5, 2 * ROWS))
    matrix = ravel_pytree(kernel(jnp.diag(diagonal)).drift)[0]
    assert relative(kernel(diagonal).drift, matrix) < 1e-12


@pytest.mark.slow
def test_cross_entropy_with_sampled_labels_equals_the_dense_route():
    """Labels drawn from softmax(f): Σ = H; the kernel of rescaled logits gives the dense drift to 1e-8."""
    targets = jax.nn.softmax(TARGETS)

    def entropy(z):
        return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(network(UNRAVEL(z), INPUTS)), axis=1))

    outputs, root = softmax_outputs(network, targets)
    run = jax.jit(lambda a: kernel_slow_drift(outputs, PARAMS, (INPUTS, root), curvature=a, output_noise=a))
    result = run(1 / ROWS)
    reference = jax.jit(lambda z: slow_drift(entropy, jax.hessian(entropy), z))(FLAT)
    assert relative(result.drift, reference.total) < 1e-8
    assert int(result.space.codimension) == ROWS


@pytest.mark.slow
def test_a_repeated_row_is_dropped_from_the_rank():
    """Two equal rows give one normal direction, and the same drift as their dense loss."""
    twice = jnp.concatenate([INPUTS[:2], INPUTS[:1]])
    model = lambda p, u: network(p, u)[:, 0]
    target = model(PARAMS, twice)
    loss = lambda z: 0.5 * jnp.mean((model(UNRAVEL(z), twice) - target) ** 2)
    result = jax.jit(lambda a: kernel_slow_drift(model, PARAMS, twice, curvature=a, output_noise=a))(1 / 3)
    reference = jax.jit(lambda z: slow_drift(loss, jax.hessian(loss), z))(FLAT)
    assert int(result.space.codimension) == 2
    assert relative(result.drift, reference.total) < 1e-8


def test_bad_kernels_are_reported():
    """No spare parameter: isolated; a near-copy of a row: degenerate gap; wrong noise shape: ValueError."""
    linear = lambda w, u: u @ w
    run = lambda u: kernel_slow_drift(linear, jnp.ones(2), u, curvature=1.0, output_noise=1.0).space.code
    assert int(run(jnp.eye(2))) == Outcome.ISOLATED
    three = lambda u: kernel_slow_drift(linear, jnp.ones(3), u, curvature=1.0, output_noise=1.0).space.code
    assert int(three(jnp.array([[1.0, 0.0, 0.0], [1.0, 3e-7, 0.0]]))) == Outcome.DEGENERATE_GAP
    with pytest.raises(ValueError, match="output_noise has shape"):
        kernel_slow_drift(linear, jnp.ones(3), jnp.eye(3)[:2], curvature=1.0, output_noise=jnp.ones(3))
