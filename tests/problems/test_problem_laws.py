"""Laws that every problem obeys."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from problem_table import NAMES, make_draw, row

PATHS = 3
DRAWS = {name: make_draw(row(name)[0].draw, PATHS) for name in NAMES}


def flat(tree):
    return np.asarray(ravel_pytree(tree)[0])


def assert_close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def replica(tree, path):
    return jax.tree.map(lambda leaf: leaf[..., path], tree)


def stack(tree):
    """Three replicas along a trailing axis, all different."""
    return jax.tree.map(lambda leaf: jnp.stack([leaf * (1 + 0.1 * k) for k in range(PATHS)], axis=-1), tree)


@eqx.filter_jit
def products(problem, x, w, draw):
    return {
        "gradient": problem.gradient(x),
        "noise": problem.noise_product(x, w),
        "fused": problem.weighted_gradient(x, 0.3, w),
        "plain": problem.stochastic_gradient(x, draw),
    }


@eqx.filter_jit
def everything(problem, x, w, draw):
    return products(problem, x, w, draw) | {
        "autodiff": jax.grad(problem.loss)(x),
        "factor": problem.factor(x),
        "covariance": problem.covariance(x),
        "traced scale": problem.stochastic_gradient(x, draw, jnp.asarray(1.0)),
        "doubled": problem.stochastic_gradient(x, draw, 2.0),
    }


@eqx.filter_jit
def batched(problem, x, w, draw):
    def both(y, v, z):
        return problem.weighted_gradient(y, 0.3, v), problem.stochastic_gradient(y, z)

    return jax.vmap(both, in_axes=-1, out_axes=-1)(x, w, draw)


@pytest.mark.parametrize("name", NAMES)
def test_products_agree_with_the_dense_factor(name):
    """∇L is the derivative of L; S w is linear with matrix `factor`; Σ = S Sᵀ; fused = a ∇L + S w; g is affine in σ."""
    problem, x, w = row(name)
    out = everything(problem, x, w, replica(DRAWS[name], 0))
    factor = np.asarray(out["factor"])
    assert factor.shape == (flat(x).size, problem.noise_dim)
    assert_close(flat(out["gradient"]), flat(out["autodiff"]))
    assert_close(flat(out["noise"]), factor @ np.asarray(w))
    assert_close(out["covariance"], factor @ factor.T)
    assert_close(flat(out["fused"]), 0.3 * flat(out["gradient"]) + factor @ np.asarray(w))
    assert_close(flat(out["traced scale"]), flat(out["plain"]))
    assert_close(flat(out["doubled"]), 2 * flat(out["plain"]) - flat(out["gradient"]))
    assert jax.tree.structure(out["fused"]) == jax.tree.structure(x)
    assert np.linalg.norm(factor @ np.asarray(w)) > 1e-3, "the row would pass with no noise at all"


@pytest.mark.parametrize("name", NAMES)
def test_batch_along_the_last_axis_equals_a_loop(name):
    """A map over a trailing path axis gives each path what it gets alone."""
    problem, x, w = row(name)
    arguments = stack(x), stack(w), DRAWS[name]
    fused, plain = batched(problem, *arguments)
    for path in range(PATHS):
        alone = everything(problem, *replica(arguments, path))
        assert_close(flat(replica(fused, path)), flat(alone["fused"]))
        assert_close(flat(replica(plain, path)), flat(alone["plain"]))


@pytest.mark.parametrize("name", ["dense quadratic", "general", "label noise", "svag"])
def test_single_precision_stays_single(name):
    """float32 parameters give float32 gradients close to the float64 ones, whatever the precision of the noise."""
    problem, x, w = row(name)
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), x)
    draw = replica(DRAWS[name], 0)
    out = products(problem, low, w, draw)
    for key, value in out.items():
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(value)), key
    assert_close(flat(out["fused"]), flat(everything(problem, x, w, draw)["fused"]), 3e-5)
