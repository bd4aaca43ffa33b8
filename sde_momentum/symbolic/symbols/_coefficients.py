"""Exact rational functions of the hyperparameters, fast enough for thousands of products.

Denominators in a derivation are products of a few irreducible polynomials (1 − β, 1 + β, …). A coefficient therefore
keeps an integer polynomial over an integer times powers of *registered* factors: sums and products never need a
multivariate gcd, and a coefficient is zero iff its numerator is. sympy's fraction field spent nine tenths of a
derivation on those gcds.
"""

from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import Any

import sympy as sp

Polynomial = dict[tuple[int, ...], int]


def _multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    if len(left) > len(right):
        left, right = right, left
    product: Polynomial = {}
    for a, x in left.items():
        for b, y in right.items():
            key = tuple(map(int.__add__, a, b))
            product[key] = product.get(key, 0) + x * y
    return {monomial: value for monomial, value in product.items() if value}


class CoefficientField:
    """The field of rational functions with rational coefficients in the given symbols."""

    def __init__(self, symbols: tuple[sp.Symbol, ...]):
        self.symbols = symbols
        self._factors: list[Polynomial] = []
        self._expressions: list[sp.Expr] = []
        self._unit = (0,) * len(symbols)
        self._powers: dict[tuple[int, int], Polynomial] = {}
        self.rates: dict[int, int] = {}  # symbol → its time derivative, by place
        # sympy's own order of the symbols, on which the signs of factors depend
        self._ordered: tuple = sp.Poly(sp.Add(*symbols), *()).gens if symbols else ()
        self._places = [symbols.index(symbol) for symbol in self._ordered]
        self.zero = Coefficient(self, {}, 1, ())
        self.one = Coefficient(self, {self._unit: 1}, 1, ())
        self.from_sympy = lru_cache(maxsize=4096)(self._from_sympy)

    def from_fraction(self, value: int | Fraction) -> "Coefficient":
        """Convert an exact number."""
        value = Fraction(value)
        return Coefficient(self, {self._unit: value.numerator}, value.denominator, ()) if value else self.zero

    def _from_sympy(self, expression: sp.Expr) -> "Coefficient":
        numerator, denominator = sp.fraction(sp.cancel(sp.together(expression)))
        top, scale_top = self._polynomial(numerator)
        if not top:
            return self.zero
        split: Any = sp.factor_list(denominator, *self.symbols) if self.symbols else (denominator, [])
        constant, factors = split
        scale = Fraction(int(sp.numer(constant)), int(sp.denom(constant)))
        exponents: list[int] = []
        for factor, power in factors:
            index = self._register(factor)
            exponents += [0] * (index + 1 - len(exponents))
            exponents[index] += int(power)
        value = Fraction(1, scale_top) / scale
        return Coefficient(
            self, {m: c * value.numerator for m, c in top.items()}, value.denominator, tuple(exponents)
        ).normalized()

    def _polynomial(self, expression: sp.Expr) -> tuple[Polynomial, int]:
        """Integer polynomial and the integer it is divided by."""
        if not self.symbols:
            value = sp.Rational(expression)
            return ({(): int(value.p)} if value else {}), int(value.q)
        poly = sp.Poly(expression, *self.symbols, domain=sp.QQ)
        scale, cleared = poly.clear_denoms(convert=True)
        return {m: int(c) for m, c in cleared.terms() if c}, int(scale)

    def _register(self, factor: sp.Expr) -> int:
        polynomial, scale = self._polynomial(factor)
        if scale != 1:
            raise AssertionError("irreducible factors are primitive")
        if polynomial not in self._factors:
            self._factors.append(polynomial)
            self._expressions.append(sp.factor(factor))
        return self._factors.index(polynomial)

    def power(self, index: int, exponent: int) -> Polynomial:
        """A registered factor to a positive power."""
        key = (index, exponent)
        if key not in self._powers:
            base = self._factors[index]
            self._powers[key] = base if exponent == 1 else _multiply(self.power(index, exponent - 1), base)
        return self._powers[key]

    def factor(self, index: int) -> Polynomial:
        """A registered factor."""
        return self._factors[index]

    def rate(self, polynomial: Polynomial) -> Polynomial:
        """The time derivative of a polynomial."""
        total: Polynomial = {}
        for monomial, value in polynomial.items():
            for place, rate in self.rates.items():
                if monomial[place]:
                    powers = list(monomial)
                    powers[place] -= 1
                    powers[rate] += 1
                    key = tuple(powers)
                    total[key] = total.get(key, 0) + value * monomial[place]
        return {monomial: value for monomial, value in total.items() if value}

    def to_sympy(self, value: "Coefficient") -> sp.Expr:
        """Convert to a factored sympy expression, as sympy's `factor` gives it."""
        if not value.numerator:
            return sp.S.Zero
        if not self.symbols:
            return sp.Rational(value.numerator[()], value.denominator)
        number, factors = self._factored(value.numerator)
        product = sp.Mul(*(factor**power for factor, power in factors))
        for index, power in enumerate(value.exponents):
            product /= self._expressions[index] ** power
        number /= value.denominator
        if product.is_Add and number not in (1, -1):
            return sp.Mul(number, product, evaluate=False)  # or else the number were multiplied in
        return number * product

    def _factored(self, polynomial: Polynomial) -> tuple[sp.Rational, list[tuple[sp.Expr, int]]]:
        # Directly as a polynomial: as an expression it would be brought over one denominator first, which takes longer.
        ordered = sp.Poly({tuple(m[place] for place in self._places): c for m, c in polynomial.items()}, *self._ordered)
        number, factors = ordered.factor_list()
        return number, [(factor.as_expr(), power) for factor, power in factors]


class Coefficient:
    """numerator / (denominator · Π factor^exponent), immutable."""

    __slots__ = ("denominator", "exponents", "field", "numerator")

    def __init__(self, field: CoefficientField, numerator: Polynomial, denominator: int, exponents: tuple[int, ...]):
        self.field, self.numerator, self.denominator, self.exponents = field, numerator, denominator, exponents

    def normalized(self) -> "Coefficient":
        """Divide out the common integer content and make the denominator positive."""
        if not self.numerator:
            return self.field.zero
        common = gcd(self.denominator, *self.numerator.values())
        common = -common if self.denominator < 0 else common
        if common == 1:
            return self
        numerator = {m: c // common for m, c in self.numerator.items()}
        return Coefficient(self.field, numerator, self.denominator // common, self.exponents)

    def __bool__(self) -> bool:
        return bool(self.numerator)

    def time_derivative(self) -> "Coefficient":
        """The derivative by time, through the symbols that are schedules."""
        field = self.field
        if not field.rates:
            return field.zero
        total = Coefficient(field, field.rate(self.numerator), self.denominator, self.exponents).normalized()
        for index, exponent in enumerate(self.exponents):
            slope = field.rate(field.factor(index)) if exponent else {}
            if slope:
                raised = tuple(e + (place == index) for place, e in enumerate(self.exponents))
                product = {m: -exponent * c for m, c in _multiply(self.numerator, slope).items()}
                total = total + Coefficient(field, product, self.denominator, raised).normalized()
        return total

    def _lifted(self, exponents: tuple[int, ...]) -> Polynomial:
        """The numerator over the larger exponents."""
        numerator = self.numerator
        for index, wanted in enumerate(exponents):
            missing = wanted - (self.exponents[index] if index < len(self.exponents) else 0)
            if missing:
                numerator = _multiply(numerator, self.field.power(index, missing))
        return numerator

    def __add__(self, other) -> "Coefficient":
        other = self._convert(other)
        if not other.numerator:
            return self
        if not self.numerator:
            return other
        if self.exponents == other.exponents:
            exponents, left, right = self.exponents, self.numerator, other.numerator
        else:
            exponents = _merge(self.exponents, other.exponents, max)
            left, right = self._lifted(exponents), other._lifted(exponents)
        common = gcd(self.denominator, other.denominator)
        a, b = other.denominator // common, self.denominator // common
        total = {m: c * a for m, c in left.items()}
        for monomial, value in right.items():
            total[monomial] = total.get(monomial, 0) + value * b
        total = {m: c for m, c in total.items() if c}
        return Coefficient(self.field, total, self.denominator * a, exponents).normalized()

    __radd__ = __add__

    def __neg__(self) -> "Coefficient":
        return Coefficient(self.field, {m: -c for m, c in self.numerator.items()}, self.denominator, self.exponents)

    def __sub__(self, other) -> "Coefficient":
        return self + -self._convert(other)

    def __mul__(self, other) -> "Coefficient":
        other = self._convert(other)
        numerator = _multiply(self.numerator, other.numerator)
        exponents = _merge(self.exponents, other.exponents, int.__add__)
        return Coefficient(self.field, numerator, self.denominator * other.denominator, exponents).normalized()

    __rmul__ = __mul__

    def __truediv__(self, other) -> "Coefficient":
        if isinstance(other, int | Fraction):
            return self * (1 / Fraction(other))
        return self * self.field.from_sympy(1 / self.field.to_sympy(other))

    def __eq__(self, other: object) -> bool:
        return not (self - other)

    def __hash__(self) -> int:
        raise TypeError("coefficients compare as functions, not as representations; they cannot be hashed")

    def __repr__(self) -> str:
        return str(self.field.to_sympy(self))

    def _convert(self, value) -> "Coefficient":
        return value if isinstance(value, Coefficient) else self.field.from_fraction(value)


def _merge(left: tuple[int, ...], right: tuple[int, ...], combine) -> tuple[int, ...]:
    if len(left) < len(right):
        left, right = right, left
    return tuple(combine(a, b) for a, b in zip(left, (*right, *(0,) * (len(left) - len(right))), strict=True))
