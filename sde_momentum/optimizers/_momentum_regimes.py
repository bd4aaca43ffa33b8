"""The line of momentum, 1 − β = λ η^α: every index has its regime, found and not stored."""

from dataclasses import replace
from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic import LEARNING_RATE, RELAXATION_RATE, Regime, UpdateRule, find_clock, require_rule

_INDICES = (0, Fraction(1, 2), 1, Fraction(3, 2))


def momentum_regime(rule: UpdateRule, index: int | Fraction | str, noise_scale: sp.Expr | None = None) -> Regime:
    r"""Find the regime of a rule with momentum at $1 - \beta = \lambda\eta^\alpha$.

    Args:
        rule: a rule with a hyperparameter `momentum`.
        index: α ≥ 0, any rational; 0 keeps β fixed.
        noise_scale: σ; $\eta^{-1/2}$ when left out, at which noise and drift of plain SGD are of one size.

    Returns:
        What `find_clock` finds, with the index in its name.

    Raises:
        ValueError: the rule has no momentum, the index is negative, or no clock gives a limit.

    Example:
        >>> from sde_momentum.optimizers import sgdm
        >>> regime = momentum_regime(sgdm(), 2)
        >>> regime.name, regime.clock
        ('frictionless, momentum index 2', learning_rate**(3/2))
    """
    require_rule(rule)
    if "momentum" not in rule.hyperparameters:
        raise ValueError(f"`{rule.name}` has no momentum, so a momentum index has no meaning for it.")
    try:
        alpha = sp.Rational(str(index))
    except (TypeError, ValueError):
        raise ValueError(f"`index` must be a rational number such as 1/2, got {index!r}.") from None
    if alpha < 0:
        raise ValueError(f"`index` must be ≥ 0 (1 − β = λ η^α must not grow), got {index}.")
    scalings = {"momentum": 1 - RELAXATION_RATE * LEARNING_RATE**alpha} if alpha > 0 else {}
    noise = LEARNING_RATE ** -sp.Rational(1, 2) if noise_scale is None else noise_scale
    found = find_clock(rule, scalings, noise_scale=noise)
    return replace(found, name=f"{found.name}, momentum index {alpha}" if alpha > 0 else found.name)


def momentum_regimes(rule: UpdateRule) -> tuple[Regime, ...]:
    """Return noise of unit size first, then the line of momentum with dominating noise at α = 0, 1/2, 1 and 3/2."""
    stored = (Regime.noise_dominated(index) for index in _INDICES if index <= 1)
    return (Regime.small_noise(), *stored, *(momentum_regime(rule, index) for index in _INDICES if index > 1))
