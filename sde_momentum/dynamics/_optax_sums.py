"""Sums over components that have a reading: squared norms."""

from typing import Any

import sympy as sp

from sde_momentum.dynamics._optax_primitives import Unreadable, Value
from sde_momentum.symbolic import squared_norm


def total(value: Value, operand: Any, result: Any, shape: tuple[int, ...]) -> Value:
    """The sum of all components of an array, given the expression of one.

    Args:
        value: the expression.
        operand: shape and dtype of what is summed.
        result: shape and dtype of the sum.
        shape: shape of the parameters.
    """
    if isinstance(value, Unreadable):
        return value
    if isinstance(value, bool):
        return Unreadable("reduce_sum", "it counts components")
    if operand.shape != shape or any(n != 1 for n in result.shape):
        return Unreadable("reduce_sum", "its operands have no single component")
    constant, vector = sp.S.One, sp.S.One
    for base, power in sp.factor(value).as_powers_dict().items():
        if all(symbol.is_nonnegative for symbol in base.free_symbols):
            constant *= base**power
        elif power.is_Integer and power % 2 == 0 and power > 0:
            vector *= base ** (power / 2)
        else:
            return Unreadable("reduce_sum", "only squares have a sum with a reading, the squared norm")
    if vector == 1:
        return Unreadable("reduce_sum", "it counts components")
    return constant * squared_norm(vector)
