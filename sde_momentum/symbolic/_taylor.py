"""Power series of update expressions in the small parameter, by arithmetic on truncated series.

sympy's `series` is general and slow: minutes for Adam with bias correction. Update expressions are sums, products,
powers and exponentials, and for these the coefficients follow from the inside out.
"""

from typing import NamedTuple

import sympy as sp


class Series(NamedTuple):
    """s^valuation Σ_j coefficients[j] s^j, with as many coefficients as are known; the first is not zero."""

    valuation: sp.Expr
    coefficients: tuple[sp.Expr, ...]


def power_series(expression: sp.Expr, s: sp.Symbol, count: int) -> sp.Expr:
    """Expand in s up to s^count (exclusive), negative powers included.

    Raises:
        ValueError: the expression has no expansion in whole powers of s, or contains another function.
    """
    # Cancelled leading terms and negative powers cost coefficients; ask again for more until enough are left.
    for extra in (2, 4, 8, 16):
        found = _expand(expression, s, count + extra)
        if found.valuation.is_Integer and found.valuation + len(found.coefficients) >= count:
            terms = [c * s ** (found.valuation + j) for j, c in enumerate(found.coefficients)]
            return sp.Add(*terms[: max(0, count - int(found.valuation))])
    raise ValueError(f"{expression} has no expansion in whole powers of the small parameter.")


def _expand(expression: sp.Expr, s: sp.Symbol, n: int) -> Series:
    if not expression.has(s):
        return Series(sp.S.Zero, (expression, *(sp.S.Zero,) * (n - 1)))
    if expression == s:
        return Series(sp.S.One, (sp.S.One, *(sp.S.Zero,) * (n - 1)))
    if expression.is_Add:
        return _add([_expand(term, s, n) for term in expression.args])
    if expression.is_Mul:
        result, *others = [_expand(factor, s, n) for factor in expression.args]
        for other in others:
            result = _multiply(result, other)
        return result
    if isinstance(expression, sp.exp):
        return _exponential(_expand(expression.args[0], s, n))
    if expression.is_Pow:
        base = _expand(expression.base, s, n)
        if not expression.exp.has(s):
            return _power(base, expression.exp)
        return _exponential(_multiply(_expand(expression.exp, s, n), _logarithm(base)))
    raise ValueError(f"{expression.func.__name__} cannot be expanded in the small parameter.")


def _stripped(valuation: sp.Expr, coefficients: list[sp.Expr]) -> Series:
    """Drop leading coefficients that vanish."""
    while len(coefficients) > 1 and coefficients[0] == 0:
        valuation, coefficients = valuation + 1, coefficients[1:]
    return Series(valuation, tuple(coefficients))


def _add(parts: list[Series]) -> Series:
    lowest = min(part.valuation for part in parts)
    gaps = [part.valuation - lowest for part in parts]
    if not all(gap.is_Integer for gap in gaps):
        raise ValueError("powers of the small parameter differ by a fraction: the expansion needs a finer one.")
    known = min(int(gap) + len(part.coefficients) for gap, part in zip(gaps, parts, strict=True))
    total = [sp.S.Zero] * known
    for gap, part in zip(gaps, parts, strict=True):
        for j, coefficient in enumerate(part.coefficients[: known - int(gap)]):
            total[j + int(gap)] += coefficient
    return _stripped(lowest, [sp.expand(c) for c in total])


def _multiply(left: Series, right: Series) -> Series:
    known = min(len(left.coefficients), len(right.coefficients))
    product = [sp.Add(*(left.coefficients[i] * right.coefficients[j - i] for i in range(j + 1))) for j in range(known)]
    return _stripped(left.valuation + right.valuation, [sp.expand(c) for c in product])


def _compose(weights: list[sp.Expr], inner: Series) -> Series:
    """Σ_k weights[k] u^k for a series u that vanishes at s = 0."""
    known = len(inner.coefficients)
    result = power = Series(sp.S.Zero, (sp.S.One, *(sp.S.Zero,) * (known - 1)))
    result = Series(sp.S.Zero, tuple(weights[0] * c for c in result.coefficients))
    for weight in weights[1:known]:
        power = _multiply(power, inner)
        result = _add([result, Series(power.valuation, tuple(weight * c for c in power.coefficients))])
    return result


def _relative(series: Series) -> Series:
    """The u in s^k c₀ (1 + u)."""
    first, *rest = series.coefficients
    return Series(sp.S.Zero, (sp.S.Zero, *(c / first for c in rest)))


def _power(base: Series, exponent: sp.Expr) -> Series:
    weights = [sp.binomial(exponent, k).expand(func=True) for k in range(len(base.coefficients))]
    whole = _compose(weights, _relative(base))
    first = base.coefficients[0] ** exponent
    return Series(base.valuation * exponent + whole.valuation, tuple(first * c for c in whole.coefficients))


def _logarithm(base: Series) -> Series:
    if base.valuation != 0:
        raise ValueError("the logarithm of a power of the small parameter has no power series.")
    weights = [sp.log(base.coefficients[0])]
    weights += [sp.Rational((-1) ** (k + 1), k) for k in range(1, len(base.coefficients))]
    return _compose(weights, _relative(base))


def _exponential(inner: Series) -> Series:
    if inner.valuation < 0:
        raise ValueError("the exponential of a negative power of the small parameter has no power series.")
    padded = [sp.S.Zero] * int(inner.valuation) + list(inner.coefficients)
    limit, rest = padded[0], Series(sp.S.Zero, (sp.S.Zero, *padded[1:]))
    whole = _compose([1 / sp.factorial(k) for k in range(len(padded))], rest)
    return Series(whole.valuation, tuple(sp.exp(limit) * c for c in whole.coefficients))
