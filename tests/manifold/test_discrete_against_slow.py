"""Discrete momentum iterates over η⁻² steps against the slow equation, at momentum index 1 and above."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.manifold import slow_sde
from sde_momentum.problems import general

FACTOR = jnp.array([[0.25, 0.1], [0.5, 0.3], [0.1, 0.7]])
TIME, RATE = 0.5, 0.7


def valley(x):
    """Codimension 2; Σ and H do not commute, and Σ has tangent, normal and mixed parts."""
    c = jnp.stack([x[1] + 0.4 * x[0] ** 2 - 0.3 * x[0] * x[2], x[2] + 0.5 * x[0] * x[1] - 0.2 * x[0] ** 2])
    stretch = jnp.stack([jnp.exp(0.8 * x[0] + 0.3 * x[2]), 3.2 * jnp.exp(-0.5 * x[0])])
    return 0.5 * jnp.sum(stretch * c**2) + 0.6 * x[0] * c[0] * c[1]


PROBLEM = general(valley, lambda x, w: FACTOR @ w, noise_dim=2)
gradients = jax.vmap(jax.grad(valley), in_axes=-1, out_axes=-1)


def project(x):
    """Φ along the flow, by Runge–Kutta over 20 units of time."""

    def step(z, _):
        h = 0.2
        a = -gradients(z)
        b = -gradients(z + h / 2 * a)
        c = -gradients(z + h / 2 * b)
        return z + h / 6 * (a + 2 * b + 2 * c - gradients(z + h * c)), None

    return jax.lax.scan(step, x, None, length=100)[0]


@functools.partial(jax.jit, static_argnums=(0, 1))
def discrete(eta, paths):
    """First coordinate of Φ(x − ηβm/(1−β)) after τ/η² steps of SGDM with 1 − β = λη, and its martingale part."""
    beta = 1 - RATE * eta

    def step(carry, key):
        x, m, martingale = carry
        noise = FACTOR @ jax.random.normal(key, (2, paths))
        m = beta * m + (1 - beta) * (gradients(x) + noise)
        return (x - eta * m, m, martingale - eta * noise[0]), None

    zero = jnp.zeros((3, paths))
    keys = jax.random.split(jax.random.key(1), round(TIME / eta**2))
    (x, m, martingale), _ = jax.lax.scan(step, (zero, zero, zero[0]), keys)
    return project(x - eta * beta / (1 - beta) * m)[0], martingale


@functools.partial(jax.jit, static_argnums=(0, 1))
def slow(regime, paths):
    """The same along the slow equation, 25 retracted Euler steps."""
    sde = slow_sde(PROBLEM, codimension=2, retraction_steps=2, **dict(regime))
    dt = TIME / 25

    def step(carry, key):
        x, martingale = carry
        dw = jax.random.normal(key, (2, paths)) * dt**0.5
        move = lambda y, w: y + sde.increment(0.0, {"x": y}, None, dt, w)["x"]
        return (jax.vmap(move, in_axes=-1, out_axes=-1)(x, dw), martingale + FACTOR[0] @ dw), None

    start = (jnp.zeros((3, paths)), jnp.zeros(paths))
    ends, martingale = jax.lax.scan(step, start, jax.random.split(jax.random.key(2), 25))[0]
    return ends[0], martingale


def mean(values, martingale):
    """Mean and standard error, with the martingale (mean zero) as control variate."""
    values, martingale = np.asarray(values), np.asarray(martingale)
    slope = np.cov(values, martingale)[0, 1] / np.var(martingale)
    rest = values - slope * martingale
    return rest.mean(), rest.std() / len(rest) ** 0.5


@pytest.mark.slow
def test_momentum_at_index_one_follows_its_own_slow_equation():
    """E Φ, extrapolated to η → 0, meets the equation at index 1 (5 SE) and refutes that of SGD."""
    (near, near_error), (far, far_error) = mean(*discrete(0.025, 20_000)), mean(*discrete(0.05, 20_000))
    limit, error = 2 * near - far, np.hypot(2 * near_error, far_error)
    own, own_error = mean(*slow((("momentum_index", 1), ("relaxation_rate", RATE)), 4_000))
    other, other_error = mean(*slow((), 4_000))
    # The Euler bias of the slow mean is 2e-4 at 25 steps, measured against 50.
    assert abs(limit - own) < 5 * np.hypot(error, own_error) + 2e-4
    assert abs(limit - other) > 5 * np.hypot(error, other_error) + 2e-4


FAST = 2.0


@functools.partial(jax.jit, static_argnums=(0, 1))
def above(eta, paths):
    """The same at 1 − β = λη^{3/2}; the limit is that of the noiseless rule, since the momentum is no longer small."""
    beta = 1 - FAST * eta**1.5

    def step(carry, key):
        x, m, martingale = carry
        noise = 0.0 if key is None else FACTOR @ jax.random.normal(key, (2, paths))
        m = beta * m + (1 - beta) * (gradients(x) + noise)
        return (x - eta * m, m, martingale - (0.0 if key is None else eta * noise[0])), None

    zero = jnp.zeros((3, paths))
    end, _ = jax.lax.scan(step, (zero, zero, zero[0]), jax.random.split(jax.random.key(1), round(TIME / eta**2)))
    (x, _, martingale), _ = jax.lax.scan(step, end, None, length=round(16 / (1 - beta)))
    return x[0], martingale


@pytest.mark.slow
def test_above_index_one_the_rate_at_hand_decides():
    """At α = 3/2 E Φ̃ follows the equation with λ = (1 − β)/η (5 SE) on its way to the limit λ → 0; SGD is refuted."""
    limit, _ = mean(*slow((("momentum_index", 1.5),), 4_000))
    other, other_error = mean(*slow((), 4_000))
    gaps = []
    for eta in (0.05, 0.025):
        found, error = mean(*above(eta, 8_000))
        own, own_error = mean(*slow((("momentum_index", 1), ("relaxation_rate", FAST * eta**0.5)), 4_000))
        # 2e-4 is the Euler bias of the slow mean, as above.
        assert abs(found - own) < 5 * np.hypot(error, own_error) + 2e-4
        assert abs(found - other) > 5 * np.hypot(error, other_error) + 2e-4
        gaps.append(abs(found - limit))
    assert gaps[1] < gaps[0] < abs(other - limit)
