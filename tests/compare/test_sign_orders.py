"""The measured weak order of sign descent is the claimed one, without sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from sde_momentum.compare import Verdict, fit_order, judge, sde_expectation
from sde_momentum.dynamics import sde
from sde_momentum.optimizers import sign_gd
from sde_momentum.problems import general
from sde_momentum.symbolic import modified_equation

RATES = (0.2, 0.1, 0.05, 0.025)
TIME, START = 1.0, 0.5
DOMAIN = np.array([[-2.6, 2.8]])
OBSERVABLES = (lambda x: x, lambda x: x**2 + x**3 / 4)


def loss(x):
    return x**2 / 2 + jnp.sin(2 * x) / 10


def deviation(x):
    return 0.7 + 0.2 * jnp.cos(x)


PROBLEM = general(loss, lambda x, w: deviation(x) * w[0], 1, start=START)


def walk(rate):
    """Expectations of the chain, exactly: x ± η on a lattice, downwards with probability (1 + erf(L'/√2s))/2."""
    steps = round(TIME / rate)
    lattice = START + rate * np.arange(-steps, steps + 1)
    slope, s = np.asarray(jax.vmap(jax.grad(loss))(lattice)), np.asarray(deviation(lattice))
    mean = erf(slope / (np.sqrt(2) * s))[1:-1]
    found = []
    for observable in OBSERVABLES:
        values = np.array(observable(lattice))
        for _ in range(steps):
            values[1:-1] = (1 + mean) / 2 * values[:-2] + (1 - mean) / 2 * values[2:]
        found.append(values[steps])
    return np.array(found)


def errors(order, drift_order=None):
    """Signed weak errors of the limit; its drift may be taken from a lower order."""
    limit = modified_equation(sign_gd(), order=order)
    slow = modified_equation(sign_gd(), order=drift_order or order)
    found, residuals = [], []
    for rate in RATES:
        equation, other = (sde(each, PROBLEM, learning_rate=rate) for each in (limit, slow))
        drift = jax.jit(jax.vmap(lambda x, e=other: e.drift(0.0, {"x": x}, None)["x"]))
        noise = jax.jit(jax.vmap(lambda x, e=equation: e.noise_product(0.0, {"x": x}, None, jnp.ones(1))["x"]))
        arguments = (lambda x, f=drift: np.asarray(f(x)), lambda x, f=noise: np.asarray(f(x)))
        expectation = sde_expectation(*arguments, OBSERVABLES, START, TIME, domain=DOMAIN)
        assert expectation.converged
        found.append(walk(rate) - expectation.values)
        residuals.append(expectation.residuals)
    return np.array(found), np.array(residuals)


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2])
def test_order_of_sign_descent(order):
    """The law of the ±η walk against the equation with erf drift, state-dependent noise: order 1, then order 2."""
    found, residuals = errors(order)
    fit = fit_order(np.array(RATES), found[:, 0], residuals[:, 0], remainder_exponent=1.0, claimed_order=order)
    assert judge(fit, order) is Verdict.CONFIRMED


@pytest.mark.slow
def test_drift_correction_is_needed():
    """Negative control: with the drift of order 1 the claim of order 2 is refuted."""
    found, residuals = errors(2, drift_order=1)
    fit = fit_order(np.array(RATES), found[:, 0], residuals[:, 0], remainder_exponent=1.0, claimed_order=2.0)
    assert judge(fit, 2.0) is Verdict.REFUTED
