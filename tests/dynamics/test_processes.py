"""Chains are the optimizers, SDEs are plain diffrax citizens, and wrong numbers are refused by name."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sde_momentum.dynamics import chain, sde
from sde_momentum.optimizers import heavy_ball, sgd, sgdm
from sde_momentum.problems import breast_cancer, double_well, general, minibatch, quadratic
from sde_momentum.solvers import CounterPath
from sde_momentum.symbolic import Regime, modified_equation


@pytest.fixture(scope="module")
def cancer():
    return breast_cancer(batch_size=16)


def _iterates(process, x0, draws, count=6):
    state, path = process.init(x0), []
    step = eqx.filter_jit(process.step)
    for k in range(count):
        state = step(k, state, draws[..., k])
        path.append(jax.flatten_util.ravel_pytree(state["x"])[0])
    return np.stack(path)


@pytest.mark.parametrize(
    ("rule", "numbers", "transform"),
    [
        (sgd, {}, optax.sgd(0.1)),
        pytest.param(heavy_ball, {"momentum": 0.8}, optax.sgd(0.1, momentum=0.8), marks=pytest.mark.slow),
        (sgdm, {"momentum": 0.8}, optax.chain(optax.ema(0.8, debias=False), optax.scale(-0.1))),
    ],
)
def test_chain_is_optax(cancer, rule, numbers, transform):
    """The iterates on minibatches equal optax's on the same minibatches."""
    process = chain(rule(), cancer, learning_rate=0.1, **numbers)
    draws = jax.jit(jax.vmap(lambda k: cancer.draw.sample(5, jnp.arange(1), k)[:, 0], out_axes=-1))(jnp.arange(6))
    x = x0 = cancer.initial(0)
    state = transform.init(x0)
    expected = []

    @jax.jit
    def step(x, state, draw):
        updates, state = transform.update(cancer.stochastic_gradient(x, draw), state)
        return optax.apply_updates(x, updates), state

    for k in range(6):
        x, state = step(x, state, draws[:, k])
        expected.append(jax.flatten_util.ravel_pytree(x)[0])
    np.testing.assert_allclose(_iterates(process, x0, draws), np.stack(expected), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rule", [sgd, sgdm])
@pytest.mark.parametrize("order", [1, 2])
def test_fused_increment_is_drift_plus_noise(cancer, rule, order):
    """B dt + B dw by one backward pass equals the two evaluated apart."""
    numbers = {"momentum": 0.9} if rule is sgdm else {}
    process = sde(modified_equation(rule(), order=order), cancer, learning_rate=0.05, **numbers)
    state = process.init(cancer.initial(0))
    dw = jax.random.normal(jax.random.key(1), (cancer.noise_dim,))

    @jax.jit
    def evaluate(state, dw):
        parts = process.drift(0.0, state, None), process.noise_product(0.0, state, None, dw)
        return process.increment(0.0, state, None, 0.1, dw), *parts

    both, drift, noise = evaluate(state, dw)
    apart = jax.tree.map(lambda b, s: 0.1 * b + s, drift, noise)
    for left, right in zip(jax.tree.leaves(both), jax.tree.leaves(apart), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12)


def test_order_two_drift_is_the_gradient_of_the_modified_loss(cancer):
    """−∇(L + (η/4)(1+β)/(1−β)|∇L|²) on the logistic regression, by differentiating the modified loss itself."""
    eta, beta = 0.05, 0.9
    process = sde(modified_equation(sgdm(), order=2), cancer, learning_rate=eta, momentum=beta)
    x = cancer.initial(0)

    def modified(y):
        square = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(cancer.gradient(y)))
        return cancer.loss(y) + eta / 4 * (1 + beta) / (1 - beta) * square

    drift, gradient = jax.jit(lambda y: (process.drift(0.0, {"x": y}, None)["x"], jax.grad(modified)(y)))(x)
    for left, right in zip(jax.tree.leaves(drift), jax.tree.leaves(gradient), strict=True):
        np.testing.assert_allclose(left, -right, rtol=1e-9, atol=1e-12)


def test_terms_are_plain_diffrax():
    """`sde(...).terms(path)` goes into diffeqsolve; Euler at dt = η is the chain with ξ = −ΔW/√η."""
    problem, eta = double_well(), 0.05
    process = sde(modified_equation(sgd(), order=1), problem, learning_rate=eta)
    path = CounterPath(0.0, 1.0, eta, seed=3, path_index=jnp.asarray(4), size=1, dtype=jnp.float64)
    state = process.init(jnp.asarray(0.5))
    solution = dfx.diffeqsolve(
        process.terms(path), dfx.Euler(), 0.0, 1.0, eta, state, adjoint=dfx.DirectAdjoint(), saveat=dfx.SaveAt(t1=True)
    )
    optimizer = chain(sgd(), problem.gaussian(), learning_rate=eta)

    def step(k, current):
        return optimizer.step(k, current, -path.increment(k) / np.sqrt(eta))

    current = jax.jit(lambda z: jax.lax.fori_loop(0, 20, step, z))(optimizer.init(jnp.asarray(0.5)))
    np.testing.assert_allclose(solution.ys["x"][0], current["x"], rtol=1e-10)


def test_another_learning_rate_does_not_compile_again():
    """Numbers are arrays: one trace serves every learning rate."""
    traces = []

    @eqx.filter_jit
    def drift(process, state):
        traces.append(1)
        return process.drift(0.0, state, None)

    limit, problem = modified_equation(sgd(), order=2), double_well()
    values = [float(drift(sde(limit, problem, learning_rate=eta), {"x": jnp.asarray(0.3)})["x"]) for eta in (0.1, 0.2)]
    assert len(traces) == 1
    assert values[0] != values[1]


def test_scaled_momentum_comes_from_the_regime():
    """At momentum index 1/2 the number to give is λ, and β = 1 − λ √η."""
    regime = Regime.noise_dominated(momentum_index="1/2")
    process = chain(sgdm(), double_well(), regime=regime, learning_rate=0.04, relaxation_rate=2.0)
    assert float(process.hyperparameters["momentum"]) == pytest.approx(1 - 2 * 0.2)
    assert float(process.noise_scale) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"learning_rate": 0.0, "momentum": 0.5}, "`learning_rate` must be positive, got 0.0"),
        ({"learning_rate": -1.0, "momentum": 0.5}, "`learning_rate` must be positive, got -1.0"),
        ({"learning_rate": float("nan"), "momentum": 0.5}, "`learning_rate` must be finite"),
        ({"learning_rate": 0.1, "momentum": 1.0}, r"`momentum` must lie in \[0, 1\), got 1.0"),
        ({"learning_rate": 0.1, "momentum": -0.1}, r"`momentum` must lie in \[0, 1\)"),
        ({"learning_rate": 0.1}, "needs a number for `momentum`"),
        ({"learning_rate": 0.1, "momentun": 0.5}, "did you mean `momentum`"),
    ],
)
@pytest.mark.parametrize("kind", ["chain", "sde"])
def test_numbers_out_of_range(kind, numbers, message):
    """A missing, unknown or impossible hyperparameter is named."""
    make = (
        chain if kind == "chain" else lambda rule, *rest, **named: sde(modified_equation(rule, order=2), *rest, **named)
    )
    with pytest.raises(ValueError, match=message):
        make(sgdm(), double_well(), **numbers)


@pytest.mark.parametrize("value", ["0.1", True, 0.1j, np.asarray([0.1])])
def test_numbers_must_be_numbers(value):
    """A string, a Boolean, a complex number or a vector is no learning rate; an array without dimension is."""
    with pytest.raises(TypeError, match="`learning_rate` must be a real number"):
        chain(sgd(), double_well(), learning_rate=value)
    assert chain(sgd(), double_well(), learning_rate=jnp.asarray(0.5)).hyperparameters["learning_rate"] == 0.5


def test_numbers_are_not_traced():
    """A process is made outside jit, because its numbers are checked."""
    with pytest.raises(TypeError, match="make the process outside `jit`"):
        jax.jit(lambda eta: chain(sgd(), double_well(), learning_rate=eta).step_time)(0.1)


LOUD = Regime.noise_dominated(momentum_index=1)
MOVING = Regime.small_noise().scheduled("learning_rate")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: chain(sgd, double_well(), learning_rate=0.1), "`rule` must be an UpdateRule"),
        (lambda: chain(sgd(), jnp.sum, learning_rate=0.1), "`problem` must be a loss with its noise"),
        (lambda: sde(modified_equation(sgd()), jnp.sum, learning_rate=0.1), "`problem` must be a loss with its noise"),
        (lambda: chain(sgd(), double_well(), regime="small-noise", learning_rate=0.1), "`regime` must be a Regime"),
        (lambda: chain(sgd(), double_well(), regime=LOUD, learning_rate=0.1), "not a hyperparameter of `sgd`"),
        (lambda: chain(sgd(), double_well(), regime=MOVING.scheduled("mu"), learning_rate=0.1), "none of the numbers"),
        (lambda: chain(sgd(), double_well(), regime=MOVING, learning_rate=jnp.exp), "the function φ as `schedule`"),
        (
            lambda: chain(sgd(), double_well(), regime=MOVING, learning_rate=0.1, schedul=jnp.exp),
            "did you mean `schedule`",
        ),
        (lambda: chain(sgd(), double_well(), learning_rate=jnp.exp), r"`regime.scheduled\(\)` for a learning rate"),
        (
            lambda: chain(sgd(), double_well(), regime=MOVING, learning_rate=0.1, schedule=lambda t: jnp.ones(2)),
            r"must return one number, but returned shape \(2,\)",
        ),
        (
            lambda: chain(
                sgdm(),
                double_well(),
                regime=MOVING.scheduled("momentum"),
                learning_rate=0.1,
                momentum=lambda t: 1 + t,
            ),
            r"`momentum` must lie in \[0, 1\)",
        ),
    ],
)
def test_what_does_not_go_together(make, message):
    """A rule, a regime, a problem or a schedule that does not suit the others is named, with what to do."""
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_a_scaling_that_leaves_its_range():
    """1 − λη^α below zero says which scaling it was."""
    regime = Regime.noise_dominated(momentum_index=1)
    with pytest.raises(ValueError, match="It comes from the scaling"):
        chain(sgdm(), double_well(), regime=regime, learning_rate=0.5, relaxation_rate=4.0)


def test_no_diffusion_cannot_be_integrated():
    """Where no diffusion exists there is nothing to integrate."""
    limit = modified_equation(sgd(), Regime.noise_dominated(), order=2)
    with pytest.raises(ValueError, match="no diffusion of order 2"):
        sde(limit, double_well(), learning_rate=0.1)


def test_skewed_noise_is_a_caveat():
    """Minibatch noise is skewed: a noise-dominated limit says what that costs."""
    problem = minibatch(lambda x, batch: jnp.mean((batch - x) ** 2), jnp.asarray([0.0, 1.0, 5.0]), 1)
    limit = modified_equation(sgd(), Regime.noise_dominated())
    assert "skewed" in sde(limit, problem, learning_rate=0.1).caveats[0]
    assert not sde(limit, problem.gaussian(), learning_rate=0.1).caveats


def test_single_precision():
    """float32 parameters stay float32 through chain and SDE."""
    problem = quadratic(np.eye(2, dtype=np.float32), noise=np.eye(2, dtype=np.float32))
    x0 = jnp.ones(2, jnp.float32)
    process = sde(modified_equation(sgd(), order=2), problem, learning_rate=0.1)
    assert process.increment(0.0, process.init(x0), None, 0.1, jnp.ones(2, jnp.float32))["x"].dtype == jnp.float32
    optimizer = chain(sgd(), problem, learning_rate=0.1)
    assert optimizer.step(0, optimizer.init(x0), jnp.ones(2, jnp.float32))["x"].dtype == jnp.float32


def test_parameters_of_any_shape():
    """A pytree with a scalar, a matrix and a nested list goes through both processes."""
    x0 = {"a": jnp.asarray(0.5), "b": [jnp.ones((2, 3)), jnp.zeros(4)]}
    loss = lambda x: jnp.sum(jnp.tanh(x["b"][0])) ** 2 + x["a"] ** 2 + jnp.sum((x["b"][1] - x["a"]) ** 2)
    problem = general(loss, lambda x, w: jax.tree.map(lambda leaf: leaf * w[0] + w[1], x), 2)
    process = sde(modified_equation(sgdm(), order=2), problem, learning_rate=0.1, momentum=0.5)
    assert jax.tree.structure(process.init(x0)["x"]) == jax.tree.structure(x0)
    after = jax.jit(lambda x: process.increment(0.0, process.init(x), None, 0.1, jnp.ones(2))["x"])(x0)
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, x0)


def test_parameters_are_found_by_name():
    """JAX sorts dicts: in (m, x) the parameters come second, and the equation at momentum index 1 is still right."""
    problem = quadratic(np.diag([1.0, 2.0]), noise=np.eye(2))
    limit = modified_equation(sgdm(), Regime.noise_dominated(momentum_index=1))
    process = sde(limit, problem, learning_rate=0.1, relaxation_rate=3.0)
    state = {"m": jnp.asarray([0.3, -0.2]), "x": jnp.asarray([1.0, 0.5])}
    dw, dt = jnp.asarray([0.1, -0.4]), 0.5
    for change in (
        process.increment(0.0, state, None, dt, dw),
        eqx.filter_jit(process.increment)(0.0, state, None, dt, dw),
    ):
        np.testing.assert_allclose(change["x"], -state["m"] * dt, rtol=1e-12)
        force = jnp.asarray([1.0, 1.0]) - state["m"]
        np.testing.assert_allclose(change["m"], 3.0 * (force * dt + dw), rtol=1e-12)
