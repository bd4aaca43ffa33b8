"""What has no update of one generic component is refused, in a sentence that names the part."""

import itertools

import jax
import jax.numpy as jnp
import optax
import pytest

from sde_momentum.dynamics import from_optax


def stateless(update):
    """A factory of a transformation without state."""
    return lambda learning_rate: optax.stateless(lambda g, x: update(learning_rate, g, x))


def switching(init, update):
    return lambda learning_rate: optax.GradientTransformation(init, lambda g, s, x: update(learning_rate, g, s))


REFUSED = {
    "lt": lambda learning_rate: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(learning_rate)),
    "random_split": lambda learning_rate: optax.noisy_sgd(learning_rate, key=0),
    "cond": lambda learning_rate: optax.MultiSteps(optax.sgd(learning_rate), 2).gradient_transformation(),
    "cumsum": stateless(lambda h, g, x: -h * jnp.cumsum(g)),
    "sort": stateless(lambda h, g, x: -h * jnp.sort(g)),
    "round": stateless(lambda h, g, x: -h * jnp.round(g)),
    "gt": stateless(lambda h, g, x: jnp.where(g > 0, -h, h)),
    "rev": stateless(lambda h, g, x: -h * g[::-1]),
    "reduce_sum in rows": lambda learning_rate: optax.chain(optax.centralize(), optax.sgd(learning_rate)),
    "debug_callback": stateless(lambda h, g, x: (jax.debug.callback(lambda v: None, g), -h * g)[1]),
}


@pytest.mark.parametrize("primitive", REFUSED)
def test_refused_primitive_is_named(primitive):
    """The message names the primitive that cannot be read."""
    with pytest.raises(ValueError, match=f"primitive `{primitive.split()[0]}`"):
        from_optax(REFUSED[primitive])


def test_unreadable_parts_without_influence_are_allowed():
    """A state leaf that no update of the parameters reads may be anything."""
    update = lambda h, g, s: (-h * g, s + jnp.sum(g**2))
    assert from_optax(switching(lambda x: jnp.zeros(()), update)).state == ("x",)


def test_an_accumulator_that_starts_at_zero_is_not_taken_as_positive():
    """A `where` on the old accumulator takes its other branch at the first step, so it is not resolved."""
    update = lambda h, g, s: (jnp.where(s > 0, -h * g, g), s + g**2)
    with pytest.raises(ValueError, match=r"primitive `gt`.*depends on numbers"):
        from_optax(switching(jnp.zeros_like, update))
    rule = from_optax(
        switching(lambda x: jnp.zeros_like(x), lambda h, g, s: (jnp.where(s + g**2 > 0, -h * g, g), s + g**2))
    )
    assert rule.state == ("x",)


def test_a_first_step_of_its_own_is_refused():
    """A guard on the counter resolves where the formula agrees at zero, and is refused where it does not."""
    agree = lambda h, g, k: (-h * g * jnp.where(k <= 0, 1.0, 0.9**k), k + 1)
    differ = lambda h, g, k: (-h * g * jnp.where(k <= 0, 2.0, 0.9**k), k + 1)
    start = lambda x: jnp.zeros((), jnp.int32)
    assert from_optax(switching(start, agree)).state == ("x", "k")
    with pytest.raises(ValueError, match="primitive `le`"):
        from_optax(switching(start, differ))


def test_side_effect_is_noticed():
    """A factory that counts its calls in Python gives two different traces."""
    calls = itertools.count(1)
    with pytest.raises(ValueError, match="Python side effect"):
        from_optax(lambda learning_rate: optax.sgd(learning_rate / next(calls)))


def test_momentum_kept_in_python_is_a_side_effect():
    """A momentum stored in a closure instead of the state leaks from one trace into the next."""
    memory = {"v": 0.0}

    def update(h, g, x):
        memory["v"] = 0.9 * memory["v"] + g
        return -h * memory["v"]

    with pytest.raises(ValueError, match="Python side effect"):
        from_optax(stateless(update))


def test_dependence_on_the_dimension_is_noticed():
    """A rule that divides by the number of components has no update of one component."""
    with pytest.raises(ValueError, match="number or the arrangement"):
        from_optax(stateless(lambda h, g, x: -h * g / g.size))


def test_array_constant_with_different_entries_is_refused():
    """A mask makes components differ."""
    mask = lambda h, g, x: -h * g * jnp.arange(g.size)
    with pytest.raises(ValueError, match=r"primitive `iota`|constant"):
        from_optax(stateless(mask))


def test_branch_on_a_hyperparameter_is_refused():
    """A Python `if` on a hyperparameter has no one formula."""
    with pytest.raises(ValueError, match="in Python"):
        from_optax(lambda learning_rate, momentum: optax.sgd(learning_rate, momentum if momentum > 0 else None))


def test_unknown_hyperparameter_is_named_with_a_suggestion():
    """A misspelled name is answered with the nearest one."""
    with pytest.raises(ValueError, match="no hyperparameter `momentun`; did you mean `momentum`"):
        from_optax(optax.sgd, hyperparameters=("learning_rate", "momentun"))


@pytest.mark.parametrize(
    ("factory", "error", "words"),
    [
        (optax.sgd(0.1), TypeError, "must be a function of hyperparameters"),
        (lambda learning_rate: learning_rate, TypeError, "must return an optax.GradientTransformation"),
        (lambda lr: optax.sgd(lr), ValueError, "must take a hyperparameter `learning_rate`"),
        (lambda learning_rate, g: optax.sgd(learning_rate, g), ValueError, "must not be called `g`"),
    ],
)
def test_wrong_factories(factory, error, words):
    """What is not a factory of hyperparameters is refused with the remedy."""
    with pytest.raises(error, match=words):
        from_optax(factory)


def test_missing_hyperparameter_is_named():
    """An argument without default must be symbolic."""
    with pytest.raises(ValueError, match="needs `momentum`"):
        from_optax(
            lambda learning_rate, momentum: optax.sgd(learning_rate, momentum), hyperparameters=("learning_rate",)
        )
