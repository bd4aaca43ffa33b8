"""Which slow equation a rule follows: its momentum regime, and whether it has one."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sde_momentum.symbolic import UpdateRule


def check_has_slow_equation(rule: "UpdateRule") -> None:
    """Refuse a rule that is not linear, or that moves without gradient.

    Raises:
        ValueError: with the reason.
    """
    from sde_momentum.symbolic import effective_learning_rate

    effective_learning_rate(rule)


def momentum_relaxation(momentum_index: float, relaxation_rate: float | None) -> float:
    """λ that `slow_drift` needs for 1 − β = λη^α: infinite below α = 1, λ at 1, zero between 1 and 2.

    Raises:
        ValueError: if α is negative or at least 2, or λ is missing or superfluous.
    """
    index = float(momentum_index)
    if not 0 <= index < 2:
        raise ValueError(
            f"momentum_index={momentum_index} has no slow equation of this form: it needs 0 ≤ α < 2 in 1 − β = λη^α; "
            "from α = 2 on the momentum forgets no faster than the iterate moves along the manifold"
        )
    if (relaxation_rate is not None) != (index == 1):
        raise ValueError(
            f"momentum_index={momentum_index} with relaxation_rate={relaxation_rate}: give λ = (1 − β)/η at index "
            "1, and only there"
        )
    if relaxation_rate is not None and not relaxation_rate > 0:
        raise ValueError(f"relaxation_rate={relaxation_rate} must be positive: it is λ in 1 − β = λη")
    return math.inf if index < 1 else 0.0 if relaxation_rate is None else relaxation_rate


def check_single_buffer(rule: "UpdateRule") -> None:
    """At momentum index ≥ 1 the normal fluctuations depend on the rule; only x' = x − c m' has been derived.

    Raises:
        ValueError: if x also moves along g or along several buffers.
    """
    from sde_momentum.symbolic import linear_rule

    linear = linear_rule(rule)
    transition, response = linear.transition, linear.response
    # x' − x must be a multiple of m': both its m-part and its g-part in the same proportion.
    moves_with_buffer = transition.rows == 2 and bool(
        (transition[0, 1] * response[1] - transition[1, 1] * response[0]).expand().equals(0)
    )
    if not moves_with_buffer:
        raise ValueError(
            f"rule `{rule.name}`: from index 1 on only rules with x' = x − c·m' and one buffer m are covered"
        )


def effective_number(rule: "UpdateRule", hyperparameters: Mapping[str, float]) -> float:
    """The effective learning rate as a number.

    Raises:
        ValueError: if a hyperparameter that it depends on has no value.
    """
    from sde_momentum.symbolic import effective_learning_rate, hyperparameter

    expression = effective_learning_rate(rule)
    value = expression.subs({hyperparameter(name): number for name, number in hyperparameters.items()})
    if value.free_symbols:
        raise ValueError(
            f"hyperparameters={dict(hyperparameters)} leave {value.free_symbols} of `{rule.name}` without value"
        )
    return float(value)
