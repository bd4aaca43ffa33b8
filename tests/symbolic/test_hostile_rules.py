"""Rules written by hand that cannot be what they claim: one clear sentence that names the part."""

import numpy as np
import pytest
import sympy as sp

from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    Regime,
    difference,
    find_clock,
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

    with pytest.raises(ValueError, match="the update of `x` is not polynomial in the fast variables m"):
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


def test_a_dictionary_returned():
    """The message says what to return."""
    with pytest.raises(TypeError, match=r"rule `named` returns a dict; return the next values .* `return x, m`"):

        @update_rule(state=("x", "m"))
        def named(x, m, g, *, learning_rate):
            return {"x": x - learning_rate * m, "m": g}


def test_a_motion_without_limit_is_refused_before_the_work():
    """σ = η^(−2/3) makes order 1 diverge; order 2 says so within a second and not after a minute."""
    loud = Regime(noise_scale=LEARNING_RATE ** sp.Rational(-2, 3))
    with pytest.raises(ValueError, match=r"regime `custom` does not fit rule `sgdm`: .* x grows like"):
        modified_equation(sgdm(), loud, order=2)


def test_a_symbol_means_what_its_name_says():
    """Text, and symbols made without assumptions, are the learning rate and the constants of these names."""
    quarter = sp.Rational(-1, 4)
    meant = Regime("loud", LEARNING_RATE**quarter, scalings={"momentum": 1 - hyperparameter("c") * LEARNING_RATE})
    eta, c = sp.symbols("learning_rate c")
    assert Regime("loud", "learning_rate**(-1/4)", scalings={"momentum": "1 - c*learning_rate"}) == meant
    assert Regime("loud", eta**quarter, scalings={"momentum": 1 - c * eta}) == meant


def test_an_average_of_iterates_pulls_back():
    """With a' = ρ a + (1−ρ) x', a lags by ηρ/(1−ρ) ∇L: the pull ηk(a − x) changes the rate by −ηkρ/(1−ρ), by hand."""

    @update_rule(state=("x", "a"), fast=("a",))
    def elastic(x, a, g, *, learning_rate, rho, k):
        moved = x - learning_rate * g + learning_rate * k * (a - x)
        return moved, rho * a + (1 - rho) * moved

    @update_rule(state=("x", "d"), fast=("d",))
    def lagging(x, d, g, *, learning_rate, rho, k):
        step = learning_rate * (k * d - g)
        return x + step, rho * (d - step)

    limit = modified_equation(elastic, order=2)
    assert str(limit.drift["x"]) == "-∇((1 - rho - k·rho·η)/(1 - rho)·L + 1/4·η·|∇L|²)"
    assert not limit.drift["x"] - modified_equation(lagging, order=2).drift["x"]
    # An empty average pulls to zero until it is filled: Σ_j ηk ρ^j.
    assert "X(0) = x₀ - η·k/(1 - rho)·x₀ " in str(limit)


def test_the_gradient_at_an_average_of_iterates():
    """Taken where the average lags, the gradient is that of momentum: ¼ η (1+ρ)/(1−ρ) |∇L|²."""

    @update_rule(state=("x", "d"), fast=("d",))
    def averaged(x, d, g, *, learning_rate, momentum):
        step = -learning_rate * g(x + d)
        return x + step, momentum * (d - step)

    assert not modified_equation(averaged, order=2).drift["x"] - modified_equation(sgdm(), order=2).drift["x"]


def test_a_square_of_a_fast_variable():
    """E m² = |∇L|² + (1−ρ)/(1+ρ) diag Σ, by hand; the long-run variance of m² follows from its autocovariances."""

    @update_rule(state=("x", "m", "v"), fast=("m",))
    def second(x, m, v, g, *, learning_rate, rho):
        m = rho * m + (1 - rho) * g
        return x - learning_rate * g * v, m, v + learning_rate * (m**2 - v)

    limit = modified_equation(second)
    assert str(limit.drift["v"]) == "-v + (1 - rho)/(1 + rho)·diag Σ + ∇L ⊙ ∇L"
    rho = hyperparameter("rho")
    gaussian = 2 * (1 - rho) * (1 + rho**2) / (1 + rho) ** 3
    squares = [c for graph, c in limit.covariance["v", "v"] if [node.field for node in graph] == ["Sigma", "Sigma"]]
    assert [sp.simplify(c / LEARNING_RATE - gaussian) for c in squares] == [0]


def test_an_average_is_no_modified_loss():
    """In a' = a + η(x − a) the distance X − A stays together; |x|² is not folded into the loss."""

    @update_rule(state=("x", "a"))
    def averaged(x, a, g, *, learning_rate):
        return x - learning_rate * g, a + learning_rate * (x - a)

    text = str(modified_equation(averaged, order=2))
    assert "dA = (1/2·η·∇L + (1 + 1/2·η)·(X - A)) dt" in text


def test_a_regime_that_scales_what_it_cannot():
    """Logarithms, an average that grows, a list, a name that the rule lacks."""
    with pytest.raises(ValueError, match=r"`momentum` = .* has no expansion in powers of learning_rate"):
        Regime(scalings={"momentum": 1 + 1 / sp.log(LEARNING_RATE)})
    with pytest.raises(ValueError, match=r"`momentum` = .* exceeds 1, so the average never forgets"):
        Regime(scalings={"momentum": 1 + LEARNING_RATE})
    with pytest.raises(TypeError, match="`scalings` must be a dictionary"):
        Regime(scalings=[("momentum", 0.9)])
    with pytest.raises(ValueError, match="`sgdm` has no hyperparameter `friction`"):
        find_clock(sgdm(), {"friction": 1 - LEARNING_RATE})


def test_decimals_are_exact():
    """0.9 is 9/10."""
    limit = modified_equation(sgdm(), Regime(scalings={"momentum": 0.9}), order=2)
    assert str(limit.drift["x"]) == "-∇(L + 19/4·η·|∇L|²)"


def test_a_counter_of_steps():
    """A counter has no limit until the regime says how many steps there are."""

    @update_rule(state=("x", "k"))
    def decaying(x, k, g, *, learning_rate, rate):
        return x - learning_rate * g / (1 + rate * k), k + 1

    with pytest.raises(ValueError, match=r"`k` counts steps: regime `small-noise` must say how many"):
        modified_equation(decaying)
    counted = Regime(scalings={"rate": "c*learning_rate"}, state_scales={"k": 1 / LEARNING_RATE})
    assert str(modified_equation(decaying, counted).drift["x"]) == "-1/(1 + c·k) ⊙ ∇L"


def test_noise_between_small_and_dominant():
    """At σ = η^(−1/4) with κ₃ = O(η^(3/4)), order 2 exists, with ¼ η^(3/2) D³L[Σ] from 𝓛₂ of SGD, by hand."""
    quarter = sp.Rational(1, 4)
    regime = Regime(noise_scale=LEARNING_RATE**-quarter, cumulant_scales={3: LEARNING_RATE ** (3 * quarter)})
    text = str(modified_equation(sgd(), regime, order=2))
    assert "dX = (-∇(L + 1/4·η·|∇L|²) + 1/4·η^(3/2)·D³L[Σ]) dt" in text
    assert "(η^(1/4)·Σ^{1/2} + 1/2·η^(5/4)·(HΣ^{1/2} + D(Σ^{1/2})[∇L])) dW" in text
