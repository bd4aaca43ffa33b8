"""Label noise near the manifold: Σ = c H, and the closed-form slow flow of the parabola."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problem_table import INPUTS, RNG
from scipy.integrate import solve_ivp

from sde_momentum import problems

DELTA = 0.3
PARABOLA = problems.label_noise_parabola([1.0, 2.0, 0.5], DELTA)
ON_MANIFOLD = PARABOLA.limit_map(jnp.array([0.7, 0.4, -0.5]))


@eqx.filter_jit
def katzenberger(problem, x):
    """½ ∂²Φ[Σ], from automatic differentiation of the limit map."""
    second = jax.jacfwd(jax.jacfwd(problem.limit_map))(x)
    return 0.5 * jnp.einsum("ijk,jk->i", second, problem.covariance(x)), jax.jacfwd(problem.limit_map)(x)


def test_slow_drift_is_half_the_second_derivative_of_the_limit_map():
    """du/dτ = ½ ∂²Φ[Σ], tangent to the manifold; twice or half of it is rejected."""
    expected, projector = katzenberger(PARABOLA, ON_MANIFOLD)
    drift = PARABOLA.slow_drift(ON_MANIFOLD)
    np.testing.assert_allclose(drift, expected, rtol=1e-12, atol=1e-14)
    assert all(np.abs(factor * drift - expected).max() > 0.1 * np.abs(expected).max() for factor in (0.5, 2.0))
    normal = jax.grad(lambda u: PARABOLA.predict(u, PARABOLA.inputs)[0])(ON_MANIFOLD)
    np.testing.assert_allclose(projector, np.eye(3) - np.outer(normal, normal) / (normal @ normal), atol=1e-14)
    np.testing.assert_allclose(projector @ drift, drift, atol=1e-14)


def test_slow_drift_descends_the_trace_of_the_hessian():
    """du/dτ = −(c/4) P ∇ tr H with c from `noise_curvature_ratio` and tr H by automatic differentiation."""
    _, projector = katzenberger(PARABOLA, ON_MANIFOLD)
    trace = jax.jit(lambda u: jnp.trace(jax.hessian(PARABOLA.loss)(u)))
    c = PARABOLA.noise_curvature_ratio
    np.testing.assert_allclose(c, DELTA**2)
    np.testing.assert_allclose(PARABOLA.hessian_trace(ON_MANIFOLD), trace(ON_MANIFOLD), rtol=1e-13)
    descent = -c / 4 * projector @ jax.grad(trace)(ON_MANIFOLD)
    np.testing.assert_allclose(PARABOLA.slow_drift(ON_MANIFOLD), descent, atol=1e-13)


def test_flow_of_squares_follows_from_the_drift():
    """dw/dτ = 2 u du/dτ for w = u², and Σ z w stays 1."""
    flow = PARABOLA.slow_flow(ON_MANIFOLD**2)
    np.testing.assert_allclose(flow, 2 * ON_MANIFOLD * PARABOLA.slow_drift(ON_MANIFOLD), rtol=1e-13)
    np.testing.assert_allclose(PARABOLA.weights @ flow, 0.0, atol=1e-15)


def test_limit_map_is_the_end_of_gradient_flow():
    """Φ(u) agrees with the integrated gradient flow du/dt = −∇L, from either side of the manifold."""
    gradient = jax.jit(lambda u: PARABOLA.gradient(u))
    for start in (np.array([1.2, 0.8, -1.0]), np.array([0.1, 0.2, 0.3])):
        flow = solve_ivp(lambda _, u: -np.asarray(gradient(u)), (0, 40), start, method="DOP853", rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(PARABOLA.limit_map(jnp.asarray(start)), flow.y[:, -1], atol=1e-9)


def test_slow_solution_solves_the_slow_flow():
    """u(τ) = Φ(u e^{−2δ²z²τ}) agrees with the integrated drift, and ends at the smallest weight."""
    drift = jax.jit(lambda u: PARABOLA.slow_drift(u))
    start = np.asarray(ON_MANIFOLD)
    flow = solve_ivp(lambda _, u: np.asarray(drift(u)), (0, 6.0), start, method="DOP853", rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(PARABOLA.slow_solution(ON_MANIFOLD, 6.0), flow.y[:, -1], atol=1e-10)
    end = PARABOLA.slow_solution(ON_MANIFOLD, 1e4)
    np.testing.assert_allclose(end, [0.0, 0.0, -np.sqrt(2.0)], atol=1e-9)


def network(params, inputs):
    """A diagonal linear network, which interpolates any targets on its image."""
    return inputs @ (params["u"] ** 2 - params["v"] ** 2)


@pytest.mark.parametrize(("batch", "factor"), [(1, 0.5), (3, 1.0), (None, 0.5)])
def test_noise_is_a_multiple_of_the_hessian_on_the_manifold(batch, factor):
    """Σ = c H where every residual vanishes, c = 2κδ²/B; the other loss normalization's c is rejected."""
    x = {"u": jnp.asarray(RNG.normal(size=3)), "v": jnp.asarray(RNG.normal(size=3))}
    inputs = INPUTS[:2]
    problem = problems.label_noise(network, inputs, network(x, inputs), DELTA, batch, loss_factor=factor)
    flat = lambda v: problem.loss({"u": v[:3], "v": v[3:]})
    hessian = jax.jit(jax.hessian(flat))(jnp.concatenate([x["u"], x["v"]]))
    covariance = eqx.filter_jit(problem.covariance)(x)
    np.testing.assert_allclose(problem.noise_curvature_ratio, 2 * factor * DELTA**2 / (batch or 2))
    np.testing.assert_allclose(covariance, problem.noise_curvature_ratio * hessian, atol=1e-14)
    assert np.abs(covariance - 2 * problem.noise_curvature_ratio * hessian).max() > 0.1 * np.abs(covariance).max()
