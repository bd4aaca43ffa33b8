"""Functions with jumps and kinks, such as sign, in updates that are expanded in the learning rate.

sign(m + ηu) is sign(m) + η u · 2δ(m) + …; away from the jump the terms after the first vanish, and limits are
statements about paths that do not sit on jumps.
"""

from fractions import Fraction
from itertools import combinations

import sympy as sp

from sde_momentum.symbolic.step._expansion import Monomial
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE

_JUMPS = (sp.sign, sp.Abs, sp.Max, sp.Min, sp.Heaviside)


def has_jumps(function: sp.Expr) -> bool:
    """Whether a function has jumps or kinks."""
    return function.has(*_JUMPS)


def places(function: sp.Expr) -> list[sp.Expr]:
    """The u at whose zero a function jumps or has a kink: of sign(u), |u|, steps at u; of max(a, b), u = a − b."""
    found: list[sp.Expr] = []
    for part in sorted(function.atoms(*_JUMPS), key=sp.default_sort_key):
        if isinstance(part, sp.Max | sp.Min):
            branches = [_branches(argument) for argument in part.args]
            for place, left in enumerate(branches):
                found += [a - b for right in branches[place + 1 :] for a in left for b in right]
        else:
            found += _branches(part.args[0])
    return [place for place in dict.fromkeys(map(_primitive, found)) if not place.is_nonzero and place != 0]


def _branches(argument: sp.Expr) -> list[sp.Expr]:
    """What an argument can be, with one side taken of every maximum and minimum in it."""
    extremes = sorted(argument.atoms(sp.Max, sp.Min), key=sp.default_sort_key)
    if not extremes:
        return [argument]
    first = extremes[0]
    return [b for side in first.args for b in _branches(argument.xreplace({first: side}))]


def _primitive(place: sp.Expr) -> sp.Expr:
    """Up to a constant factor, by which no zero changes."""
    rest = sp.expand(sp.factor_terms(sp.expand(place)).as_coeff_Mul()[1])
    return -rest if rest.could_extract_minus_sign() else rest


def held(expression: sp.Expr) -> dict[sp.Expr, sp.Symbol]:
    """A symbol for each function with jumps: rules for powers that assume positive symbols must not see inside."""
    functions = expression.atoms(*_JUMPS)
    outermost = [f for f in functions if not any(f is not other and other.has(f) for other in functions)]
    return {f: sp.Symbol(f"jump {j}", real=True) for j, f in enumerate(sorted(outermost, key=str))}


def released(monomial: Monomial, symbols: dict[sp.Expr, sp.Symbol]) -> Monomial:
    """Put the functions back."""
    functions = {symbol: function for function, symbol in symbols.items()}
    factors = [functions[s] ** power for s, power in monomial.powers if s in functions]
    powers = tuple((s, power) for s, power in monomial.powers if s not in functions)
    return monomial._replace(powers=powers, function=sp.Mul(monomial.function.xreplace(functions), *factors))


def expanded_functions(expression: sp.Expr, cutoff: Fraction) -> sp.Expr:
    """Expand sign(a + O(η)) and its like in powers of η, up to η^cutoff (exclusive).

    Raises:
        ValueError: an argument is not a sum of powers of η, or vanishes with it.
    """
    functions = [f for f in expression.atoms(*_JUMPS) if f.has(LEARNING_RATE)]
    outermost = [f for f in functions if not any(f is not other and other.has(f) for other in functions)]
    return expression.xreplace({f: _taylor(f, cutoff) for f in outermost}) if outermost else expression


def _taylor(function: sp.Expr, cutoff: Fraction) -> sp.Expr:
    limits, remainders, lowest = [], [], cutoff
    for argument in function.args:
        limit, rest = _split(argument, function)
        limits.append(limit)
        remainders.append(rest)
        lowest = min([lowest, *(exponent for exponent, _ in rest)])
    t = sp.Dummy("t", real=True)
    moved = [a + t * sp.Add(*(term for _, term in rest)) for a, rest in zip(limits, remainders, strict=True)]
    if isinstance(function, sp.Max | sp.Min):
        ties = (sp.expand(a - b) == 0 for a, b in combinations(limits, 2))
    else:
        ties = (limit == 0 for limit in limits)
    if any(ties):
        raise ValueError(f"{function} sits on its jump as the learning rate vanishes, so it has no expansion.")
    derivative, total, j = function.func(*moved), sp.S.Zero, 0
    while j * lowest < cutoff and derivative != 0:
        total += derivative.subs(t, 0) / sp.factorial(j)
        derivative = sp.diff(derivative, t).replace(sp.DiracDelta, lambda *_: sp.S.Zero)
        j += 1
    return total


def _split(argument: sp.Expr, function: sp.Expr) -> tuple[sp.Expr, list[tuple[Fraction, sp.Expr]]]:
    """The part without η, and the terms with positive powers of it."""
    limit, rest = sp.S.Zero, []
    for term in sp.Add.make_args(sp.expand(argument)):
        coefficient, power = term.as_independent(LEARNING_RATE, as_Add=False)
        base, exponent = power.as_base_exp()
        if power == 1:
            limit += coefficient
        elif base == LEARNING_RATE and exponent.is_Rational and exponent > 0:
            rest.append((Fraction(int(exponent.p), int(exponent.q)), term))
        else:
            raise ValueError(f"{function} cannot be expanded in the learning rate: its argument contains {term}.")
    return limit, rest
