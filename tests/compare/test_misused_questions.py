"""A question that makes no sense is refused in one sentence that names the argument and what to pass."""

import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.compare import weak_error
from sde_momentum.optimizers import sgd
from sde_momentum.problems import double_well, general, quadratic
from sde_momentum.symbolic import Regime, modified_equation

RULE, PROBLEM = sgd(), quadratic(np.eye(2))
LIMIT = modified_equation(RULE, order=1)
NOTHING = modified_equation(RULE, Regime.noise_dominated(), order=2)
SETTING = {"t1": 0.8, "learning_rates": (0.4, 0.2, 0.1, 0.05), "progress": False}


@pytest.mark.parametrize(
    ("question", "changes", "error", "message"),
    [
        ((sgd, LIMIT, PROBLEM), {}, TypeError, r"`rule` must be an UpdateRule, such as .*sgd\(\), got function"),
        (("sgd", LIMIT, PROBLEM), {}, TypeError, "`rule` must be an UpdateRule, .* got str"),
        ((RULE, LIMIT, None), {}, TypeError, "`problem` must be a loss with its noise, .* got NoneType"),
        ((RULE, NOTHING, PROBLEM), {}, ValueError, "no diffusion of this order exists, so nothing is compared"),
        (
            (RULE, LIMIT, PROBLEM),
            {"saves": 3},
            ValueError,
            "a time of `saves` = 0.266667 is 0.666667 steps of length 0.4",
        ),
        ((RULE, LIMIT, PROBLEM), {"t1": 0.7}, ValueError, "t1 = 0.7 is 1.75 steps of length 0.4"),
        ((RULE, LIMIT, PROBLEM), {"saves": 0.4}, TypeError, "saves must be None, a whole number or increasing times"),
        ((RULE, LIMIT, PROBLEM), {"learning_rates": "abcd"}, TypeError, "`learning_rates` must be numbers, got 'abcd'"),
        ((RULE, LIMIT, PROBLEM), {"learning_rates": 0.1}, ValueError, "`learning_rates` needs at least four values"),
        (
            (RULE, LIMIT, PROBLEM),
            {"t1": "1"},
            TypeError,
            "`t1` must be a number, got '1'",
        ),
        ((RULE, LIMIT, PROBLEM), {"num_paths": 0}, ValueError, "`num_paths` must be at least 8, for a standard error"),
        ((RULE, LIMIT, PROBLEM), {"target_snr": -1}, ValueError, "`target_snr` must be positive and finite"),
        (
            (RULE, LIMIT, PROBLEM),
            {"target_snr": 9, "budget": 0},
            ValueError,
            "`budget` must be positive and finite",
        ),
        ((RULE, LIMIT, PROBLEM), {"substeps": 0}, ValueError, "`substeps` must be at least 1, got 0"),
        ((RULE, LIMIT, PROBLEM), {"num_paths": "64"}, TypeError, "`num_paths` must be a whole number, got '64'"),
        ((RULE, LIMIT, PROBLEM), {"target_snr": 9, "budget": None}, TypeError, "`budget` must be a number, got None"),
        ((RULE, LIMIT, PROBLEM), {"confidence": 95}, ValueError, "`confidence` must lie strictly between 0 and 1"),
        ((RULE, LIMIT, PROBLEM), {"learning_rate_unit": -1}, ValueError, "`learning_rate_unit` must be positive and"),
        ((RULE, LIMIT, PROBLEM), {"seed": "a"}, TypeError, "seed must be an int"),
        ((RULE, LIMIT, PROBLEM), {"saves": (np.nan, 0.8)}, ValueError, "saves must be positive increasing times"),
        ((RULE, LIMIT, PROBLEM), {"method": "best"}, ValueError, "`method` must be one of auto, exact, transition"),
        ((RULE, LIMIT, PROBLEM), {"observables": {"a": lambda x: x[0] > 0}}, ValueError, "real floating-point number"),
        ((RULE, LIMIT, PROBLEM), {"observables": {"a": lambda x: np.asarray(x)[0]}}, TypeError, "cannot be compiled"),
        ((RULE, LIMIT, PROBLEM), {"num_paths": 99, "method": "transition"}, ValueError, "samples nothing: leave `num"),
        ((RULE, LIMIT, PROBLEM), {"observables": [jnp.sum]}, TypeError, "`observables` must map names to functions"),
        (
            (RULE, LIMIT, PROBLEM),
            {"observables": {"a": "loss"}},
            TypeError,
            "`observables` must map names to functions",
        ),
        ((RULE, LIMIT, PROBLEM), {"phi": jnp.cos}, TypeError, "η φ.t., whose φ is the argument `schedule`"),
        ((RULE, LIMIT, PROBLEM), {"learning_rate": 0.1}, ValueError, "pass `learning_rates`, four or more"),
        ((RULE, LIMIT, PROBLEM), {"saves": "all"}, TypeError, "saves must be None, a whole number or increasing times"),
    ],
)
def test_misuse_is_refused(question, changes, error, message):
    """The first thing that is wrong is named, before anything is computed."""
    with pytest.raises(error, match=message):
        weak_error(*question, np.ones(2), **(SETTING | changes))


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        ("one", TypeError, "x0 must hold numbers, got 'one'"),
        (np.array([np.nan, 1.0]), ValueError, "x0 must be finite, got"),
        ({"x": np.ones(2)}, ValueError, "x0 names x, but a start is that of the parameters alone: x must be one array"),
        ({"x": np.ones(2), "m": np.ones(2)}, ValueError, "x0 names m, x, but a start is that of the parameters alone"),
    ],
)
def test_a_start_that_is_none_is_refused(start, error, message):
    """Words, NaN, and dicts of variables that the limit does not have."""
    with pytest.raises(error, match=message):
        weak_error(RULE, LIMIT, PROBLEM, start, **SETTING)


def test_parameters_may_be_called_as_variables_are():
    """A loss whose parameters are a dict with x in it: that is no start of the limit's variables."""
    problem = general(lambda p: jnp.sum(p["x"] ** 2 + p["y"] ** 2), lambda p, w: {"x": w[:1], "y": w[1:]}, 2)
    start = {"x": np.ones(1), "y": np.ones(1)}
    found = weak_error(RULE, LIMIT, problem, start, t1=0.8, learning_rates=(0.04, 0.02, 0.01, 0.005), progress=False)
    assert str(found.verdict) == "confirmed"


def test_an_observable_that_fails_is_named():
    """Its own error comes with a note on whose it is, and what it was called with."""
    with pytest.raises(TypeError) as caught:
        weak_error(RULE, LIMIT, PROBLEM, np.ones(2), **SETTING, observables={"weights": lambda x: x["w"]})
    assert "This is observable `weights`, called with the parameters of one replica, of shape (2,)" in "".join(
        caught.value.__notes__
    )


@pytest.mark.parametrize(
    "schedule", [np.cos, lambda t: 1.0 if t < 1 else 0.5, lambda t: float(t) + 1], ids=["numpy", "if", "float"]
)
def test_schedules_that_cannot_be_compiled_are_refused(schedule):
    """NumPy and Python's `if` work on numbers, not inside a program."""
    limit = modified_equation(RULE, Regime.small_noise().scheduled(), order=1)
    with pytest.raises(TypeError, match="the schedule of `schedule` cannot be compiled: write it with jax"):
        weak_error(RULE, limit, PROBLEM, np.ones(2), **SETTING, schedule=schedule)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (lambda t: -1.0, "at t = 0, `schedule` must not be negative, for it multiplies the learning rate"),
        (lambda t: 1 - 2 * t, r"at t = 0\.512\d*, `schedule` must not be negative"),
        (lambda t: 1 / abs(t - 0.4), r"at t = 0\.4, float division by zero"),
    ],
)
def test_schedules_that_leave_their_range_are_refused(schedule, message):
    """Steps up the gradient, and steps of no length at all; the time is named."""
    limit = modified_equation(RULE, Regime.small_noise().scheduled(), order=1)
    with pytest.raises(ValueError, match=message):
        weak_error(RULE, limit, PROBLEM, np.ones(2), **SETTING, schedule=lambda t: jnp.asarray(schedule(t)))


def test_whole_numbers_are_parameters_too():
    """x0 of integers is taken for floating point."""
    ask = {"t1": 0.8, "learning_rates": (0.04, 0.02, 0.01, 0.005)}
    whole, real = (weak_error(RULE, LIMIT, PROBLEM, np.array([1, 2], kind), **ask) for kind in (int, float))
    np.testing.assert_array_equal(whole.dataset["error"], real.dataset["error"])


def test_a_rule_that_diverges_is_refused_before_its_limit_is_solved():
    """Gradient steps of length 2 on a quartic overshoot; the limit, which does not, would take a minute."""
    setting = SETTING | {"t1": 8.0, "learning_rates": (2.0, 1.0, 0.5, 0.25), "method": "transition"}
    limit = modified_equation(RULE, order=2)
    with pytest.raises(ValueError, match="the rule leaves every box, at learning rate 2, with a probability"):
        weak_error(RULE, limit, double_well(), 3.0, **setting)


def loaded(dimension):
    """A loss that is no parabola, one normal a parameter."""
    return general(lambda x: jnp.sum(0.5 * x**2 + 0.1 * x**4), lambda x, w: 0.3 * w, dimension)


@pytest.mark.parametrize(
    ("dimension", "observables", "message"),
    [
        (21, None, "the state of the rule has 21 components, and transition operators serve up to 20"),
        (9, None, "one step draws 9 normals, at most 8 are summed; take method='coupled'"),
        (5, {"log": lambda x: jnp.log(x[0])}, r"observable `log` is not finite at some states .*log\(ε \+ x²\)"),
    ],
)
def test_what_transition_operators_cannot_do_is_said(dimension, observables, message):
    """Too many components, too many normals, an observable that is not finite around the path: each with a way out."""
    asked = {"observables": observables, "method": "transition"}
    with pytest.raises(ValueError, match=message):
        weak_error(RULE, LIMIT, loaded(dimension), np.ones(dimension), **SETTING, **asked)
