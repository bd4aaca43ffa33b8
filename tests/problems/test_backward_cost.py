"""Drift and noise together cost one backward pass; counted in operations, not in seconds."""

import jax
import jax.numpy as jnp
import pytest

from sde_momentum import problems


def flops(function, *arguments):
    """Floating-point operations of the compiled function, as XLA counts them."""
    return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]


def model(params, inputs):
    """A network with one hidden layer and a scalar output."""
    return jnp.tanh(inputs @ params["first"]) @ params["second"]


def _digits():
    problem = problems.digits_mlp(16, hidden=8, dtype=jnp.float32)
    return problem, problem.initial()


def _logistic():
    problem = problems.breast_cancer(8)
    return problem, problem.initial()


def _label_noise():
    inputs = jnp.sin(jnp.arange(200.0)).reshape(50, 4)
    problem = problems.label_noise(model, inputs, jnp.ones(50), 0.1)
    return problem, {"first": jnp.ones((4, 6)), "second": jnp.ones(6)}


@pytest.mark.parametrize(
    "make",
    [pytest.param(_digits, marks=pytest.mark.slow), _logistic, _label_noise],
    ids=["digits", "logistic", "label noise"],
)
def test_weighted_gradient_costs_one_gradient(make):
    """The operations of a ∇L + S w are at most 1.3 times those of ∇L; two separate passes would fail this."""
    problem, x = make()
    w = jnp.ones(problem.noise_dim)
    gradient = flops(lambda y: problem.gradient(y), x)
    fused = flops(lambda y, v: problem.weighted_gradient(y, 0.1, v), x, w)
    assert fused <= 1.3 * gradient

    def separate(y, v):
        return problem.gradient(y), problem.noise_product(jax.tree.map(lambda leaf: 1.01 * leaf, y), v)

    assert flops(separate, x, w) > 1.3 * gradient


def test_a_batch_gradient_does_not_touch_the_other_examples():
    """At σ = 1 a stochastic gradient costs about B/n of a full one; a traced σ needs the full gradient too."""
    problem, x = _logistic()
    index = jnp.arange(8)
    batch = flops(lambda y, k: problem.stochastic_gradient(y, k), x, index)
    full = flops(lambda y: problem.gradient(y), x)
    scaled = flops(lambda y, k, s: problem.stochastic_gradient(y, k, s), x, index, 1.0)
    assert batch < 0.05 * full
    assert scaled > full
