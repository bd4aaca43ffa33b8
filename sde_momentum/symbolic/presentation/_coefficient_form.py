"""How a coefficient is written: sign, number, letters, and sums in ascending powers, denominators positive."""

from collections.abc import Iterable
from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic.presentation._function_form import function_phrase
from sde_momentum.symbolic.presentation._style import Factor, Style
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE

# A point of the range where hyperparameters live: rates in (0, 1), a small learning rate, a dimension above one.
_TYPICAL = {"learning_rate": sp.Rational(1, 100), "dimension": sp.Rational(5, 2)}
_TYPICAL_RATE = sp.Rational(37, 100)


def coefficient(style: Style, expression: sp.Expr, in_sum: bool = False) -> tuple[int, str]:
    """Write a coefficient as (sign, body).

    Args:
        style: text or LaTeX.
        expression: a product, usually of powers of polynomials; anything else is factored first.
        in_sum: the coefficient is a term of a sum, where the learning rate comes last (1 − λη).

    Returns:
        The sign, and the body without it: empty for one.
    """
    sign, number, powers = _decomposed(expression)
    below = lambda base, power: power < 0 and (power.denominator == 1 or (power.denominator == 2 and _is_inner(base)))
    top = [(base, exponent) for base, exponent in powers if not below(base, exponent)]
    bottom = [(base, -exponent) for base, exponent in powers if below(base, exponent)]
    factors = [[_factor(style, *power) for power in _ordered(side, in_sum)] for side in (top, bottom)]
    return sign, "" if number == 1 and not powers else style.quotient(number, *factors)


def expression(style: Style, value: sp.Expr) -> str:
    """Write any expression; a sum keeps its terms."""
    if value == 0:
        return "0"
    if value.is_Add:
        return sum_of(style, value.args)
    sign, body = coefficient(style, value)
    return ("-" if sign < 0 else "") + (body or "1")


def signed_sum(terms: Iterable[tuple[int, str]]) -> str:
    """Join (sign, body) terms: a + b - c."""
    written = ""
    for sign, body in terms:
        separator = (" - " if sign < 0 else " + ") if written else ("-" if sign < 0 else "")
        written += separator + body
    return written or "0"


def sum_of(style: Style, terms: Iterable[sp.Expr]) -> str:
    """Write a sum in ascending powers; a positive term first if there is one."""
    written = [coefficient(style, term, in_sum=True) for term in sorted(terms, key=_degree)]
    first = next((position for position, (sign, _) in enumerate(written) if sign > 0), 0)
    written.insert(0, written.pop(first))
    return signed_sum((sign, body or "1") for sign, body in written)


def _decomposed(expression: sp.Expr) -> tuple[int, Fraction, list[tuple[sp.Expr, Fraction]]]:
    """Sign, positive number, and (base, exponent) pairs whose bases are positive for typical hyperparameters."""
    sign, number, powers = 1, Fraction(1), []
    pending = list(sp.Mul.make_args(sp.factor(expression)))
    while pending:
        factor = pending.pop(0)
        if factor.is_Rational:
            number *= Fraction(int(factor.p), int(factor.q))
            continue
        base, exponent = factor.as_base_exp()
        if not exponent.is_Rational:
            base, exponent = factor, sp.S.One
        power = Fraction(int(exponent.p), int(exponent.q))
        if base.is_Mul and power.denominator > 1:  # √-(a - b) is written √(b - a)
            base = sp.expand(base)
        if power.denominator == 1 and _is_negative(base):
            base, sign = sp.expand(-base), sign * (-1) ** power.numerator
        leading = _leading_monomial(base) if base.is_Add else sp.S.One
        if leading != 1 and power.denominator == 1:
            # 2 + ηω is written as 2 (1 + ηω/2): correction relative to what is corrected, unless fractions appear.
            quotient = sp.expand(base / leading)
            if not quotient.is_polynomial(*leading.free_symbols):
                leading = leading.as_coeff_Mul()[0]
            base = sp.expand(base / leading)
            pending += sp.Mul.make_args(leading**exponent)
        powers.append((base, power))
    return (-sign if number < 0 else sign), abs(number), _merged(powers)


def _merged(powers: list[tuple[sp.Expr, Fraction]]) -> list[tuple[sp.Expr, Fraction]]:
    total: dict[sp.Expr, Fraction] = {}
    for base, exponent in powers:
        total[base] = total.get(base, Fraction(0)) + exponent
    return [(base, exponent) for base, exponent in total.items() if exponent]


def _leading_monomial(base: sp.Expr) -> sp.Expr:
    """The η-free part of a sum in powers of η when it is a single positive term; one otherwise."""
    constant, rest = sp.expand(base).as_independent(LEARNING_RATE, as_Add=True)
    return sp.S.One if rest == 0 or constant == 0 or constant.is_Add or _is_negative(constant) else constant


def _is_negative(base: sp.Expr) -> bool:
    typical = {symbol: _TYPICAL.get(str(symbol), _TYPICAL_RATE) for symbol in base.free_symbols}
    return bool(base.subs(typical).is_negative)


def _degree(term: sp.Expr) -> tuple:
    """Power of η, total degree, then names: what sums are sorted by."""
    # A symbolic exponent, as in β^k, has no size to sort by: such a factor counts by name only.
    numeric = (item for item in term.as_powers_dict().items() if item[0].is_Symbol and item[1].is_number)
    powers = {str(base): exponent for base, exponent in numeric}
    rate = powers.pop("learning_rate", sp.S.Zero)
    return rate, sum(powers.values()), sorted(powers.items()), str(term)


def _ordered(powers: list[tuple[sp.Expr, Fraction]], in_sum: bool) -> list[tuple[sp.Expr, Fraction]]:
    """Letters before functions before sums; the learning rate first, in a term of a sum last."""

    def key(power: tuple[sp.Expr, Fraction]) -> tuple:
        base, _ = power
        rate = base == LEARNING_RATE
        return base.is_Add, not base.is_Symbol, rate if in_sum else not rate, str(base)

    return sorted(powers, key=key)


def _is_inner(base: sp.Expr) -> bool:
    """Whether a root of it is written below a fraction line: η^(-1/2) is a power, 1/√u a function."""
    return base != LEARNING_RATE


def _factor(style: Style, base: sp.Expr, exponent: Fraction) -> Factor:
    if base.is_Symbol:
        return Factor(style.symbol(str(base)), exponent, is_sum=False)
    if base.is_Add:
        return Factor(sum_of(style, base.args), exponent, is_sum=True)
    if base.is_Rational:
        return Factor(style.number(Fraction(int(base.p), int(base.q))), exponent, is_sum=base.q != 1)
    return Factor(function_phrase(style, base, expression) or style.opaque(base), exponent, is_sum=base.is_Mul)
