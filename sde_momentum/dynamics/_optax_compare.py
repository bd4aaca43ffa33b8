"""Comparisons that a generic component decides: guards of counters, and signs."""

from collections.abc import Mapping

import sympy as sp

from sde_momentum.symbolic import LEARNING_RATE

# Counters saturate here; no run is that long.
_COUNTER_LIMIT = 2**31 - 1

GRADIENT = sp.Symbol("g", real=True)

# State leaf → the same symbol with what is known about it: that it is a counter, that it is never negative.
Facts = Mapping[sp.Symbol, sp.Symbol]


def is_nonnegative(expression: sp.Expr, facts: Facts) -> bool:
    """Whether an expression of hyperparameters, state and gradient is ≥ 0, taking decays to lie in (0, 1).

    Every hyperparameter but the learning rate is written 1/(1 + s) with s > 0, so that 1 − decay is positive too; this
    serves guards of accumulators such as (1 − β)g² + βG. Where no sign is found the answer is no.
    """
    return _nonnegative(_insert(expression, facts))


def _insert(expression: sp.Expr, facts: Facts) -> sp.Expr:
    return sp.sympify(expression.xreplace(dict(facts)))


def _nonnegative(expression: sp.Expr) -> bool:
    if expression.is_nonnegative:
        return True
    parameters = [s for s in expression.free_symbols if _is_hyperparameter(s) and s != LEARNING_RATE]
    positive = {p: 1 / (1 + sp.Symbol(f"positive_{p}", positive=True)) for p in parameters}
    numerator, denominator = sp.fraction(sp.together(expression.xreplace(positive)))
    return bool(denominator.is_positive and sp.expand(numerator).is_nonnegative)


def decide(primitive: str, left: sp.Expr, right: sp.Expr, facts: Facts) -> bool | None:
    """The outcome of a comparison for a generic component; None where it depends on numbers.

    A quantity that contains the gradient and is never negative counts as positive: it vanishes on a null set only.

    Args:
        primitive: `lt`, `le`, `gt`, `ge`, `eq` or `ne`.
        left: first operand.
        right: second operand.
        facts: what is known about state leaves.
    """
    sign, strict = _sign(_insert(left, facts), _insert(right, facts))
    if sign is None:
        return None
    weak = {"ge": sign >= 0, "le": sign <= 0, "gt": sign > 0, "lt": sign < 0}
    if strict:
        return {**weak, "eq": sign == 0, "ne": sign != 0}[primitive]
    # Only ≥ or ≤ is known: it settles itself and its opposite.
    settled = ("ge", "lt") if sign > 0 else ("le", "gt")
    return weak[primitive] if primitive in settled else None


def _sign(left: sp.Expr, right: sp.Expr) -> tuple[int | None, bool]:
    """Sign of left − right, and whether zero is excluded."""
    difference = sp.expand(left - right)
    if difference.is_number:
        return int(sp.sign(difference)), True
    for own, other, sign in ((left, right, -1), (right, left, 1)):
        if other.is_Integer and other >= _COUNTER_LIMIT and own.is_integer:
            return sign, True
    varying = not all(_is_hyperparameter(symbol) for symbol in difference.free_symbols)
    known = _nonnegative if varying else lambda expression: bool(expression.is_nonnegative)
    # A new gradient makes zero a null set; an accumulator may well start there.
    strict = difference.has(GRADIENT) or bool(difference.is_nonzero)
    signs = [sign for sign in (1, -1) if known(sign * difference)]
    return (signs[0] if signs else None), strict


def _is_hyperparameter(symbol: sp.Symbol) -> bool:
    """Hyperparameters are known to be ≥ 0; so may state leaves be, but those are dummies here."""
    return bool(symbol.is_nonnegative) and not isinstance(symbol, sp.Dummy)


def only_at_zero(primitive: str, left: sp.Expr, right: sp.Expr, facts: Facts) -> sp.Symbol | None:
    """The counter k for which a comparison says k = 0, as `k <= 0` and `k < 1` do; None if it says something else."""
    counters = {symbol for symbol, known in facts.items() if known.is_integer and known.is_nonnegative}
    if left in counters and (primitive, right) in (("le", 0), ("eq", 0), ("lt", 1)):
        return left  # pyright: ignore[reportReturnType]
    return None
