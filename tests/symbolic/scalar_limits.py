"""Limits in one dimension as plain sympy expressions, for comparison with chains and with derivations by hand."""

import sympy as sp

from sde_momentum.symbolic import (
    LOSS_SLOPE,
    NOISE_VARIANCE,
    SQUARED_GRADIENT,
    TensorExpression,
    function_expression,
    scalar_expression,
)

X = sp.Symbol("x", real=True)


def scalar(expression: TensorExpression, loss: sp.Expr, cumulants: dict[int, sp.Expr] | None = None) -> sp.Expr:
    """The value of a tensor expression for a loss and cumulants of the noise (2: Σ) that are expressions in x."""
    cumulants = cumulants or {}
    slope = sp.diff(loss, X)
    fields = {
        LOSS_SLOPE: slope,
        SQUARED_GRADIENT: slope**2,
        NOISE_VARIANCE: cumulants.get(2, sp.S.Zero),
    }

    def value(node):
        for read in (function_expression, scalar_expression):
            if (function := read(node)) is not None:
                return function.subs(fields, simultaneous=True)
        if node.field in ("delta", "one"):
            return sp.S.One
        if node.field == "L":
            return sp.diff(loss, X, len(node.slots[0]))
        order = {"Sigma": 2}.get(node.field) or (int(node.field[5:]) if node.field.startswith("kappa") else None)
        if order is not None:
            return sp.diff(cumulants[order], X, len(node.slots[1]))
        return sp.Symbol(node.field, real=True)

    return sp.Add(*(coefficient * sp.Mul(*map(value, graph)) for graph, coefficient in expression))
