"""Constants beyond the rationals, as generators of the coefficient field.

Averages over Gaussian noise bring two of them: √(2/π) = E|z| for one standard normal component, and the mean length
E|z| of a standard normal vector in ℝ^d. Neither obeys an algebraic equation, so that computing with a symbol for each
is exact; the symbols are replaced by their values when a coefficient leaves the derivation.
"""

import sympy as sp

MEAN_MODULUS = sp.Symbol("mean_modulus", positive=True)
MEAN_LENGTH = sp.Symbol("mean_length", positive=True)
_DIMENSION = sp.Symbol("dimension", positive=True, integer=True)

_VALUES = {
    MEAN_MODULUS: sp.sqrt(2 / sp.pi),
    MEAN_LENGTH: sp.sqrt(2) * sp.gamma((_DIMENSION + 1) / 2) / sp.gamma(_DIMENSION / 2),
}
GENERATORS = tuple(_VALUES)


def with_generators(expression: sp.Expr) -> sp.Expr:
    """Write powers of √(2/π) by their generator; √2 alone is not rational and stays."""
    return expression.subs(sp.pi, 2 / MEAN_MODULUS**2) if expression.has(sp.pi) else expression


def with_values(expression: sp.Expr) -> sp.Expr:
    """Replace the generators by what they stand for."""
    return expression.xreplace(_VALUES) if expression.free_symbols & set(GENERATORS) else expression
