"""The slow equation as an object: which rules have one, its regimes, schedules, and refusals."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

from sde_momentum.manifold import KernelSlowSDE, slow_sde
from sde_momentum.problems import general, label_noise
from sde_momentum.symbolic import effective_learning_rate, update_rule

ETA, BETA = sp.Symbol("learning_rate", positive=True), sp.Symbol("momentum", nonnegative=True)


@update_rule(state=("x",))
def sgd(x, g, *, learning_rate):
    return x - learning_rate * g


@update_rule(state=("x", "m"), fast=("m",))
def sgdm(x, m, g, *, learning_rate, momentum):
    m = momentum * m + (1 - momentum) * g
    return x - learning_rate * m, m


@update_rule(state=("x", "v"), fast=("v",))
def heavy_ball(x, v, g, *, learning_rate, momentum):
    v = momentum * v + g
    return x - learning_rate * v, v


@update_rule(state=("x", "m"), fast=("m",))
def nesterov(x, m, g, *, learning_rate, momentum):
    m = momentum * m + (1 - momentum) * g(x - learning_rate * momentum * m)
    return x - learning_rate * m, m


@update_rule(state=("x", "v"), fast=("v",))
def nesterov_pytorch(x, v, g, *, learning_rate, momentum):
    v = momentum * v + g
    return x - learning_rate * (g + momentum * v), v


@update_rule(state=("x", "m"), fast=("m",))
def qhm(x, m, g, *, learning_rate, momentum):
    m = momentum * m + (1 - momentum) * g
    return x - learning_rate * (sp.Rational(1, 3) * g + sp.Rational(2, 3) * m), m


@update_rule(state=("x", "v"))
def rmsprop(x, v, g, *, learning_rate, decay):
    v = decay * v + (1 - decay) * g**2
    return x - learning_rate * g / sp.sqrt(v), v


@update_rule(state=("x",))
def decayed(x, g, *, learning_rate, weight_decay):
    return (1 - learning_rate * weight_decay) * x - learning_rate * g


@pytest.mark.parametrize(
    ("rule", "rate"),
    [
        (sgd, ETA),
        (sgdm, ETA),
        (nesterov, ETA),
        (qhm, ETA),
        (heavy_ball, ETA / (1 - BETA)),
        (nesterov_pytorch, ETA / (1 - BETA)),
    ],
)
def test_effective_learning_rate_is_the_total_response_to_one_gradient(rule, rate):
    """−η_e = ℓ·b with ℓA = ℓ, ℓ_x = 1, exactly."""
    assert sp.cancel(effective_learning_rate(rule) - rate) == 0


def valley(x):
    c = x["b"][0] + 0.4 * x["a"] ** 2 - 0.3 * x["a"] * x["b"][1]
    d = x["b"][1] + 0.5 * x["a"] * x["b"][0]
    return 0.5 * jnp.exp(0.8 * x["a"]) * c**2 + (1 + x["a"] ** 2) * d**2 + 0.3 * x["a"] * c * d


FACTOR = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2)))
PROBLEM = general(valley, lambda x, w: {"a": FACTOR[0] @ w, "b": FACTOR[1:] @ w}, noise_dim=2)
STATE = {"x": {"a": jnp.zeros(()), "b": jnp.zeros(2)}}


@eqx.filter_jit
def members(sde, t):
    w = jnp.array([0.3, -1.1])
    return sde.drift(t, STATE)["x"], sde.noise_product(t, STATE, None, w)["x"]


def flat(tree):
    return jnp.concatenate([jnp.atleast_1d(tree["a"]), tree["b"]])


def test_momentum_below_index_one_has_the_equation_of_sgd():
    """At equal effective learning rate SGD, SGDM and heavy ball share drift, noise and clock."""
    numbers = {"learning_rate": 0.05, "momentum": 0.9}
    plain = slow_sde(PROBLEM, hyperparameters=numbers, codimension=2)
    averaged = slow_sde(PROBLEM, sgdm, momentum_index=0.5, hyperparameters=numbers, codimension=2)
    ball = slow_sde(PROBLEM, heavy_ball, hyperparameters={"learning_rate": 0.005, "momentum": 0.9}, codimension=2)
    assert plain.step_time == averaged.step_time == 0.05**2
    assert ball.step_time == pytest.approx(0.05**2, rel=1e-14)
    assert plain.relaxation_rate == averaged.relaxation_rate == ball.relaxation_rate == math.inf


@pytest.mark.slow
def test_momentum_at_index_one_differs_and_tends_to_sgd():
    """The drift at λ = 0.5 differs from SGD's by over 1 %, at λ = 1e8 by below 1e-7; the noise never differs."""
    at = lambda **kw: members(slow_sde(PROBLEM, sgdm, codimension=2, **kw), 0.0)
    drift, noise = at()
    slow, slow_noise = at(momentum_index=1, relaxation_rate=0.5)
    fast, _ = at(momentum_index=1, relaxation_rate=1e8)
    size = jnp.linalg.norm(flat(drift))
    assert float(jnp.linalg.norm(flat(slow) - flat(drift)) / size) > 1e-2
    assert float(jnp.linalg.norm(flat(fast) - flat(drift)) / size) < 1e-7
    np.testing.assert_allclose(flat(slow_noise), flat(noise), atol=1e-15)


@pytest.mark.slow
def test_a_schedule_scales_drift_by_its_square_and_noise_by_itself():
    """λ_τ = 1 + τ at τ = 0.5: drift × 2.25, noise × 1.5; at momentum index 1 the rate becomes λ/λ_τ."""
    schedule = lambda t: 1 + t
    scaled, noise = members(slow_sde(PROBLEM, schedule=schedule, codimension=2), 0.5)
    drift, plain = members(slow_sde(PROBLEM, codimension=2), 0.5)
    np.testing.assert_allclose(flat(scaled), 2.25 * flat(drift), rtol=1e-12)
    np.testing.assert_allclose(flat(noise), 1.5 * flat(plain), rtol=1e-12)
    index_one = {"momentum_index": 1, "codimension": 2}
    scaled, _ = members(slow_sde(PROBLEM, relaxation_rate=0.9, schedule=schedule, **index_one), 0.5)
    drift, _ = members(slow_sde(PROBLEM, relaxation_rate=0.6, **index_one), 0.5)
    np.testing.assert_allclose(flat(scaled), 2.25 * flat(drift), rtol=1e-12)


@pytest.mark.slow
def test_the_increment_is_drift_and_noise_up_to_the_retraction():
    """With retraction_steps = 0 the increment is drift dt + P S dw exactly; with them it ends on Γ."""
    dw = jnp.array([0.02, 0.01])

    @eqx.filter_jit
    def run(sde):
        step = sde.increment(0.0, STATE, None, 1e-3, dw)
        return step["x"], sde.drift(0.0, STATE)["x"], sde.noise_product(0.0, STATE, None, dw)["x"]

    step, drift, noise = run(slow_sde(PROBLEM, codimension=2, retraction_steps=0))
    np.testing.assert_allclose(flat(step), 1e-3 * flat(drift) + flat(noise), atol=1e-16)
    step, _, _ = run(slow_sde(PROBLEM))
    assert float(valley(step)) < 1e-28


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": rmsprop}, "not linear"),
        ({"rule": decayed}, "no slow equation"),
        ({"rule": qhm, "momentum_index": 1, "relaxation_rate": 1.0}, "one buffer m"),
        ({"rule": sgdm, "momentum_index": 1}, "relaxation_rate=None"),
        ({"rule": sgdm, "relaxation_rate": 1.0}, "momentum_index=0"),
        ({"momentum_index": 2}, "momentum_index=2"),
        ({"momentum_index": 1, "relaxation_rate": -1.0}, "must be positive"),
        ({"rule": heavy_ball, "hyperparameters": {"learning_rate": 0.1}}, "without value"),
    ],
)
def test_rules_without_this_equation_are_refused(arguments, message):
    """Adaptive rules, weight decay, a missing λ, an index of two or more: ValueError with the reason."""
    with pytest.raises(ValueError, match=message):
        slow_sde(PROBLEM, **arguments)


def test_a_problem_without_noise_factor_is_refused():
    """The message names the missing members."""
    with pytest.raises(ValueError, match="noise_product, noise_dim"):
        slow_sde(type("Bare", (), {"loss": staticmethod(valley)})())


@pytest.mark.slow
def test_init_refuses_an_isolated_minimum():
    """A bowl has no manifold: init says so instead of returning a point."""
    bowl = general(lambda x: jnp.sum(x**2), lambda x, w: w, noise_dim=2)
    with pytest.raises(RuntimeError, match="isolated minimum"):
        slow_sde(bowl).init(jnp.array([1.0, 2.0]))


@pytest.mark.slow
def test_kernel_equation_is_the_dense_one_and_lowers_the_trace():
    """On a small network both routes agree to 1e-8; tr H falls along the flow while the loss stays zero."""
    rng = np.random.default_rng(1)
    inputs, targets = jnp.asarray(rng.normal(size=(3, 2))), jnp.asarray(rng.normal(size=3))
    model = lambda p, u: jnp.tanh(u @ p["in"]) @ p["out"]
    params = {"in": jnp.asarray(rng.normal(size=(2, 5))), "out": jnp.asarray(rng.normal(size=5))}
    problem = label_noise(model, inputs, targets, 0.5)
    sde = KernelSlowSDE(problem, batch=2)
    state = eqx.filter_jit(sde.init)(params)

    @eqx.filter_jit
    def compare(state):
        return sde.drift(0.0, state), slow_sde(problem, codimension=3).drift(0.0, state)

    kernel, dense = compare(state)
    leaves = lambda tree: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
    assert np.linalg.norm(leaves(kernel) - leaves(dense)) < 1e-8 * np.linalg.norm(leaves(dense))

    def step(state, _):
        change = sde.increment(0.0, state, None, 0.05, jnp.zeros(problem.noise_dim))
        state = jax.tree.map(jnp.add, state, change)
        return state, sde.monitor(0.0, state)

    record = jax.jit(lambda s: jax.lax.scan(step, s, None, length=20)[1])(state)
    assert bool(jnp.all(jnp.diff(record["trace"]) < 0))
    assert float(jnp.max(record["loss"])) < 1e-16
    assert float(jnp.max(record["distance"])) < 1e-8


def test_kernel_init_refuses_targets_that_cannot_be_met():
    """Two equal inputs with different labels: no interpolation, and init says so."""
    problem = label_noise(lambda x, u: u @ x**2, jnp.ones((2, 3)), jnp.array([1.0, 2.0]), 0.5)
    with pytest.raises(RuntimeError, match="residual does not vanish"):
        KernelSlowSDE(problem).init(jnp.ones(3))
