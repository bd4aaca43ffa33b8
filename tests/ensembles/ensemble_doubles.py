"""Processes with exactly known laws, written against the protocols of `SDE` and `Chain`."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from sde_momentum import solvers


class NormalDraw(eqx.Module):
    """Standard normals by counter."""

    size: int = eqx.field(static=True)

    def sample(self, seed, path_index, step):
        return solvers.normal(seed, path_index, step, self.size)


class Autoregression(eqx.Module):
    """x' = a x + s ξ, componentwise: mean aᵏ x₀, variance s² (1 − a²ᵏ)/(1 − a²)."""

    a: jax.Array
    s: jax.Array
    step_time: float = eqx.field(static=True)
    draw: NormalDraw

    def init(self, x0):
        return {"x": x0}

    def step(self, k, state, draw):
        return {"x": self.a * state["x"] + self.s * draw}

    def variance(self, k):
        a, s = float(self.a), float(self.s)
        return s**2 * (1 - a ** (2 * np.asarray(k))) / (1 - a**2)


class OrnsteinUhlenbeck(eqx.Module):
    """dX = −A X dt + S dW with diagonal A and dense S."""

    rate: jax.Array
    factor: jax.Array
    noise_dim: int = eqx.field(static=True)

    def init(self, x0):
        return {"x": x0}

    def drift(self, t, state, args):
        return {"x": -self.rate * state["x"]}

    def noise_product(self, t, state, args, w):
        return {"x": self.factor @ w}

    def increment(self, t, state, args, dt, dw):
        return {"x": -self.rate * state["x"] * dt + self.factor @ dw}

    def mean(self, x0, t):
        return np.exp(-np.asarray(self.rate) * t) * np.asarray(x0)

    def euler_covariance(self, dt, steps):
        """Exact covariance of Euler's scheme: Σ_k over both sides of (1 − a dt)(1 − b dt)."""
        rate, factor = np.asarray(self.rate), np.asarray(self.factor)
        ratio = np.outer(1 - rate * dt, 1 - rate * dt)
        return factor @ factor.T * dt * (1 - ratio**steps) / (1 - ratio)


class DoubleWell(eqx.Module):
    """dX = (X − X³) dt + √(½ + ½X²) dW, in momentum-like layout: a dict of two leaves of different shape."""

    noise_dim: int = eqx.field(static=True, default=1)

    def init(self, x0):
        return {"x": x0, "clock": jnp.zeros((1,), x0.dtype)}

    def drift(self, t, state, args):
        x = state["x"]
        return {"x": x - x**3, "clock": jnp.ones((1,), x.dtype)}

    def noise_product(self, t, state, args, w):
        return {"x": jnp.sqrt(0.5 + 0.5 * state["x"] ** 2) * w[0], "clock": jnp.zeros((1,), w.dtype)}

    def increment(self, t, state, args, dt, dw):
        drift, noise = self.drift(t, state, args), self.noise_product(t, state, args, dw)
        return {name: drift[name] * dt + noise[name] for name in drift}


class Exploding(eqx.Module):
    """x' = x + c x³ ξ from x₀: some paths overflow, others do not."""

    step_time: float = eqx.field(static=True, default=0.1)
    draw: NormalDraw = NormalDraw(1)

    def init(self, x0):
        return {"x": x0}

    def step(self, k, state, draw):
        return {"x": state["x"] + state["x"] ** 3 * draw[0]}


def autoregression(a=0.9, s=0.3, size=2, step_time=0.1):
    return Autoregression(jnp.asarray(a), jnp.asarray(s), step_time, NormalDraw(size))


def ornstein_uhlenbeck():
    factor = jnp.asarray([[1.0, 0.5, 0.0], [0.0, 0.3, 0.8]])
    return OrnsteinUhlenbeck(jnp.asarray([1.0, 2.0]), factor, 3)


def assert_same_bits(left, right):
    """Every variable and coordinate of two data sets agrees to the last bit."""
    assert set(left.variables) == set(right.variables)
    for name in left.variables:
        np.testing.assert_array_equal(left[name].values, right[name].values, err_msg=str(name))


def standard_errors_away(estimate, exact, standard_error):
    """How many standard errors an estimate is from the exact value, the largest of all entries."""
    return float(np.max(np.abs((np.asarray(estimate) - exact) / np.asarray(standard_error)), initial=-math.inf))
