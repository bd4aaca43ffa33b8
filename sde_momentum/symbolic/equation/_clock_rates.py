"""How large the terms of an update are, as powers of the learning rate, given the scales of the state variables.

Powers of η add in products; a sum is as large as its largest term. For functions such as 1/(√G + ε) every term that
may be the largest one gives an equation that is linear in the scales.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product

import sympy as sp

from sde_momentum.symbolic.step._expansion import leading_power
from sde_momentum.symbolic.symbols._symbols import GRADIENT, LEARNING_RATE, variable

Linear = tuple[Fraction, dict[str, Fraction]]  # constant + Σ weight · scale


@dataclass(frozen=True)
class Rate:
    """One term of a variable's change, of size η^(constant + Σ scales − c) per unit of time; doubled for noise.

    Args:
        target: the variable that changes.
        constant: the power of η without the scales.
        powers: state variable → its power.
        function: a factor that is no power; `branch` is its size where one term is the largest of each of its sums.
        branch: constant and weights of that size.
        gain: the power of η of the gradient with its noise, where it stands in the function.
        gradient: whether the mean gradient is in the term.
        noise: whether the term is noise.
    """

    target: str
    constant: Fraction
    powers: tuple[tuple[str, int], ...]
    gradient: bool
    noise: bool
    function: sp.Expr = sp.S.One
    branch: tuple[Fraction, tuple[tuple[str, Fraction], ...]] = (Fraction(0), ())
    gain: Fraction = Fraction(0)

    @property
    def variables(self) -> set[str]:
        """State variables besides the parameters in the term."""
        inside = {s.name for s in self.function.free_symbols if s == variable(s.name)} - {GRADIENT.name}
        return inside | {name for name, _ in self.powers}

    def row(self, unknowns: list[str]) -> tuple[list[Fraction], Fraction]:
        """Coefficients of the unknown scales and of the clock, and the constant: their sum is the exponent."""
        times = 2 if self.noise else 1
        powers, (constant, weights) = dict(self.powers), self.branch
        extra = dict(weights)
        scales = [times * (powers.get(v, 0) + extra.get(v, Fraction(0)) - (v == self.target)) for v in unknowns]
        return [*scales, Fraction(-1)], times * (self.constant + constant)

    def at(self, scales: Mapping[str, Fraction], clock: Fraction) -> Fraction:
        """The exponent for given scales and clock."""
        times, powers = 2 if self.noise else 1, dict(self.powers)
        size = self.constant + sum((scales[v] * p for v, p in powers.items()), Fraction(0))
        size += size_of(self.function, scales, self.gain) - scales.get(self.target, Fraction(0))
        return times * size - clock


def size_of(expression: sp.Expr, scales: Mapping[str, Fraction], gain: Fraction) -> Fraction:
    """The power of η of an expression whose state variables have these scales; parameters have none."""
    if expression == LEARNING_RATE:
        return Fraction(1)
    if expression == GRADIENT:
        return gain
    if expression.is_Symbol:
        return scales.get(expression.name, Fraction(0)) if expression == variable(expression.name) else Fraction(0)
    if expression.is_Add:
        waning = _waning(expression)
        if waning is not None:
            gap, time = waning
            return max(Fraction(0), gap + size_of(time, scales, gain))
        return min(size_of(term, scales, gain) for term in expression.args)
    if expression.is_Mul:
        return sum((size_of(factor, scales, gain) for factor in expression.args), Fraction(0))
    if expression.is_Pow and expression.exp.is_Rational:
        return size_of(expression.base, scales, gain) * Fraction(int(expression.exp.p), int(expression.exp.q))
    return Fraction(0)


@lru_cache(maxsize=1024)
def _waning(expression: sp.Expr) -> tuple[Fraction, sp.Expr] | None:
    """The power of η in 1 − b and the time k of 1 − b^k, which is small as long as k is; None for other sums."""
    rest = sp.expand(1 - expression)
    if rest.is_Pow and rest.exp.free_symbols and not rest.base.is_Rational:
        return leading_power(1 - rest.base)[1], rest.exp
    return None


def branches(expression: sp.Expr, gain: Fraction) -> Iterator[Linear]:
    """The sizes that an expression can have, one for every choice of the largest term in each of its sums."""
    if expression.is_Add and _waning(expression) is None:
        for term in expression.args:
            yield from branches(term, gain)
    elif expression.is_Mul:
        for chosen in product(*(list(branches(factor, gain)) for factor in expression.args)):
            total: dict[str, Fraction] = {}
            for _, weights in chosen:
                for name, weight in weights.items():
                    total[name] = total.get(name, Fraction(0)) + weight
            yield sum((constant for constant, _ in chosen), Fraction(0)), total
    elif expression.is_Pow and expression.exp.is_Rational:
        power = Fraction(int(expression.exp.p), int(expression.exp.q))
        for constant, weights in branches(expression.base, gain):
            yield constant * power, {name: weight * power for name, weight in weights.items()}
    elif expression.is_Symbol and expression == variable(expression.name) and expression != GRADIENT:
        yield Fraction(0), {expression.name: Fraction(1)}
    else:
        yield size_of(expression, {}, gain), {}
