"""Power series of update expressions in the small parameter, by arithmetic on truncated series.

sympy's `series` is general and slow: minutes for Adam with bias correction. Update expressions are sums, products,
powers and functions of one argument, and for these the coefficients follow from the inside out. A coefficient is a sum
of products of powers of *atoms* (symbols, and what cannot be taken apart, such as √G + ε under a negative power).
"""

from fractions import Fraction
from typing import NamedTuple

import sympy as sp

Product = tuple[tuple[int, Fraction], ...]  # (number of the atom, exponent), sorted
Sum = dict[Product, Fraction]
_ONE: Sum = {(): Fraction(1)}


class UnevenPowers(ValueError):
    """Terms of a sum differ by a fraction of a power of the small parameter."""


class Series(NamedTuple):
    """s^valuation Σ_j coefficients[j] s^j, with as many coefficients as are known."""

    valuation: Fraction
    coefficients: list[Sum]


class PowerSeries:
    """Expands expressions in one small symbol.

    Args:
        small: the symbol s.
    """

    def __init__(self, small: sp.Symbol):
        self.small = small
        self.atoms: list[sp.Expr] = []
        self._numbers: dict[sp.Expr, int] = {}

    def terms(self, expression: sp.Expr, count: int) -> list[tuple[int, Sum]]:
        """The coefficients of s^j for j < count, negative powers included, as (j, coefficient).

        Raises:
            ValueError: the expression has no expansion in whole powers of s.
        """
        # Cancelled leading terms and negative powers cost coefficients; ask again for more until enough are left.
        for extra in (2, 4, 8, 16):
            valuation, coefficients = self._expand(expression, count + extra)
            if valuation.denominator == 1 and valuation + len(coefficients) >= count:
                start = int(valuation)
                return [(start + j, c) for j, c in enumerate(coefficients[: max(0, count - start)]) if c]
        raise UnevenPowers(f"{expression} has no expansion in whole powers of the small parameter.")

    # --- coefficients ------------------------------------------------------------------------------------------------

    def constant(self, expression: sp.Expr) -> Sum:
        """An expression without s as a sum of products of atoms."""
        if expression.is_Rational:
            return {(): Fraction(int(expression.p), int(expression.q))} if expression != 0 else {}
        if expression.is_Add:
            return _total([self.constant(term) for term in expression.args])
        if expression.is_Mul:
            result = _ONE
            for factor in expression.args:
                result = _product(result, self.constant(factor))
            return result
        if expression.is_Pow and expression.exp.is_Rational:
            return self._power_of_constant(self.constant(expression.base), expression.exp)
        return self._atom(expression)

    def to_sympy(self, product: Product) -> sp.Expr:
        """A product of atoms as an expression."""
        return sp.Mul(*(self.atoms[number] ** sp.Rational(e.numerator, e.denominator) for number, e in product))

    def _atom(self, expression: sp.Expr, exponent: Fraction = Fraction(1)) -> Sum:
        if expression not in self._numbers:
            self._numbers[expression] = len(self.atoms)
            self.atoms.append(expression)
        return {((self._numbers[expression], exponent),): Fraction(1)}

    def _whole(self, value: Sum) -> sp.Expr:
        return sp.Add(*(sp.Rational(c.numerator, c.denominator) * self.to_sympy(p) for p, c in value.items()))

    def _power_of_constant(self, base: Sum, exponent: sp.Expr) -> Sum:
        if not exponent.is_Rational:
            return self._atom(self._whole(base) ** exponent)
        power = Fraction(int(exponent.p), int(exponent.q))
        if power.denominator == 1 and power >= 0:
            result = _ONE
            for _ in range(int(power)):
                result = _product(result, base)
            return result
        if len(base) == 1:
            ((product, number),) = base.items()
            # √(a²) is |a|: exponents are multiplied where that is an identity only.
            plain = power.denominator == 1 or all(e == 1 or self.atoms[n].is_positive for n, e in product)
            root = sp.Rational(number.numerator, number.denominator) ** exponent
            if plain and root.is_Rational and root.is_positive in (True, power.denominator == 1):
                scaled = tuple((n, e * power) for n, e in product)
                return {scaled: Fraction(int(root.p), int(root.q))}
        return self._atom(self._whole(base), power)

    # --- series ------------------------------------------------------------------------------------------------------

    def _expand(self, expression: sp.Expr, n: int) -> Series:
        if not expression.has(self.small):
            return Series(Fraction(0), [self.constant(expression), *({} for _ in range(n - 1))])
        if expression == self.small:
            return Series(Fraction(1), [_ONE, *({} for _ in range(n - 1))])
        if expression.is_Add:
            return _add([self._expand(term, n) for term in expression.args])
        if expression.is_Mul:
            result, *others = [self._expand(factor, n) for factor in expression.args]
            for other in others:
                result = _multiply(result, other)
            return result
        if isinstance(expression, sp.exp):
            return self._function(sp.exp, self._expand(expression.args[0], n))
        if expression.is_Pow:
            base = self._expand(expression.base, n)
            if not expression.exp.has(self.small):
                return self._power(base, expression.exp)
            return self._function(sp.exp, _multiply(self._expand(expression.exp, n), self._function(sp.log, base)))
        if expression.is_Function and len(expression.args) == 1:
            return self._function(expression.func, self._expand(expression.args[0], n))
        raise ValueError(f"{expression.func.__name__} cannot be expanded in the small parameter.")

    def _function(self, function, inner: Series) -> Series:
        """F(c + u) = Σ_k F⁽ᵏ⁾(c) uᵏ/k! around the limit c of a series."""
        if inner.valuation < 0 or inner.valuation.denominator != 1:
            raise ValueError(f"{function.__name__} of a negative power of the small parameter has no power series.")
        padded = [*({} for _ in range(int(inner.valuation))), *inner.coefficients]
        at = sp.Dummy("at", positive=True)
        limit, derivative, weights = self._whole(padded[0]), function(at), []
        for k in range(len(padded)):
            weights.append(self.constant((derivative / sp.factorial(k)).subs(at, limit)))
            derivative = sp.diff(derivative, at)
        return _compose(weights, Series(Fraction(0), [{}, *padded[1:]]))

    def _power(self, base: Series, exponent: sp.Expr) -> Series:
        if not base.coefficients[0]:
            return base  # zero as far as it is known
        if exponent.is_Integer and exponent > 0:
            result = base
            for _ in range(int(exponent) - 1):
                result = _multiply(result, base)
            return result
        weights = [self.constant(sp.expand_func(sp.binomial(exponent, k))) for k in range(len(base.coefficients))]
        first, *rest = base.coefficients
        inverse = self._power_of_constant(first, sp.S.NegativeOne)
        whole = _compose(weights, Series(Fraction(0), [{}, *(_product(c, inverse) for c in rest)]))
        lead = self._power_of_constant(first, exponent)
        if not exponent.is_Rational and base.valuation != 0:
            raise ValueError("a symbolic power of the small parameter has no power series.")
        valuation = base.valuation * Fraction(int(exponent.p), int(exponent.q)) if base.valuation else Fraction(0)
        return Series(valuation, [_product(lead, c) for c in whole.coefficients])


def _total(parts: list[Sum]) -> Sum:
    total: Sum = {}
    for part in parts:
        for product, value in part.items():
            total[product] = total.get(product, 0) + value
    return {product: value for product, value in total.items() if value}


def _product(left: Sum, right: Sum) -> Sum:
    total: Sum = {}
    for a, x in left.items():
        for b, y in right.items():
            key = _joined(a, b)
            total[key] = total.get(key, 0) + x * y
    return {product: value for product, value in total.items() if value}


def _joined(left: Product, right: Product) -> Product:
    if not left or not right:
        return left or right
    powers = dict(left)
    for number, exponent in right:
        powers[number] = powers.get(number, Fraction(0)) + exponent
    return tuple(sorted((number, e) for number, e in powers.items() if e))


def _stripped(valuation: Fraction, coefficients: list[Sum]) -> Series:
    """Drop leading coefficients that vanish."""
    while len(coefficients) > 1 and not coefficients[0]:
        valuation, coefficients = valuation + 1, coefficients[1:]
    return Series(valuation, coefficients)


def _add(parts: list[Series]) -> Series:
    lowest = min(part.valuation for part in parts)
    gaps = [part.valuation - lowest for part in parts]
    if any(gap.denominator != 1 for gap in gaps):
        raise UnevenPowers("powers of the small parameter differ by a fraction: the expansion needs a finer one.")
    known = min(int(gap) + len(part.coefficients) for gap, part in zip(gaps, parts, strict=True))
    columns: list[list[Sum]] = [[] for _ in range(known)]
    for gap, part in zip(gaps, parts, strict=True):
        for j, coefficient in enumerate(part.coefficients[: max(0, known - int(gap))]):
            columns[j + int(gap)].append(coefficient)
    return _stripped(lowest, [_total(column) for column in columns])


def _multiply(left: Series, right: Series) -> Series:
    known = min(len(left.coefficients), len(right.coefficients))
    a, b = left.coefficients, right.coefficients
    product = [_total([_product(a[i], b[j - i]) for i in range(j + 1) if a[i] and b[j - i]]) for j in range(known)]
    return _stripped(left.valuation + right.valuation, product)


def _compose(weights: list[Sum], inner: Series) -> Series:
    """Σ_k weights[k] u^k for a series u that vanishes at s = 0."""
    known = len(inner.coefficients)
    columns: list[list[Sum]] = [[] for _ in range(known)]
    power: list[Sum] = [_ONE, *({} for _ in range(known - 1))]
    for k, weight in enumerate(weights[:known]):
        if k:
            u = inner.coefficients
            power = [_total([_product(power[i], u[j - i]) for i in range(j) if power[i]]) for j in range(known)]
        for j, c in enumerate(power):
            columns[j].append(_product(weight, c))
    return _stripped(Fraction(0), [_total(column) for column in columns])
