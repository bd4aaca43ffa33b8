"""Adaptive moments in closed form: under signs on a flat loss g² is a number, and E x² a sum over the steps.

With g = σ s z, z = ±1, the second moment runs without noise, G_k = ρᵏ G₀ + (1 − ρᵏ) σ²s², and x is a weighted sum of
independent signs. On the limit's side, too, dX has a coefficient that is a function of time alone.
"""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from sde_momentum.compare import Verdict, weak_error
from sde_momentum.optimizers import adam, rmsprop
from sde_momentum.problems import SignDraw, general
from sde_momentum.symbolic import modified_equation

S, SCALE, EPS, START = 0.7, 0.8, 0.5, 0.3
RATES = (0.4, 0.2, 0.1, 0.05)
T1 = 0.64
SQUARE = {"x²": lambda x: x**2}


@pytest.fixture(scope="module")
def flat():
    """No gradient, noise ±s."""
    return general(lambda x: 0.0 * x, lambda x, w: S * w[0], 1, start=0.0, draw=SignDraw(1))


def measured(rule, numbers, problem, change=lambda limit: limit, start=None):
    """Weak errors of E x², and the values that the closed form must give."""
    limit = change(modified_equation(rule, rule.regimes()[0], order=1))
    x0 = {"x": 0.0, "G": START} | (start or {})
    return weak_error(
        rule, limit, problem, x0, t1=T1, learning_rates=RATES, method="transition", observables=SQUARE, **numbers
    )


def second_moment(t, rate):
    """Ĝ after steps, or of the limit at a time: u∞ + (u₀ − u∞) × what is left."""
    return SCALE**2 * S**2 + (START - SCALE**2 * S**2) * rate**t


def rmsprop_chain(eta, c):
    """E x²: x moves by η g/(√G + ε) with |g| = σ₀ s/η, G = Ĝ/η², ε = ε₀/η, hence by η σ₀ s/(√Ĝ + ε₀)."""
    k = np.arange(1, round(T1 / eta**2) + 1)
    return np.sum((eta * SCALE * S / (np.sqrt(second_moment(k, 1 - c * eta**2)) + EPS)) ** 2)


def rmsprop_limit(c):
    """E X² = σ₀² s² ∫ dt/(√u + ε₀)²."""
    return quad(lambda t: (SCALE * S / (np.sqrt(second_moment(t, np.exp(-c))) + EPS)) ** 2, 0, T1, epsabs=1e-13)[0]


def adam_chain(eta, c1, c2):
    """Sign j enters every later step by (1 − β₁) β₁^(k−j) η σ₀ s/(√Ĝ_k + ε₀); their squares add up."""
    k = np.arange(1, round(T1 / eta**2) + 1)
    step = eta * SCALE * S / (np.sqrt(second_moment(k, 1 - c2 * eta**2)) + EPS)
    beta = 1 - c1 * eta**2
    weight = np.array([(1 - beta) * np.sum(beta ** (k[j:] - k[j]) * step[j:]) for j in range(len(k))])
    return np.sum(weight**2)


def test_rmsprop(flat):
    """Transition operators give the closed weak error of RMSProp in dominant noise, to their residual; order 1."""
    study = measured(rmsprop(), {"rate_decay": 1.5, "sigma0": SCALE, "eps0": EPS}, flat)
    exact = [rmsprop_chain(eta, 1.5) - rmsprop_limit(1.5) for eta in RATES]
    np.testing.assert_allclose(study.dataset["error"].values[:, 0, 0], exact, atol=2e-9)
    assert np.min(np.abs(exact)) > 1000 * 2e-9
    assert study.verdict is Verdict.CONFIRMED


@pytest.mark.slow
def test_adam(flat):
    """The same for Adam without bias correction, whose signs live on in the momentum."""
    numbers = {"rate_beta1": 2.0, "rate_beta2": 1.5, "sigma0": SCALE, "eps0": EPS}
    study = measured(adam(bias_correction=False), numbers, flat, start={"m": 0.0})
    # X(T) = −σ₀ s ∫∫ c₁ e^{−c₁(t−r)} 1_{r<t} dW(r) dt/(√u + ε₀): the weight of dW(r), squared and integrated.
    denominator = lambda t: np.sqrt(second_moment(t, np.exp(-1.5))) + EPS
    weight = lambda r: quad(lambda t: 2 * np.exp(-2 * (t - r)) / denominator(t), r, T1, epsabs=1e-12)[0]
    limit = (SCALE * S) ** 2 * quad(lambda r: weight(r) ** 2, 0, T1, epsabs=1e-11)[0]
    exact = [adam_chain(eta, 2.0, 1.5) - limit for eta in RATES]
    np.testing.assert_allclose(study.dataset["error"].values[:, 0, 0], exact, atol=2e-8)
    assert study.verdict is Verdict.CONFIRMED


def test_a_start_for_some_variables_is_refused(flat):
    """A dict that leaves a variable out is neither a full start nor a pytree of parameters."""
    with pytest.raises(ValueError, match="the start names x, G, but not m"):
        measured(adam(bias_correction=False), {}, flat)


def test_a_second_moment_that_forgets_too_slowly_is_refuted(flat):
    """The control: the equation of G with half its rate, seen by x through the coefficient of its noise alone."""
    slow = lambda limit: replace(limit, drift={**limit.drift, "G": limit.drift["G"] * 0.5})
    study = measured(rmsprop(), {"rate_decay": 1.5, "sigma0": SCALE, "eps0": EPS}, flat, slow)
    assert study.verdict is Verdict.REFUTED
    assert jnp.isfinite(study.order.order)
