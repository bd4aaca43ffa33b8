"""Limits and chains of sign descent and normalized descent in numbers, and their import from optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import erf

from sde_momentum.dynamics import chain, from_optax, sde
from sde_momentum.optimizers import normalized_gd, sign_gd
from sde_momentum.problems import SignDraw, general, quadratic
from sde_momentum.symbolic import Regime, modified_equation

HESSIAN = np.array([[2.0, 0.5, 0.2], [0.5, 1.0, -0.3], [0.2, -0.3, 0.7]])
X = jnp.array([0.3, -0.4, 0.8])
SLOPE = HESSIAN @ np.asarray(X)
RATE = 0.1


def covariance(equation):
    """B Bᵀ of a process at X."""
    column = lambda w: equation.noise_product(0.0, {"x": X}, None, w)["x"]
    factor = jax.vmap(column, out_axes=-1)(jnp.eye(3))
    return np.asarray(factor @ factor.T)


def drift(equation):
    return np.asarray(equation.drift(0.0, {"x": X}, None)["x"])


# --- sign descent ----------------------------------------------------------------------------------------------------

DEVIATIONS = np.array([0.5, 0.8, 1.2])
MEAN = erf(SLOPE / DEVIATIONS / np.sqrt(2))


def test_sign_limit_in_numbers():
    """Drift −m − (η/2) Dm m and covariance η(1 − m²), with Dm = density · H for constant Σ."""
    problem = quadratic(HESSIAN, noise=DEVIATIONS, start=np.ones(3))
    equation = sde(modified_equation(sign_gd(), order=2), problem, learning_rate=RATE)
    density = np.sqrt(2 / np.pi) / DEVIATIONS * np.exp(-((SLOPE / DEVIATIONS) ** 2) / 2)
    np.testing.assert_allclose(drift(equation), -MEAN - RATE / 2 * density * (HESSIAN @ MEAN), rtol=1e-13)
    np.testing.assert_allclose(covariance(equation), RATE * np.diag(1 - MEAN**2), atol=1e-15)
    # One step of the solver is drift dt + noise dw.
    dw = jnp.array([0.3, -0.2, 0.1])
    increment = equation.increment(0.0, {"x": X}, None, 0.05, dw)["x"]
    expected = 0.05 * drift(equation) + np.asarray(equation.noise_product(0.0, {"x": X}, None, dw)["x"])
    np.testing.assert_allclose(increment, expected, rtol=1e-13)


@pytest.mark.slow
def test_noise_that_depends_on_the_state():
    """∂_jΣ_ii enters the drift of order 2: −(η/2)(m·∇)m by automatic differentiation of m(x) itself."""
    deviation = lambda x: 0.6 + 0.2 * jnp.sin(x) + 0.1 * x[0] ** 2
    problem = general(lambda x: 0.5 * x @ HESSIAN @ x, lambda x, w: deviation(x) * w, 3, start=jnp.ones(3))
    equation = sde(modified_equation(sign_gd(), order=2), problem, learning_rate=RATE)
    mean = lambda x: jax.scipy.special.erf(HESSIAN @ x / deviation(x) / jnp.sqrt(2.0))
    expected = -mean(X) - RATE / 2 * jax.jacfwd(mean)(X) @ mean(X)
    np.testing.assert_allclose(drift(equation), expected, rtol=1e-12)


SIGMA = {sign_gd: {"sigma0": 1.0}}
COUPLED = quadratic(HESSIAN, noise=np.array([[1.0, 0, 0], [0.3, 1, 0], [0, 0, 1]]), start=np.ones(3))
UNEVEN = quadratic(HESSIAN, noise=DEVIATIONS, start=np.ones(3))
ASSUMED = [
    (sign_gd, UNEVEN, ""),
    (sign_gd, COUPLED, "not diagonal"),
    (sign_gd, UNEVEN.with_noise(SignDraw(3)), "Gaussian"),
    (normalized_gd, UNEVEN, "variances differ"),
    (normalized_gd, quadratic(HESSIAN, noise=0.6, start=np.ones(3)), ""),
]


@pytest.mark.parametrize(("make", "problem", "caveat"), ASSUMED)
def test_noise_that_is_not_as_assumed(make, problem, caveat):
    """A process says where its problem does not have the noise that the limit was derived for, and only there."""
    rule = make()
    process = sde(modified_equation(rule, rule.regimes()[1]), problem, learning_rate=RATE, **SIGMA.get(make, {}))
    assert bool(process.caveats) == bool(caveat)
    assert caveat in "; ".join(process.caveats)


# --- normalized descent ----------------------------------------------------------------------------------------------

DEVIATION = 0.6
ROUND = quadratic(HESSIAN, noise=DEVIATION, start=np.ones(3))


def one_step_moments(count=400_000):
    """Mean and covariance of −g/|g| at X by sampling, with their standard errors."""
    g = SLOPE + DEVIATION * np.random.default_rng(7).normal(size=(count, 3))
    direction = -g / np.linalg.norm(g, axis=1, keepdims=True)
    centered = direction - direction.mean(0)
    products = np.einsum("ni,nj->nij", centered, centered)
    return (
        (direction.mean(0), direction.std(0) / np.sqrt(count)),
        (products.mean(0), products.std(0) / np.sqrt(count)),
    )


@pytest.mark.slow
def test_moments_of_a_random_direction():
    """Drift and covariance of the limit are the exact moments of a normalized Gaussian vector, within 5 SE.

    Controls: the large-noise drift −c₃∇L/s, and the covariance I/d, are rejected.
    """
    equation = sde(modified_equation(normalized_gd(), normalized_gd().regimes()[1]), ROUND, learning_rate=RATE)
    (mean, mean_error), (spread, spread_error) = one_step_moments()
    assert np.all(np.abs(drift(equation) - mean) < 5 * mean_error)
    assert np.all(np.abs(covariance(equation) / RATE - spread) < 5 * spread_error)
    linear = -2 * np.sqrt(2 / np.pi) * 2 / 3 / 2 * SLOPE / DEVIATION
    assert np.any(np.abs(linear - mean) > 50 * mean_error)
    assert np.any(np.abs(np.eye(3) / 3 - spread) > 50 * spread_error)


def test_large_noise_in_numbers():
    """−c_d ∇L/(σ₀s) with c₃ = 2√(2/π)·… = √2 Γ(2)/(3 Γ(3/2)), and I/d."""
    equation = sde(modified_equation(normalized_gd()), ROUND, learning_rate=RATE, sigma0=0.7)
    c3 = np.sqrt(2) / (3 * np.sqrt(np.pi) / 2)
    np.testing.assert_allclose(drift(equation), -c3 * SLOPE / (0.7 * DEVIATION), rtol=1e-13)
    np.testing.assert_allclose(covariance(equation), np.eye(3) / 3, atol=1e-15)


def test_quiet_normalized_limit_in_numbers():
    """−n − (η/2)(Dn)n by automatic differentiation of n(x) = ∇L/|∇L|."""
    rule, regime = normalized_gd(), Regime.noiseless()
    equation = sde(modified_equation(rule, regime, order=2), ROUND, learning_rate=RATE)
    direction = lambda x: HESSIAN @ x / jnp.linalg.norm(HESSIAN @ x)
    expected = -direction(X) - RATE / 2 * jax.jacfwd(direction)(X) @ direction(X)
    np.testing.assert_allclose(drift(equation), expected, rtol=1e-13)


@pytest.mark.slow
def test_scale_of_the_noise_may_depend_on_the_state():
    """At order 2 the drift holds ∂s; the limit equals −m − (η/2)(Dm)m with m = c·M(½, 5/2, −|∇L|²/2s²)∇L/s."""
    scale = lambda x: 0.5 + 0.1 * jnp.sum(jnp.cos(x))
    problem = general(lambda x: 0.5 * x @ HESSIAN @ x, lambda x, w: scale(x) * w, 3, start=jnp.ones(3))
    regime = normalized_gd().regimes()[1]
    equation = sde(modified_equation(normalized_gd(), regime, order=2), problem, learning_rate=RATE)

    def mean(x):
        g, s = HESSIAN @ x, scale(x)
        return 2 * np.sqrt(2 / np.pi) * 2 / 3 / 2 / s * jax.scipy.special.hyp1f1(0.5, 2.5, -g @ g / (2 * s**2)) * g

    expected = -mean(X) - RATE / 2 * jax.jacfwd(mean)(X) @ mean(X)
    np.testing.assert_allclose(drift(equation), expected, rtol=1e-9)


def test_chain_normalizes_over_the_whole_pytree():
    """|g| counts every leaf."""
    process = chain(normalized_gd(), ROUND, regime=Regime.noiseless(), learning_rate=RATE)
    state = {"x": {"a": jnp.zeros(2), "b": jnp.zeros((1, 2))}}
    g = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([[0.0, 4.0]])}
    new = process.update(state, g)["x"]
    np.testing.assert_allclose(new["a"], [-0.06, 0.0], rtol=1e-14)
    np.testing.assert_allclose(new["b"], [[0.0, -0.08]], rtol=1e-14)


# --- import ----------------------------------------------------------------------------------------------------------


def normalized(learning_rate):
    return optax.chain(optax.normalize_by_update_norm(eps=0.0), optax.scale(-learning_rate))


def guarded(learning_rate):
    return optax.chain(optax.normalize_by_update_norm(scale_factor=2.0), optax.scale(-learning_rate))


def averaged(learning_rate, momentum):
    scale = optax.chain(optax.normalize_by_update_norm(), optax.scale(-learning_rate))
    return optax.chain(optax.ema(momentum, debias=False), scale)


def signs(learning_rate):
    return optax.chain(optax.scale_by_sign(), optax.scale(-learning_rate))


@pytest.mark.parametrize(
    ("factory", "numbers"),
    [
        (guarded, {}),
        (averaged, {"momentum": 0.8}),
        pytest.param(normalized, {}, marks=pytest.mark.slow),
        pytest.param(signs, {}, marks=pytest.mark.slow),
    ],
)
def test_iterates_are_those_of_optax(factory, numbers):
    """Six steps on a pytree agree to 1e-12, norms over all leaves included."""
    numbers = {"learning_rate": 0.05, **numbers}
    process = chain(from_optax(factory), ROUND, regime=Regime.small_noise(), **numbers)
    transform, key = factory(**numbers), jax.random.key(5)
    x = {"a": jnp.array([0.3, -1.2]), "b": jnp.array([[2.0], [0.4]])}
    state, inner = process.init(x), transform.init(x)
    for k in range(6):
        leaves = jax.random.normal(jax.random.fold_in(key, k), (4,))
        g = {"a": leaves[:2], "b": leaves[2:].reshape(2, 1)}
        updates, inner = transform.update(g, inner, x)
        x, state = optax.apply_updates(x, updates), process.update(state, g)
    for name in x:
        np.testing.assert_allclose(state["x"][name], x[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("factory", "known"), [(optax.sign_sgd, sign_gd), (signs, sign_gd), (normalized, normalized_gd)]
)
def test_imported_rules_are_those_of_the_catalogue(factory, known):
    """Regimes come from the catalogue and every limit is the same."""
    rule, expected = from_optax(factory), known()
    assert rule.regimes() == expected.regimes()
    for regime in rule.regimes():
        one, other = (modified_equation(each, regime) for each in (rule, expected))
        assert one.drift == other.drift
        assert one.covariance == other.covariance
        assert one.factor == other.factor


def test_regularized_norm_is_another_rule():
    """Negative control: optax's default ε is part of the rule, which then has no catalogue entry."""
    rule = from_optax(guarded)
    assert rule.regimes() != normalized_gd().regimes()
    limit = modified_equation(rule, Regime.noiseless())
    assert limit.drift != modified_equation(normalized_gd(), Regime.noiseless()).drift
