"""An imported rule is the optax transformation: same iterates, same limit, exact constants."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import sympy as sp

from sde_momentum.dynamics import chain, from_optax
from sde_momentum.dynamics._optax_numbers import exact_number
from sde_momentum.optimizers import adam, heavy_ball, nesterov, sgd, sgdm
from sde_momentum.problems import double_well
from sde_momentum.symbolic import Regime, modified_equation

GRADIENT = sp.Symbol("g", real=True)
STEPS, SIZE = 12, 4


def anchored(learning_rate, pull):
    """A transformation that pulls towards its starting point: its state starts at the parameters."""
    update = lambda g, z, x: (-learning_rate * (g + pull * (x - z)), z)
    return optax.GradientTransformation(lambda x: x, update)


def emas(learning_rate, decay):
    """An average of an average."""
    return optax.chain(optax.ema(decay, debias=False), optax.ema(0.5, debias=False), optax.scale(-learning_rate))


def decayed(learning_rate, weight_decay, momentum):
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(learning_rate, momentum))


def injected(learning_rate, momentum):
    return optax.inject_hyperparams(optax.sgd)(learning_rate=learning_rate, momentum=momentum)


def traced(learning_rate, decay):
    return optax.chain(optax.trace(decay, nesterov=True), optax.scale_by_learning_rate(learning_rate))


def clipped(learning_rate):
    return optax.chain(optax.clip(0.7), optax.sgd(learning_rate))


def scheduled(learning_rate):
    return optax.sgd(lambda k: learning_rate * 0.9 ** (jnp.asarray(k, float) / 10))


def two_counters(learning_rate):
    return optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(lambda k: -learning_rate / (1 + k)))


# Factory → (numbers beside the learning rate, state that must be found, fast variables).
TRANSFORMS = {
    optax.sgd: ({}, "x", ()),
    optax.sign_sgd: ({}, "x", ()),
    clipped: ({}, "x", ()),
    lambda learning_rate, momentum: optax.sgd(learning_rate, momentum): ({"momentum": 0.8}, "xv", ("v",)),
    lambda learning_rate, momentum: optax.sgd(learning_rate, momentum, nesterov=True): (
        {"momentum": 0.8},
        "xv",
        ("v",),
    ),
    traced: ({"decay": 0.7}, "xv", ("v",)),
    emas: ({"decay": 0.7}, ["x", "m", "m2"], ("m", "m2")),
    lambda learning_rate: optax.chain(optax.ema(0.9, debias=False), optax.scale(-learning_rate)): ({}, "xm", ("m",)),
    lambda learning_rate: optax.chain(optax.ema(0.9), optax.scale(-learning_rate)): ({}, "xmk", ("m",)),
    decayed: ({"weight_decay": 0.1, "momentum": 0.8}, "xv", ("v",)),
    injected: ({"momentum": 0.8}, "xv", ("v",)),
    anchored: ({"pull": 0.3}, ["x", "state"], ("state",)),
    scheduled: ({}, "xk", ()),
    lambda learning_rate, b1, b2: optax.lion(learning_rate, b1, b2): ({"b1": 0.9, "b2": 0.99}, "xm", ()),
    lambda learning_rate, decay: optax.rmsprop(learning_rate, decay): ({"decay": 0.9}, "xG", ()),
    lambda learning_rate: optax.rmsprop(learning_rate, 0.8, centered=True, momentum=0.9): ({}, "xmGv", ()),
    optax.adagrad: ({}, "xG", ()),
    lambda learning_rate: optax.adagrad(learning_rate, initial_accumulator_value=0.0): ({}, "xG", ()),
    lambda learning_rate, rho: optax.adadelta(learning_rate, rho): ({"rho": 0.9}, "xGU", ()),
    lambda learning_rate, b1, b2, eps: optax.adam(learning_rate, b1, b2, eps): (
        {"b1": 0.9, "b2": 0.95, "eps": 1e-6},
        "xmGk",
        (),
    ),
    optax.adamw: ({}, "xmGk", ()),
    optax.nadam: ({}, "xmGk", ()),
    optax.amsgrad: ({}, ["x", "m", "G", "nu_max", "k"], ()),
    optax.adamax: ({}, "xmGk", ()),
    optax.adabelief: ({}, "xmGk", ()),
    optax.yogi: ({}, "xmGk", ()),
    two_counters: ({}, "xmGk", ()),
}


def optax_iterates(transform, x, gradients):
    def step(carry, g):
        x, state = carry
        updates, state = transform.update(g, state, x)
        x = optax.apply_updates(x, updates)
        return (x, state), x

    return jax.lax.scan(step, (x, transform.init(x)), gradients)[1]


def rule_iterates(rule, numbers, x, gradients):
    """Iterate the sympy expressions in double precision, from zero in every variable but the parameters."""
    symbols = [sp.Symbol(v, real=True) for v in rule.state]
    given = {s: numbers[str(s)] for e in rule.update.values() for s in e.free_symbols if str(s) in numbers}
    update = [expression.subs(given) for expression in rule.update.values()]
    step = sp.lambdify([*symbols, GRADIENT], update, "numpy")
    state, path = [np.array(x), *(np.zeros_like(x) for _ in symbols[1:])], []
    for g in np.asarray(gradients):
        state = step(*state, g)
        path.append(state[0])
    return np.stack(path)


@pytest.mark.parametrize("factory", TRANSFORMS, ids=lambda f: getattr(f, "__name__", "partial"))
def test_iterates_are_those_of_optax(factory):
    """Twelve steps on random gradients agree to 1e-12; a changed constant does not."""
    numbers, state, fast = TRANSFORMS[factory]
    numbers = {"learning_rate": 0.05, **numbers}
    rule = from_optax(factory)
    assert rule.state == tuple(state)
    assert rule.fast == fast
    gradients = jax.random.normal(jax.random.key(3), (STEPS, SIZE))
    x = jax.random.normal(jax.random.key(4), (SIZE,))
    expected = optax_iterates(factory(**numbers), x, gradients)
    np.testing.assert_allclose(rule_iterates(rule, numbers, x, gradients), expected, rtol=1e-12, atol=1e-12)
    wrong = rule_iterates(rule, {**numbers, "learning_rate": 0.0501}, x, gradients)
    assert np.max(np.abs(wrong - expected)) > 1e-6


IMPORTED = {
    "sgd": (optax.sgd, sgd()),
    "momentum": (lambda learning_rate, momentum: optax.sgd(learning_rate, momentum), heavy_ball()),
    "ema": (
        lambda learning_rate, momentum: optax.chain(optax.ema(momentum, debias=False), optax.scale(-learning_rate)),
        sgdm(),
    ),
    "nesterov": (
        lambda learning_rate, momentum: optax.sgd(learning_rate, momentum, nesterov=True),
        nesterov("pytorch"),
    ),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", IMPORTED)
def test_limit_is_the_one_of_the_catalogue(name, order):
    """Drift, covariance and initial shift are equal, exactly, in the default regime and in the plain one."""
    factory, known = IMPORTED[name]
    rule = from_optax(factory)
    for regime in (None, Regime.small_noise()):
        limit, expected = (modified_equation(r, regime, order=order) for r in (rule, known))
        assert limit.drift == expected.drift
        assert limit.covariance == expected.covariance
        assert limit.initial_shift == expected.initial_shift


def test_another_momentum_has_another_limit():
    """Negative control: Nesterov's limit at order 2 is not heavy ball's."""
    assert (
        modified_equation(from_optax(IMPORTED["nesterov"][0]), order=2).drift
        != modified_equation(from_optax(IMPORTED["momentum"][0]), order=2).drift
    )


def test_a_rule_of_the_catalogue_is_recognized():
    """Sources and regimes come from the catalogue when the update is there, and only then."""
    adam_rule = from_optax(lambda learning_rate, beta1, beta2, eps: optax.adam(learning_rate, beta1, beta2, eps))
    assert adam_rule.sources == adam().sources
    assert adam_rule.regimes() == adam().regimes()
    assert from_optax(lambda learning_rate, damping: optax.sgd(learning_rate, damping)).sources == ()


def test_fixed_hyperparameters_become_rationals():
    """0.9 is 9/10, and so is what Python makes of 1 − 0.1."""
    rule = from_optax(lambda learning_rate: optax.chain(optax.ema(0.9, debias=False), optax.scale(-learning_rate)))
    m = sp.Symbol("m", real=True)
    assert sp.expand(rule.update["m"] - sp.Rational(9, 10) * m - GRADIENT / 10) == 0
    assert not any(expression.atoms(sp.Float) for expression in rule.update.values())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.9, "9/10"),
        (1 - 0.9, "1/10"),
        (1 - 0.999, "1/1000"),
        (1 / 3, "1/3"),
        (1e-8, "1/100000000"),
        (np.float32(0.1), "1/10"),
        (np.int32(7), "7"),
        (-2.5, "-5/2"),
        (1.4142135623730951, "14142135623730951/10000000000000000"),
    ],
)
def test_constants_are_read_exactly(value, expected):
    """A constant is the number that was meant, and gives the float back to one rounding at size 1."""
    number = exact_number(value)
    assert number == sp.Rational(expected)
    given = np.asarray(value)
    rounding = np.finfo(given.dtype).epsneg if given.dtype.kind == "f" else 0
    assert abs(Fraction(int(number.p), int(number.q)) - Fraction(float(value))) <= Fraction(float(rounding))


def test_import_is_the_same_in_single_precision():
    """The reading does not depend on the precision JAX is set to."""
    with jax.enable_x64(False):
        single = from_optax(optax.adamw)
    assert dict(single.update) == dict(from_optax(optax.adamw).update)


def test_named_arguments_stay_symbolic():
    """`hyperparameters` picks arguments that have defaults."""
    rule = from_optax(optax.sgd, hyperparameters=("learning_rate", "momentum"), name="mine", fast=())
    assert (rule.name, rule.hyperparameters, rule.fast) == ("mine", ("learning_rate", "momentum"), ())
    assert rule.state == ("x", "v")


def test_schedules_of_optax_are_read():
    """A schedule that treats step zero apart, by the value its formula has there, is its formula."""
    rule = from_optax(lambda learning_rate: optax.sgd(optax.exponential_decay(learning_rate, 10, 0.9)))
    x, k = sp.symbols("x k", real=True)
    rate = sp.Symbol("learning_rate", positive=True) * sp.Rational(9, 10) ** (k / 10)
    assert sp.expand(rule.update["x"] - x + rate * GRADIENT) == 0
    assert rule.update["k"] == k + 1


@pytest.mark.parametrize("factory", [optax.adamw, optax.adagrad, optax.lion], ids=["adamw", "adagrad", "lion"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_chain_of_an_imported_rule_is_optax(factory, dtype):
    """A `Chain` of the imported rule repeats optax on a pytree, in either precision."""
    process = chain(from_optax(factory), double_well(), regime=Regime.small_noise(), learning_rate=0.05)
    x = {"a": jnp.asarray([0.3, -1.2], dtype), "b": jnp.asarray(2.0, dtype)}
    transform = factory(0.05)
    state, inner = process.init(x), transform.init(x)
    for k in range(4):
        g = jax.tree.map(lambda leaf, k=k: jnp.sin(leaf + k), x)
        updates, inner = transform.update(g, inner, x)
        x, state = optax.apply_updates(x, updates), process.update(state, g)
    error = max(jax.tree.leaves(jax.tree.map(lambda a, b: jnp.max(jnp.abs(a - b)), state["x"], x)))
    assert error <= (1e-12 if dtype == jnp.float64 else 2e-6)
    assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(state))
