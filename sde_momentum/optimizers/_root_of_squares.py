"""What adaptive methods divide by."""

import sympy as sp


def root_of_squares(G: sp.Expr, eps: sp.Expr, eps_inside: bool) -> sp.Expr:
    """Return √(G + ε), or √G + ε: papers and libraries differ in where ε stands."""
    return sp.sqrt(G + eps) if eps_inside else sp.sqrt(G) + eps
