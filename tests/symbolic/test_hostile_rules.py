"""Rules written by hand that cannot be what they claim: one clear sentence that names the part."""

import numpy as np
import pytest
import sympy as sp

from sde_momentum.optimizers import sgd
from sde_momentum.symbolic import (
    LEARNING_RATE,
    Regime,
    difference,
    hyperparameter,
    modified_equation,
    update_rule,
)


def test_a_branch_on_a_value():
    """A Python `if` cannot be traced by sympy."""
    with pytest.raises(TypeError, match=r"rule `branch` is evaluated on sympy symbols.*no branch"):

        @update_rule(state=("x",))
        def branch(x, g, *, learning_rate):
            return x - learning_rate * g if x > 0 else x


def test_a_numpy_function():
    """Numpy's functions do not know symbols."""
    with pytest.raises(TypeError, match=r"rule `root` is evaluated on sympy symbols.*use sympy's"):

        @update_rule(state=("x",))
        def root(x, g, *, learning_rate):
            return x - learning_rate * np.sqrt(g)


def test_nothing_returned():
    """A forgotten return."""
    with pytest.raises(ValueError, match="rule `silent` returns None for x"):

        @update_rule(state=("x",))
        def silent(x, g, *, learning_rate):
            x = x - learning_rate * g


def test_a_fast_variable_that_enters_nonlinearly():
    """Tanh of a momentum is no linear average."""

    @update_rule(state=("x", "m"), fast=("m",))
    def squashed(x, m, g, *, learning_rate, momentum):
        m = momentum * m + (1 - momentum) * g
        return x - learning_rate * sp.tanh(m), m

    with pytest.raises(ValueError, match="the update of `x` is not linear in the fast variables m"):
        modified_equation(squashed)


@pytest.mark.parametrize("factor", [2, -1, 1 + hyperparameter("friction")])
def test_a_fast_variable_that_never_forgets(factor):
    """|A| ≥ 1 has no stationary state to average over."""

    @update_rule(state=("x", "m"), fast=("m",))
    def growing(x, m, g, *, learning_rate, friction):
        return x - learning_rate * m, factor * m + g

    with pytest.raises(ValueError, match=r"`m` is multiplied by .* never forgets"):
        modified_equation(growing)


def test_averages_that_depend_on_each_other():
    """A circle of fast variables has no order of elimination."""

    @update_rule(state=("x", "m", "n"), fast=("m", "n"))
    def circle(x, m, n, g, *, learning_rate, momentum):
        return x - learning_rate * m, momentum * m + n / 4 + g, momentum * n + m / 4

    with pytest.raises(ValueError, match="m, n depend on each other in a circle"):
        modified_equation(circle)


def test_the_order_of_averages_does_not_matter():
    """Two buffers one behind the other are eliminated in whatever order they are listed."""

    def chained(fast):
        @update_rule(state=("x", "m", "n"), fast=fast)
        def chained(x, m, n, g, *, learning_rate, momentum, second):
            m = momentum * m + (1 - momentum) * g
            return x - learning_rate * (second * n + (1 - second) * m), m, second * n + (1 - second) * m

        return modified_equation(chained, order=2)

    one, other = chained(("m", "n")), chained(("n", "m"))
    assert not one.drift["x"] - other.drift["x"]
    assert not one.initial_shift["x"] - other.initial_shift["x"]
    assert not any(difference(one, 2).values())


def test_adam_at_fixed_first_momentum():
    """With β₁ fixed and 1 − β₂ = c η, m is eliminated and v stays: the drift is −∇L/(1 + √v), in any dimension."""

    @update_rule(state=("x", "m", "v"), fast=("m",))
    def halfway(x, m, v, g, *, learning_rate, momentum, decay):
        m = momentum * m + (1 - momentum) * g
        v = decay * v + (1 - decay) * g**2
        return x - learning_rate * m / (sp.sqrt(v) + 1), m, v

    slow = Regime("slow average", scalings={"decay": 1 - hyperparameter("rate_decay") * LEARNING_RATE})
    limit = modified_equation(halfway, slow)
    assert limit.eliminated == ("m",)
    assert set(limit.drift) == {"x", "v"}
    assert str(limit.drift["x"]) == "-1/(1 + √v) ⊙ ∇L"


def test_what_is_no_rule_or_regime():
    """Names in place of objects."""
    with pytest.raises(TypeError, match="`rule` must be an UpdateRule"):
        modified_equation("sgd")
    with pytest.raises(TypeError, match="`regime` must be a Regime"):
        modified_equation(sgd(), "small-noise")
