"""Expansion of update expressions into monomials of state variables, gradient and learning rate."""

from fractions import Fraction
from math import lcm
from typing import NamedTuple

import sympy as sp

from sde_momentum.symbolic.step._taylor import PowerSeries, Product, Sum, UnevenPowers
from sde_momentum.symbolic.symbols._symbols import GRADIENT, LEARNING_RATE


class Monomial(NamedTuple):
    """coefficient · η^exponent · Π symbol^power · function, for one generic component."""

    coefficient: sp.Expr
    exponent: Fraction
    powers: tuple[tuple[sp.Symbol, int], ...]
    function: sp.Expr


def monomials(expression: sp.Expr, state: tuple[sp.Symbol, ...], cutoff: Fraction) -> list[Monomial]:
    """Split an expression into monomials in the state, g and η, up to η^cutoff (exclusive).

    What is not polynomial in the state becomes the monomial's `function`; what is not a power of η is expanded in it.
    """
    terms = sp.Add.make_args(sp.expand(expression))
    found = []
    for term in terms:
        try:
            found.append(_monomial(term, state))
        except _NotMonomial:
            found.extend(_series(term, state, cutoff))
    return _collected([m for m in found if m.exponent < cutoff and m.coefficient != 0], state)


def _collected(found: list[Monomial], state: tuple[sp.Symbol, ...]) -> list[Monomial]:
    """Add up the functions that stand with one power of η and of g: one function is one node, however long it is.

    State variables that occur as powers only are kept out of the functions.
    """
    argument = {s for m in found for s in m.function.free_symbols if s in state}
    grouped: dict[tuple, list[sp.Expr]] = {}
    result = []
    for m in found:
        if m.function == 1:
            result.append(m)
            continue
        outside = tuple((s, power) for s, power in m.powers if s not in argument)
        inside = sp.Mul(*(s**power for s, power in m.powers if s in argument))
        grouped.setdefault((m.exponent, outside), []).append(m.coefficient * inside * m.function)
    for (exponent, powers), functions in grouped.items():
        coefficient, function = sp.Add(*functions).as_independent(*state, GRADIENT, as_Add=False)
        result.append(Monomial(coefficient, exponent, powers, function))
    return [m for m in result if m.function != 0]


class _NotMonomial(Exception):
    """A term that still has to be expanded in the learning rate."""


def _monomial(term: sp.Expr, state: tuple[sp.Symbol, ...]) -> Monomial:
    coefficient, exponent, function = sp.S.One, Fraction(0), sp.S.One
    powers: dict[sp.Symbol, int] = {}
    variables = {*state, GRADIENT}
    for factor in sp.Mul.make_args(term):
        base, power = factor.as_base_exp()
        if base == LEARNING_RATE and power.is_Rational:
            exponent += Fraction(int(power.p), int(power.q))
        elif factor.has(LEARNING_RATE):
            raise _NotMonomial
        elif base in variables and power.is_Integer and power > 0:
            powers[base] = powers.get(base, 0) + int(power)
        elif factor.free_symbols & variables:
            function *= factor
        else:
            coefficient *= factor
    return Monomial(coefficient, exponent, tuple(sorted(powers.items(), key=lambda item: str(item[0]))), function)


def _series(term: sp.Expr, state: tuple[sp.Symbol, ...], cutoff: Fraction) -> list[Monomial]:
    """Expand in rational powers of η by substituting η = s^q and taking a power series in s."""
    denominators = [int(p.exp.q) for p in term.atoms(sp.Pow) if p.base == LEARNING_RATE and p.exp.is_Rational]
    denominators += [2 for p in term.atoms(sp.Pow) if p.exp.is_Rational and p.exp.q == 2]
    series, found, q = _power_series(term, lcm(*denominators), cutoff)
    return [
        _from_product(series, product, sp.Rational(value.numerator, value.denominator), Fraction(power, q), state)
        for power, total in found
        for product, value in total.items()
    ]


def _power_series(term: sp.Expr, q: int, cutoff: Fraction) -> tuple[PowerSeries, list[tuple[int, Sum]], int]:
    """The expansion in η^{1/q}, or in a finer power where roots of its powers occur: √(η^{1/2} v) is η^{1/4} √v."""
    for finer in (1, 2, 4, 8):
        s = sp.Dummy("s", positive=True)
        series = PowerSeries(s)
        count = int(sp.ceiling(sp.Rational(cutoff) * q * finer))
        try:
            small = sp.powdenest(term.subs(LEARNING_RATE, s ** (q * finer)), force=True)
            return series, series.terms(small, count), q * finer
        except UnevenPowers:
            continue
    raise ValueError(f"{term} has no expansion in powers of the learning rate.")


def _from_product(
    series: PowerSeries, product: Product, number: sp.Expr, exponent: Fraction, state: tuple[sp.Symbol, ...]
) -> Monomial:
    """Sort the atoms of a product: hyperparameters, whole powers of variables, the rest."""
    variables = {*state, GRADIENT}
    powers, constants, functions = [], [], []
    for place, power in product:
        atom = series.atoms[place]
        if atom in variables and power.denominator == 1 and power > 0:
            powers.append((atom, int(power)))
        else:
            kind = functions if atom.free_symbols & variables else constants
            kind.append((place, power))
    powers.sort(key=lambda item: str(item[0]))
    return Monomial(
        number * series.to_sympy(tuple(constants)), exponent, tuple(powers), series.to_sympy(tuple(functions))
    )


def leading_power(expression: sp.Expr) -> tuple[sp.Expr, Fraction]:
    """The leading term c η^e of an expression in the learning rate alone, as (c, e); zero gives (0, 0)."""
    expression = sp.cancel(sp.together(expression))
    if expression == 0:
        return sp.S.Zero, Fraction(0)
    terms = monomials(expression, (), Fraction(50)) if _polynomial(expression) else None
    if terms is None:
        coefficient, exponent = sp.expand(expression).leadterm(LEARNING_RATE)
        return coefficient, Fraction(int(exponent.p), int(exponent.q))
    lowest = min(m.exponent for m in terms)
    return sp.Add(*(m.coefficient for m in terms if m.exponent == lowest)), lowest


def _polynomial(expression: sp.Expr) -> bool:
    try:
        for term in sp.Add.make_args(sp.expand(expression)):
            _monomial(term, ())
    except _NotMonomial:
        return False
    return True
