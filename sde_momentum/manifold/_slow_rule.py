"""Which slow equation a rule follows: its effective learning rate and its momentum regime."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sympy as sp

    from sde_momentum.symbolic import UpdateRule


def effective_learning_rate(rule: "UpdateRule") -> "sp.Expr":
    r"""How far x moves, in the end, for one unit of gradient: the η of the slow clock τ = kη².

    For an update that is affine in state and gradient, z' = A z + b g, the moves add up to −η_e = ℓ·b with ℓ A = ℓ and
    ℓ_x = 1. It is η for EMA momentum, γ/(1−μ) for heavy ball, whatever the look-ahead.

    Args:
        rule: an `UpdateRule` that is affine in its state and in g.

    Returns:
        A sympy expression in the rule's hyperparameters.

    Raises:
        ValueError: if the update is not affine (an adaptive or normalized method has another slow equation),
            or x is not conserved without gradient.

    Example:
        >>> from sde_momentum.manifold import effective_learning_rate
        >>> from sde_momentum.symbolic import update_rule
        >>> @update_rule(state=("x", "v"))
        ... def heavy_ball(x, v, g, *, learning_rate, momentum):
        ...     v = momentum * v + g
        ...     return x - learning_rate * v, v
        >>> print(effective_learning_rate(heavy_ball))
        -learning_rate/(momentum - 1)
    """
    import sympy as sp

    transition, response = _linear_update(rule)
    size = transition.rows
    unknowns = [sp.S.One, *sp.symbols(f"left1:{size}")]
    left = sp.Matrix([unknowns])
    solutions = sp.solve(list(left * transition - left), unknowns[1:], dict=True) if size > 1 else [{}]
    if len(solutions) != 1 or any(sp.simplify(v) != 0 for v in (left * transition - left).subs(solutions[0])):
        raise ValueError(
            f"rule `{rule.name}`: without gradient x does not stay where it is, so it has no slow equation"
        )
    return sp.cancel(-(left * response)[0].subs(solutions[0]))


def _linear_update(rule):
    """A and b of z' = A z + b g."""
    import sympy as sp

    from sde_momentum.symbolic._symbols import GRADIENT, variable

    state = [variable(name) for name in rule.state]
    update = sp.Matrix([rule.update[name] for name in rule.state])
    transition, response = update.jacobian(state), update.diff(GRADIENT)
    moving = {*state, GRADIENT}
    if (transition.free_symbols | response.free_symbols) & moving:
        raise ValueError(
            f"rule `{rule.name}` is not linear in its state and the gradient; the slow equation here covers SGD and "
            "its momentum methods, other methods have slow equations of their own"
        )
    return transition, response


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
    transition, response = _linear_update(rule)
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
    from sde_momentum.symbolic._symbols import hyperparameter

    expression = effective_learning_rate(rule)
    value = expression.subs({hyperparameter(name): number for name, number in hyperparameters.items()})
    if value.free_symbols:
        raise ValueError(
            f"hyperparameters={dict(hyperparameters)} leave {value.free_symbols} of `{rule.name}` without value"
        )
    return float(value)
