"""Power series of update expressions in the small parameter, by valuation and differentiation.

sympy's `series` is general and slow: minutes for Adam with bias correction. Update expressions are products, sums and
powers, so the leading power of s can be read off from the inside out; what is left is smooth, and Taylor's formula will do.
"""

import sympy as sp


class Cancellation(Exception):
    """The leading terms of a sum cancel, so that its valuation cannot be read off."""


def power_series(expression: sp.Expr, s: sp.Symbol, count: int) -> sp.Expr:
    """Expand in s up to s^count (exclusive), negative powers included."""
    try:
        exponent, smooth = valuation(_exponentials(expression, s, count), s)
    except Cancellation:
        return sp.series(expression, s, 0, count).removeO()
    if not exponent.is_Integer:
        raise ValueError(f"{expression} has no expansion in powers of {s}.")
    terms, derivative = [], smooth
    for order in range(count - int(exponent)):
        value = derivative.subs(s, 0)
        terms.append(value * s ** (order + exponent) / sp.factorial(order))
        derivative = sp.diff(derivative, s)
        if derivative == 0:
            break
    return sp.Add(*terms)


def valuation(expression: sp.Expr, s: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
    """Write an expression as s^k r with r smooth and not zero at s = 0; return (k, r).

    Raises:
        Cancellation: the leading terms of a sum cancel.
    """
    if not expression.has(s):
        return sp.S.Zero, expression
    if expression == s:
        return sp.S.One, sp.S.One
    if expression.is_Mul:
        parts = [valuation(factor, s) for factor in expression.args]
        return sp.Add(*(k for k, _ in parts)), sp.Mul(*(r for _, r in parts))
    if expression.is_Pow and not expression.exp.has(s):
        exponent, smooth = valuation(expression.base, s)
        return exponent * expression.exp, smooth**expression.exp
    if expression.is_Add:
        return _of_sum(expression, s)
    exponent, smooth = valuation(expression.args[0], s)
    if len(expression.args) != 1 or exponent < 0:
        raise Cancellation
    return sp.S.Zero, expression.func(s**exponent * smooth)


def _of_sum(expression: sp.Expr, s: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
    for candidate in (expression, sp.expand(expression)):
        parts = [valuation(term, s) for term in sp.Add.make_args(candidate)]
        lowest = min(k for k, _ in parts)
        total = sp.Add(*(s ** (k - lowest) * r for k, r in parts))
        if total.subs(s, 0) != 0:
            return lowest, total
    raise Cancellation


def _exponentials(expression: sp.Expr, s: sp.Symbol, count: int) -> sp.Expr:
    """Write β(s)^{k(s)}, with an exponent that grows as s vanishes, as e^{limit} times a power series."""

    def rewrite(power: sp.Expr) -> sp.Expr:
        base, exponent = power.as_base_exp()
        growth = max(-valuation(term, s)[0] for term in sp.Add.make_args(sp.expand(exponent)))
        logarithm = sp.series(sp.log(base), s, 0, count + int(growth) + 1).removeO()
        whole = sp.expand(exponent * logarithm)
        limit = whole.coeff(s, 0)
        rest, series, term = whole - limit, sp.S.One, sp.S.One
        for order in range(1, count + 1):
            term = sp.expand(term * rest / order)
            series += term
        kept = sp.Add(*(t for t in sp.Add.make_args(sp.expand(series)) if valuation(t, s)[0] < count + 1))
        return sp.exp(limit) * kept

    return expression.replace(lambda e: isinstance(e, sp.Pow) and e.exp.has(s), rewrite)
