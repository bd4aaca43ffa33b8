"""The explicit laws behind the claims, each against something that it was not made from."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.claims.boundary import _momentum_limits as limits
from sde_momentum.claims.finite import _hyperbola as hyperbola
from sde_momentum.claims.finite import _narrow_valley as narrow
from sde_momentum.claims.slow import _adam_regularizer as adam_claim
from sde_momentum.claims.slow import _curved_valley as valley
from sde_momentum.claims.slow import _hitting_time as hitting
from sde_momentum.claims.slow import _matrix_factorization as matrices
from sde_momentum.claims.slow import _network_flatness as network
from sde_momentum.claims.slow import _sparse_recovery as sparse


def test_valley_is_conformal():
    """U and v have orthogonal gradients of equal length, so that gradient flow of u² keeps v."""
    for x in np.random.default_rng(0).normal(size=(5, 2)):
        du, dv = (jax.grad(lambda y, k=k: valley.potential(y)[k])(jnp.asarray(x)) for k in (0, 1))
        assert abs(du @ dv) < 1e-12
        np.testing.assert_allclose(du @ du, dv @ dv, rtol=1e-12)


def test_curvature_of_the_valley():
    """h(v) is the trace of the Hessian of the loss on the valley; `point_at` has u = 0 and its v."""
    loss = valley.valley().loss
    hessian = jax.jit(jax.hessian(lambda x: loss(x)))
    for level in (-1.0, -0.3, 0.4, 1.5):
        x = valley.point_at(level)
        np.testing.assert_allclose(valley.potential(jnp.asarray(x)), (0.0, level), atol=1e-12)
        trace = jnp.trace(hessian(jnp.asarray(x)))
        np.testing.assert_allclose(valley.curvature_at(level), trace, rtol=1e-10)


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_gradient_descent_on_the_hyperbola(rate):
    """One step of gradient descent multiplies the imbalance by 1 − η²r², exactly."""
    path = np.concatenate([hyperbola.START[None], hyperbola.descend(0.0, rate, saves=20, end=20 * rate)])
    residuals = path[:, 0] * path[:, 1] - hyperbola.PRODUCT
    imbalances = path[:, 0] ** 2 - path[:, 1] ** 2
    np.testing.assert_allclose(imbalances[1:] / imbalances[:-1], 1 - rate**2 * residuals[:-1] ** 2, rtol=1e-10)


def test_residual_integral():
    """∫r² dt along gradient flow is η Σ r² of gradient descent as η → 0."""
    sums = []
    for rate in (2e-3, 1e-3):
        (first, second), total = hyperbola.START, 0.0
        for _ in range(round(8 / rate)):
            residual = first * second - hyperbola.PRODUCT
            total += rate * residual**2
            first, second = first - rate * residual * second, second - rate * residual * first
        sums.append(total)
    np.testing.assert_allclose(2 * sums[1] - sums[0], hyperbola.squared_residual_integral(), rtol=1e-4)


def test_stability():
    """The largest stable ηh is 2(1 + β)/(1 − β)."""
    for beta in (0.3, 0.95):
        stable = lambda scaled, beta=beta: narrow.contraction(1.0, scaled, beta) < 1
        np.testing.assert_allclose(narrow.threshold(stable, 0.1, 200.0), 2 * (1 + beta) / (1 - beta), rtol=1e-9)


@pytest.mark.slow
def test_contraction_is_that_of_iterates():
    """Late iterates of the rule itself contract by the spectral radius."""
    points = narrow.path(0.03, 0.5, [1.0], [1.0], 400)[:, 0]
    np.testing.assert_allclose(points[-1] / points[-2], narrow.contraction(1.0, 0.03, 0.5), rtol=1e-8)


def test_zigzag():
    """Alternating points turn round at every step, a straight line never."""
    assert narrow.reversals(np.array([[1.0], [-0.9], [0.8], [-0.7]])) == 1.0
    assert narrow.reversals(np.arange(5.0)[:, None]) == 0.0


def test_averaged_schedule():
    """The recursion is the sum of the source; constants stay; the weights of a gradient add up to what it moves x."""
    generator = np.random.default_rng(0)
    rates, momenta = generator.uniform(0.1, 1, 30), generator.uniform(0.2, 0.95, 30)
    direct = [
        sum(rates[s] * (1 - momenta[k]) * np.prod(momenta[k + 1 : s + 1]) for s in range(k, 30)) for k in range(30)
    ]
    np.testing.assert_allclose(limits.averaged_schedule(rates, momenta), direct, rtol=1e-12)
    x, m = 0.0, 0.0
    for k in range(30):
        m = momenta[k] * m + (1 - momenta[k]) * (k == 3)
        x -= rates[k] * m
    np.testing.assert_allclose(-x, direct[3], rtol=1e-12)
    constant = limits.averaged_schedule(np.full(400, 0.1), np.full(400, 0.5))
    np.testing.assert_allclose(constant[:300], 0.1, rtol=1e-12)


@pytest.mark.slow
def test_undamped_oscillation():
    """At α = 3/2 the mean tends to cos s as η → 0; friction is what is left, of order η^(1/4)."""
    gaps = [limits.above_one(rate) - np.cos(2.0) for rate in (1e-3, 1e-3 / 16, 1e-3 / 256)]
    ratios = np.array(gaps[1:]) / np.array(gaps[:-1])
    np.testing.assert_allclose(ratios, 0.5, atol=0.12)
    assert abs(ratios[1] - 0.5) < abs(ratios[0] - 0.5)


def test_hitting_times():
    """An exponential hits 1/e at its time constant; a curve that comes back counts from its last return."""
    times = np.linspace(0.01, 5, 500)
    np.testing.assert_allclose(hitting.hitting_time(times, np.exp(-times / 2)), 2.0, atol=1e-4)
    swinging = np.exp(-times / 2) + 0.5 * (times > 3) * (times < 4)
    np.testing.assert_allclose(hitting.hitting_time(times, swinging), 4.0, atol=0.02)
    assert np.isinf(hitting.hitting_time(times, np.ones_like(times)))


@pytest.mark.slow
def test_imbalance_is_kept_by_gradient_flow():
    """The derivative of UᵀU − VᵀV along the gradient vanishes everywhere; tr H is that of the Hessian at a minimum."""
    problem = matrices.factorization()
    x = jax.tree.map(lambda leaf: leaf + 0.3 * np.random.default_rng(1).normal(size=leaf.shape), problem.initial())
    slope = problem.gradient(x)
    change = jax.jvp(matrices.imbalance, (x,), (slope,))[1]
    assert float(jnp.abs(change).max()) < 1e-14
    assert float(problem.loss(problem.initial())) < 1e-28
    flat, unravel = jax.flatten_util.ravel_pytree(problem.initial())
    trace = jnp.trace(jax.jit(jax.hessian(lambda z: problem.loss(unravel(z))))(flat))
    np.testing.assert_allclose(matrices.curvature(problem.initial()), trace, rtol=1e-10)


def test_smallest_norm():
    """The linear program finds the ℓ₁ norm of weights that are sparse enough; the least-squares solution has more."""
    problem, weights = sparse.design(5)
    found = sparse.smallest_norm(problem.inputs, problem.targets)
    assert found <= np.abs(weights).sum() * (1 + 1e-5)
    least = np.linalg.lstsq(np.asarray(problem.inputs, float), np.asarray(problem.targets, float), rcond=None)[0]
    assert np.abs(least).sum() > 1.2 * found


def test_adam_starts_equilibrated():
    """The second moments start at diag Σ, and tr H is the same all around the circle where tr (Diag H)^½ is not."""
    problem = adam_claim.circle()
    chains = adam_claim._chains(problem)["Adam, β₁ = 0.9"]
    state = chains[0].init(problem.initial())
    np.testing.assert_allclose(state["G"], jnp.diag(problem.covariance(problem.initial())))
    angles = (0.2, 0.6, 0.75)
    points = [jnp.array([np.cos(a), np.sin(a)]) for a in angles]
    np.testing.assert_allclose([problem.hessian_trace(x) for x in points], 4.0)
    hessian = jax.jit(jax.hessian(lambda x: problem.loss(x)))
    hessians = [hessian(x) for x in points]
    spreads = [jnp.sum(jnp.sqrt(jnp.diag(h))) for h in hessians]
    np.testing.assert_allclose([adam_claim.spread(x) for x in points], spreads, rtol=1e-10)


@pytest.mark.slow
def test_network_interpolates():
    """The start fits every label, and tr H there is the trace of the Hessian of the loss."""
    problem = network.benign_or_not()
    assert float(problem.loss(problem.initial())) < 1e-20
    flat, unravel = jax.flatten_util.ravel_pytree(problem.initial())
    loss = lambda z: problem.loss(unravel(z))
    signs = jax.random.rademacher(jax.random.key(0), (64, flat.size), flat.dtype)
    product = lambda z: z @ jax.jvp(jax.grad(loss), (flat,), (z,))[1]
    products = jax.jit(lambda many: jax.lax.map(product, many))(signs)
    error = float(products.std(ddof=1)) / 8
    assert (
        abs(float(products.mean()) - float(jax.jit(lambda x: network.curvature(problem, x))(problem.initial())))
        < 5 * error
    )
