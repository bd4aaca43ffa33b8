"""A question that makes no sense is refused in one sentence that names the argument and what to pass."""

import numpy as np
import pytest

from sde_momentum.compare import weak_error
from sde_momentum.optimizers import sgd
from sde_momentum.problems import quadratic
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
        ((RULE, LIMIT, PROBLEM), {"saves": "all"}, TypeError, "saves must be None, a whole number or increasing times"),
    ],
)
def test_misuse_is_refused(question, changes, error, message):
    """The first thing that is wrong is named, before anything is computed."""
    with pytest.raises(error, match=message):
        weak_error(*question, np.ones(2), **(SETTING | changes))
