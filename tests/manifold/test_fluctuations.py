"""Normal covariance and slow drift below, at and above momentum index 1."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from sde_momentum.manifold import normal_covariance, slow_drift
from sde_momentum.manifold._fluctuations import fluctuation_weights
from sde_momentum.optimizers import sgdm
from sde_momentum.symbolic import RELAXATION_RATE, Regime, slow_equation

HESSIAN = np.diag([0.0, 0.5, 1.0, 3.0])


def noise(dim, seed):
    factor = np.random.default_rng(seed).normal(size=(dim, dim))
    return factor @ factor.T


def test_below_index_one_it_solves_the_lyapunov_equation():
    """H C + C H = Σ_⊥ on the normal space, C = 0 elsewhere."""
    sigma = noise(4, 1)
    covariance = np.asarray(normal_covariance(jnp.asarray(HESSIAN), jnp.asarray(sigma)))
    expected = scipy.linalg.solve_continuous_lyapunov(HESSIAN[1:, 1:], sigma[1:, 1:])
    np.testing.assert_allclose(covariance[1:, 1:], expected, rtol=1e-12)
    assert np.max(np.abs(covariance[0])) == 0


def underdamped_covariance(hessian, sigma, rate):
    """Position block of the stationary covariance of dx = −m dt, dm = λ(Hx − m)dt + λ Σ^{1/2}dW."""
    dim = len(hessian)
    drift = np.block([[np.zeros((dim, dim)), -np.eye(dim)], [rate * hessian, -rate * np.eye(dim)]])
    diffusion = np.zeros((2 * dim, 2 * dim))
    diffusion[dim:, dim:] = rate**2 * sigma
    return scipy.linalg.solve_continuous_lyapunov(drift, -diffusion)[:dim, :dim]


@pytest.mark.parametrize("rate", [0.3, 1.0, 20.0])
def test_at_index_one_it_is_the_position_block_of_the_underdamped_process(rate):
    """The closed form is the 2d-dimensional Lyapunov solution; the first-order one is not unless Σ and H commute."""
    sigma = noise(4, 2)
    both = lambda s: (
        np.asarray(normal_covariance(jnp.asarray(HESSIAN), jnp.asarray(s), relaxation_rate=rate))[1:, 1:],
        underdamped_covariance(HESSIAN[1:, 1:], s[1:, 1:], rate),
        np.asarray(normal_covariance(jnp.asarray(HESSIAN), jnp.asarray(s)))[1:, 1:],
    )
    closed, reference, first_order = both(sigma)
    np.testing.assert_allclose(closed, reference, rtol=1e-10)
    assert np.max(np.abs(first_order - reference)) > 1e-3 * np.max(np.abs(reference))
    _, reference, first_order = both(np.diag(np.diag(sigma)))
    np.testing.assert_allclose(first_order, reference, rtol=1e-10, atol=1e-14)


@pytest.mark.slow
def test_the_discrete_momentum_method_reaches_it_linearly_in_the_learning_rate():
    """Cov(x)/η of SGDM with 1 − β = λη tends to C; halving η halves the error."""
    hessian, sigma, rate = HESSIAN[1:, 1:], noise(3, 3), 0.7
    limit = np.asarray(normal_covariance(jnp.asarray(hessian), jnp.asarray(sigma), relaxation_rate=rate))

    def error(eta):
        keep = 1 - rate * eta
        momentum = np.hstack([(1 - keep) * hessian, keep * np.eye(3)])
        step = np.vstack([np.hstack([np.eye(3), np.zeros((3, 3))]) - eta * momentum, momentum])
        kick = (1 - keep) * np.vstack([-eta * np.eye(3), np.eye(3)])
        return scipy.linalg.solve_discrete_lyapunov(step, kick @ sigma @ kick.T)[:3, :3] / eta - limit

    ratio = np.linalg.norm(error(0.01)) / np.linalg.norm(error(0.005))
    assert 1.9 < ratio < 2.1


def test_above_index_one_only_the_commuting_part_survives():
    """λ → 0 is continuous: off-diagonal elements of distinct eigenvalues vanish, the diagonal stays Σ_ii/(2h_i)."""
    sigma = noise(4, 4)
    at = lambda rate: np.asarray(normal_covariance(jnp.asarray(HESSIAN), jnp.asarray(sigma), relaxation_rate=rate))
    expected = np.diag([0, *(np.diag(sigma)[1:] / (2 * np.diag(HESSIAN)[1:]))])
    np.testing.assert_allclose(at(0.0), expected, atol=1e-14)
    np.testing.assert_allclose(at(1e-7), expected, atol=1e-5)


def generic_loss(x):
    """A valley along c(x) = 0 in three dimensions, codimension 2, with every third derivative at the origin."""
    c = jnp.stack([x[1] + 0.4 * x[0] ** 2 - 0.3 * x[0] * x[2], x[2] + 0.5 * x[0] * x[1] - 0.2 * x[0] ** 2])
    stretch = jnp.stack([jnp.exp(0.8 * x[0] + 0.3 * x[2]), 2.2 * jnp.exp(-0.5 * x[0])])
    return 0.5 * jnp.sum(stretch * c**2) + 0.2 * x[0] * c[0] * c[1]


@eqx.filter_jit
def underdamped_drift(rate, factor):
    """½ Σ ∂²Φ̃[(0, λs), (0, λs)] of the limit of dx = −m, dm = λ(∇L(x) − m), by Runge–Kutta and nested jvp."""

    def field(z):
        x, m = z
        return -m, rate * (jax.grad(generic_loss)(x) - m)

    shift = lambda z, k, h: jax.tree.map(lambda a, b: a + h * b, z, k)

    def step(z, _):
        h = 0.03
        a = field(z)
        b = field(shift(z, a, h / 2))
        c = field(shift(z, b, h / 2))
        d = field(shift(z, c, h))
        mean = jax.tree.map(lambda p, q, r, s: (p + 2 * q + 2 * r + s) / 6, a, b, c, d)
        return shift(z, mean, h), None

    solve = lambda m: jax.lax.scan(step, (jnp.zeros(3), m), None, length=1000)[0][0]
    second = lambda s: jax.jvp(lambda m: jax.jvp(solve, (m,), (s,))[1], (jnp.zeros(3),), (s,))[1]
    return 0.5 * jnp.sum(jax.vmap(second, in_axes=1, out_axes=1)(rate * factor), axis=1)


@pytest.mark.slow
def test_slow_drift_at_index_one_is_the_second_derivative_of_the_underdamped_flow():
    """The limit of the flow in (x, m) has the drift with underdamped weights, cross term included, to 1e-6."""
    factor = jnp.asarray(np.random.default_rng(5).normal(size=(3, 3)))
    rate = 1.5
    expected = underdamped_drift(rate, factor)
    at = jax.jit(
        lambda lam: slow_drift(generic_loss, factor @ factor.T, jnp.zeros(3), relaxation_rate=lam, codimension=2)
    )
    relative = lambda v: float(jnp.linalg.norm(v - expected) / jnp.linalg.norm(expected))
    drift, first_order = at(rate), at(jnp.inf)
    assert relative(drift.total) < 1e-6
    # The first-order drift, and the one that corrects the normal block but not the cross term, are refuted.
    assert relative(first_order.total) > 1e-2
    assert relative(drift.curvature + first_order.cross + drift.normal) > 1e-2


def test_weights_are_those_that_the_rule_derives():
    """`fluctuation_weights` is −2 × the derived coefficient of D3_aij Σ_ij, for normal and for cross pairs."""
    values, rate = np.array([0.0, 0.7, 2.0, 3.1]), 0.6
    weights = np.asarray(fluctuation_weights(jnp.asarray(values), jnp.asarray(values > 0), rate))
    slow = slow_equation(sgdm(), Regime.long_horizon(1))
    kind = lambda h: "normal" if h else "tangent"
    for i, j in itertools.product(range(4), repeat=2):
        derived = slow.coefficient(("tangent", kind(values[i]), kind(values[j])), 0, values[i], values[j])
        np.testing.assert_allclose(weights[i, j], -2 * float(derived.subs(RELAXATION_RATE, rate)), rtol=1e-12)


def test_bad_rates_and_shapes_are_refused():
    """Structural faults raise at once and name the argument."""
    with pytest.raises(ValueError, match="relaxation_rate=-1"):
        normal_covariance(jnp.eye(2), jnp.eye(2), relaxation_rate=-1)
    with pytest.raises(ValueError, match="noise has shape"):
        normal_covariance(jnp.eye(2), jnp.eye(3))
