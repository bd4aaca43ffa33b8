"""A question that makes no sense is refused in one sentence that names the argument and what to pass."""

import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.compare import weak_error
from sde_momentum.optimizers import sgd
from sde_momentum.problems import general, quadratic
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
        ((RULE, LIMIT, PROBLEM), {"num_paths": 0}, ValueError, "`num_paths` must be at least 2"),
        ((RULE, LIMIT, PROBLEM), {"learning_rate": 0.1}, ValueError, "pass `learning_rates`, four or more"),
        ((RULE, LIMIT, PROBLEM), {"saves": "all"}, TypeError, "saves must be None, a whole number or increasing times"),
    ],
)
def test_misuse_is_refused(question, changes, error, message):
    """The first thing that is wrong is named, before anything is computed."""
    with pytest.raises(error, match=message):
        weak_error(*question, np.ones(2), **(SETTING | changes))


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
