"""Adam's iterates over η⁻² steps against Adam's slow equation, under label noise."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.manifold import AdamSlowSDE, slow_sde
from sde_momentum.problems import label_noise_parabola

DELTA, DECAY, BETA, TIME = 0.5, 4.0, 0.8, 0.4
PROBLEM = label_noise_parabola([1.0, 2.0, 3.0], DELTA)
# Equal components are where Adam rests: tr (Diag H)^{1/2} = 2 Σ z u is stationary there.
START = PROBLEM.limit_map(jnp.array([0.9, 0.3, 0.4]))
PATHS = 4096


@eqx.filter_jit
def iterate(eta, steps, key):
    """Adam with bias correction and 1 − β₂ = cη²: the iterates x after `steps` steps, (3, paths)."""
    second = 1 - DECAY * eta**2
    gradient = jax.grad(lambda u, label: 0.5 * (PROBLEM.predict(u, PROBLEM.inputs)[0] - label) ** 2)
    batched = jax.vmap(gradient, in_axes=(1, 0), out_axes=1)

    def step(k, carry):
        x, m, v = carry
        g = batched(x, 1 + DELTA * jax.random.rademacher(jax.random.fold_in(key, k), (PATHS,), x.dtype))
        m, v = BETA * m + (1 - BETA) * g, second * v + (1 - second) * g**2
        corrected = m / (1 - BETA ** (k + 1)), v / (1 - second ** (k + 1))
        return x - eta * corrected[0] / jnp.sqrt(corrected[1]), m, v

    x = jnp.broadcast_to(START[:, None], (3, PATHS))
    return jax.lax.fori_loop(0, steps, step, (x, jnp.zeros_like(x), jnp.zeros_like(x)))[0]


@eqx.filter_jit
def flow(sde, state, count=40):
    """The slow equation, which is a flow under label noise, by Runge–Kutta steps."""
    h = TIME / count
    shift = lambda z, k, w: jax.tree.map(lambda a, b: a + w * b, z, k)

    def step(j, z):
        a = sde.drift(j * h, z)
        b = sde.drift((j + 0.5) * h, shift(z, a, h / 2))
        c = sde.drift((j + 0.5) * h, shift(z, b, h / 2))
        d = sde.drift((j + 1) * h, shift(z, c, h))
        return shift(z, jax.tree.map(lambda p, q, r, s: (p + 2 * q + 2 * r + s) / 6, a, b, c, d), h)

    return jax.lax.fori_loop(0, count, step, state)["x"]


@pytest.mark.slow
def test_adam_follows_its_own_slow_equation():
    """E x − slow falls by two when η does, and extrapolates to nil (5 SE); the equation of SGD is refuted."""
    rates = (0.02, 0.01)
    runs = [iterate(eta, jnp.asarray(round(TIME / eta**2)), jax.random.key(7)) for eta in rates]
    far, near = (np.asarray(x.mean(axis=1)) for x in runs)
    errors = [np.asarray(x.std(axis=1)) / PATHS**0.5 for x in runs]
    limit, error = 2 * near - far, np.hypot(2 * errors[1], errors[0])
    own = np.asarray(flow(AdamSlowSDE(PROBLEM, DECAY, 0.0, True, 1), {"x": START, "v": jnp.zeros(3)}))
    other = np.asarray(flow(slow_sde(PROBLEM, codimension=1), {"x": START}))
    moved = np.linalg.norm(own - np.asarray(START))
    assert moved > 0.05
    ratio = np.linalg.norm(far - own) / np.linalg.norm(near - own)
    assert 1.6 < ratio < 2.5
    # The extrapolation leaves an error of second order, far below what Adam moved.
    assert np.all(np.abs(limit - own) < 5 * error + 0.01 * moved)
    assert np.max(np.abs(limit - other) - 5 * error) > 0.1 * moved
