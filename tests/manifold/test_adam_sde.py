"""Adam's slow equation: the preconditioned limit map, and which regularizer it follows."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.manifold import AdamSlowSDE, adam_slow_sde, slow_sde
from sde_momentum.problems import general

FACTOR = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3)))
SECOND = jnp.array([0.5, 2.0, 1.2])


def valley(x):
    c = jnp.stack([x[1] + 0.4 * x[0] ** 2 - 0.3 * x[0] * x[2], x[2] + 0.5 * x[0] * x[1]])
    return 0.5 * jnp.exp(0.8 * x[0]) * c[0] ** 2 + (1 + 0.3 * x[0]) * c[1] ** 2 + 0.3 * x[0] * c[0] * c[1]


VALLEY = general(valley, lambda x, w: FACTOR @ w, noise_dim=3)


@jax.jit
def preconditioned_derivatives(x):
    """∂Φ_S and ½ ∂²Φ_S[Σ̂] of the limit of dx = −S∇L, by Runge–Kutta and nested jvp."""
    scale = 1 / jnp.sqrt(SECOND)
    field = lambda z: -scale * jax.grad(valley)(z)

    def step(z, _):
        h = 0.05
        a = field(z)
        b = field(z + h / 2 * a)
        c = field(z + h / 2 * b)
        return z + h / 6 * (a + 2 * b + 2 * c + field(z + h * c)), None

    solve = lambda z: jax.lax.scan(step, z, None, length=600)[0]
    along = lambda s: jax.jvp(lambda z: jax.jvp(solve, (z,), (s,))[1], (x,), (s,))
    first, second = jax.vmap(along, in_axes=1, out_axes=1)(scale[:, None] * FACTOR)
    return first, 0.5 * jnp.sum(second, axis=1)


@pytest.mark.slow
def test_drift_and_noise_are_derivatives_of_the_preconditioned_limit_map():
    """dζ = ∂Φ_S Σ̂^{1/2} dW + ½ ∂²Φ_S[Σ̂] dτ to 1e-6; the equation of SGD for the noise Σ̂ is refuted."""
    x = jnp.zeros(3)
    first, second = preconditioned_derivatives(x)
    sde = adam_slow_sde(VALLEY, 1.3, codimension=2)
    state = {"x": x, "v": SECOND}

    @eqx.filter_jit
    def read(sde, state):
        noise = jax.vmap(lambda w: sde.noise_product(0.0, state, None, w)["x"], out_axes=1)(jnp.eye(3))
        return sde.drift(0.0, state), noise

    drift, noise = read(sde, state)
    assert float(jnp.linalg.norm(drift["x"] - second)) < 1e-6 * float(jnp.linalg.norm(second))
    np.testing.assert_allclose(noise, first, atol=1e-6)
    np.testing.assert_allclose(drift["v"], 1.3 * (jnp.diag(FACTOR @ FACTOR.T) - SECOND), rtol=1e-12)
    scaled = general(valley, lambda x, w: (FACTOR @ w) / jnp.sqrt(SECOND), noise_dim=3)
    plain, _ = read(slow_sde(scaled, codimension=2), {"x": x})
    assert float(jnp.linalg.norm(plain["x"] - second)) > 0.05 * float(jnp.linalg.norm(second))


WEIGHTS = jnp.array([1.0, 0.6, 1.7])


def ellipse(weights):
    """L = ½(Σ z u² − 1)² with label noise 1: Σ = H on Γ."""
    form = lambda x: weights @ x**2
    return general(lambda x: 0.5 * (form(x) - 1) ** 2, lambda x, w: w[0] * jax.grad(form)(x), noise_dim=1)


def on_ellipse(weights):
    direction = jnp.array([0.9, 0.5, 0.35])
    return direction / jnp.sqrt(weights @ direction**2)


def test_equilibrated_adam_descends_the_root_of_the_diagonal():
    """Label noise, v = diag Σ: drift = −½ S^{1/2} P̃ S^{1/2} ∇ tr (Diag H)^{1/2}; before equilibration it is not."""
    x = on_ellipse(WEIGHTS)
    sde = adam_slow_sde(ellipse(WEIGHTS), 1.0, codimension=1)

    @jax.jit
    def both(v):
        hessian = lambda y: jax.hessian(sde.problem.loss)(y)
        functional = lambda y: jnp.sum(jnp.sqrt(jnp.diag(hessian(y))))
        root = jnp.diag(hessian(x)) ** -0.25
        normal = root * (WEIGHTS * x)
        pull = root * jax.grad(functional)(x)
        expected = -0.5 * root * (pull - normal * (normal @ pull) / (normal @ normal))
        return sde.drift(0.0, {"x": x, "v": v})["x"], expected

    diagonal = jnp.diag(jax.hessian(sde.problem.loss)(x))
    drift, expected = both(diagonal)
    np.testing.assert_allclose(drift, expected, atol=1e-12)
    early, _ = both(jnp.ones(3))
    assert float(jnp.linalg.norm(early - expected)) > 1e-2


@pytest.mark.slow
def test_where_the_trace_is_constant_adam_moves_and_sgd_rests():
    """On the sphere tr H = 4: SGD under label noise has no drift; Adam moves towards a coordinate axis."""
    sphere, x = ellipse(jnp.ones(3)), on_ellipse(jnp.ones(3))
    adam, sgd = adam_slow_sde(sphere, 5.0, codimension=1), slow_sde(sphere, codimension=1)
    assert float(jnp.max(jnp.abs(jax.jit(lambda y: sgd.drift(0.0, {"x": y})["x"])(x)))) < 1e-13

    def step(state, _):
        change = adam.increment(0.0, state, None, 0.01, jnp.zeros(1))
        return jax.tree.map(jnp.add, state, change), jnp.sum(jnp.abs(state["x"]))

    start = eqx.filter_jit(adam.init)(x)
    end, sums = jax.jit(lambda s: jax.lax.scan(step, s, None, length=60))(start)
    assert bool(jnp.all(jnp.diff(sums) < 0))
    assert abs(float(jnp.linalg.norm(end["x"])) - 1) < 1e-12


def test_bias_correction_starts_where_equilibrium_is():
    """With v(0) = 0 the corrected moments tend to diag Σ as τ → 0: the drift is continuous there."""
    x = on_ellipse(WEIGHTS)
    sde = AdamSlowSDE(ellipse(WEIGHTS), 2.0, 0.0, True, 1)
    read = jax.jit(lambda t, v: sde.drift(t, {"x": x, "v": v})["x"])
    diagonal = jnp.diag(sde.problem.covariance(x))
    at_zero = read(0.0, jnp.zeros(3))
    np.testing.assert_allclose(read(1e-7, -jnp.expm1(-2e-7) * diagonal), at_zero, rtol=1e-6)
    with pytest.raises(ValueError, match="decay_rate=-1"):
        adam_slow_sde(ellipse(WEIGHTS), -1)
