"""Floating-point constants as the rational numbers that were meant."""

from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

_SHORT = 12  # digits a person writes; a double that took part in arithmetic needs 16 or 17
_LARGEST_DENOMINATOR = 10**6


def exact_number(value: Any) -> sp.Expr:
    """Return the rational number that a constant of a program stands for.

    A short decimal is itself (0.9 → 9/10). A long one is the nearest simple fraction when that rounds to the same float
    (0.333… → 1/3) or differs by one rounding of numbers near 1: Python makes 0.09999999999999998 of `1 - 0.9`. Any
    other constant is its shortest decimal.

    Args:
        value: an integer, a Boolean or a float, as a Python or NumPy scalar.

    Raises:
        ValueError: the constant is not finite.
    """
    scalar = np.asarray(value)
    if scalar.dtype.kind in "iub":
        return sp.Integer(int(scalar))
    if not np.isfinite(scalar):
        raise ValueError(f"the constant {scalar} is not a finite number and has no rational form.")
    text = np.format_float_scientific(scalar[()], unique=True, trim="-")
    decimal = Fraction(text)
    digits = text.split("e")[0].replace(".", "").lstrip("-")
    if len(digits) > (_SHORT if scalar.dtype.itemsize >= 8 else 6):
        simple = Fraction(float(scalar)).limit_denominator(_LARGEST_DENOMINATOR)
        rounding = np.finfo(scalar.dtype).epsneg * max(1.0, abs(float(scalar)))
        if simple != 0 and abs(simple - Fraction(float(scalar))) <= Fraction(rounding):
            decimal = simple
    return sp.Rational(decimal.numerator, decimal.denominator)
