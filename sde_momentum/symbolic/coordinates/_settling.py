"""Deciding whether a polynomial in jets and functions of the state is zero, exactly."""

from functools import cached_property
from typing import Any

import sympy as sp

from sde_momentum.symbolic.coordinates._jets import Jet, JetRing
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial, accumulate
from sde_momentum.symbolic.symbols._symbols import variable


def settled(polynomial: JetPolynomial) -> JetPolynomial:
    """The polynomial without the groups of terms that vanish once functions of the state are what they are."""
    if not polynomial.ring.functions or not polynomial:
        return polynomial
    return Settling(polynomial.ring).settled(polynomial)


class Settling:
    """Functions of the state as elements of one rational function field.

    Args:
        ring: the jets and functions.
    """

    def __init__(self, ring: JetRing):
        self.ring = ring
        self._replacements: list[tuple[sp.Expr, sp.Expr]] = []
        self._explicit: dict[int, sp.Expr] = {}
        self._components: dict[tuple[sp.Symbol, int], sp.Symbol] = {}
        self._exponentials: dict[sp.Expr, sp.Expr] = {}

    def settled(self, polynomial: JetPolynomial) -> JetPolynomial:
        """Drop the groups of terms whose sum is zero."""
        groups: dict[tuple, dict] = {}
        for (weight, ids), coefficient in polynomial.terms.items():
            held = tuple(number for number in ids if self._is_function(self.ring.jets[number]))
            rest = tuple(number for number in ids if number not in held)
            groups.setdefault((weight, rest), {})[weight, ids] = (coefficient, held)
        kept: dict = {}
        for terms in groups.values():
            if not self._vanishes(list(terms.values())):
                accumulate(kept, [(key, coefficient) for key, (coefficient, _) in terms.items()])
        return JetPolynomial(self.ring, kept)

    def _is_function(self, jet: Jet) -> bool:
        return jet.field in self.ring.functions or (jet.field in self._arguments and len(jet.base) == 1)

    @cached_property
    def _arguments(self) -> set[str]:
        symbols = set().union(*(e.free_symbols for e in self.ring.functions.values()))
        return {name for name in self.ring.variables if variable(name) in symbols}

    def _vanishes(self, terms: list[tuple]) -> bool:
        total = sp.S.Zero
        for coefficient, held in terms:
            total += self.ring.domain.to_sympy(coefficient) * sp.Mul(*map(self._value, held))
        numerator, _ = sp.fraction(sp.together(total))
        return sp.expand(numerator) == 0

    def _value(self, number: int) -> sp.Expr:
        if number not in self._explicit:
            jet = self.ring.jets[number]
            if jet.field in self.ring.functions:
                expression = self.ring.functions[jet.field]
                for name, times in zip(self.ring.variables, jet.derivative, strict=True):
                    expression = sp.diff(expression, variable(name), times)
            else:
                expression = variable(jet.field)
            local = self._local  # finds the replacements
            rational = self._replaced(expression)
            own = {s: self._own(s, jet.base[0]) for s in rational.free_symbols & local}
            self._explicit[number] = sp.factor(rational.xreplace(own))
        return self._explicit[number]

    def _own(self, symbol: sp.Symbol, axis: int) -> sp.Symbol:
        """A symbol's value on one component."""
        if (symbol, axis) not in self._components:
            self._components[symbol, axis] = sp.Dummy(f"{symbol.name}_{axis}", positive=True)
        return self._components[symbol, axis]

    @cached_property
    def _local(self) -> set[sp.Symbol]:
        """Symbols that have one value a component."""
        self._find_replacements()
        states = {variable(name) for name in self.ring.variables}
        roots = {s for _, new in self._replacements for s in new.free_symbols if isinstance(s, sp.Dummy)}
        return states | roots | set(self._exponentials.values())

    def _replaced(self, expression: sp.Expr) -> sp.Expr:
        replaced: Any = expression.replace(lambda e: isinstance(e, sp.exp), self._exponential)
        for old, new in self._replacements:
            replaced = replaced.subs(old, new)
        return replaced

    def _exponential(self, expression: sp.Expr) -> sp.Expr:
        """exp(n a) = e^(−n) with e = exp(−a), so that 1 − e is a factor of its own."""
        number, rest = expression.args[0].as_coeff_Mul()
        if rest not in self._exponentials:
            self._exponentials[rest] = sp.Dummy("exponential", positive=True)
        return self._exponentials[rest] ** (-number)

    def _find_replacements(self) -> None:
        """Solve y = r^q − b for every root r of y + b, one after the other, until no fractional power is left."""
        while True:
            found = None
            for expression in self.ring.functions.values():
                roots = [p for p in self._replaced(expression).atoms(sp.Pow) if not p.exp.is_Integer]
                found = next((p for p in sorted(roots, key=sp.count_ops) if not _has_root(p.base)), found)
                if found is not None:
                    break
            if found is None:
                return
            self._replacements.append(self._solved(found))

    def _solved(self, power: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        q = int(power.exp.q)
        for part in sp.fraction(sp.together(power.base)):
            for factor, _ in sp.factor_list(part)[1]:
                states = {variable(name) for name in self.ring.variables}
                free = [s for s in factor.free_symbols if s in states or isinstance(s, sp.Dummy)]
                linear = [s for s in sorted(free, key=str) if sp.diff(factor, s, 2) == 0 and not _is_power(factor, s)]
                if linear:
                    symbol, root = linear[0], sp.Dummy("root", positive=True)
                    # Roots are of what is positive: states are, and e = exp(−a) lies between 0 and 1.
                    at_half = factor.subs(dict.fromkeys(factor.free_symbols, sp.Rational(1, 2)))
                    part = -factor if at_half < 0 else factor
                    return symbol, sp.expand((root**q - part.subs(symbol, 0)) / sp.diff(part, symbol))
        raise ValueError(f"{power} is not a root of an expression that is linear in the state.")


def _has_root(expression: sp.Expr) -> bool:
    return any(not p.exp.is_Integer for p in expression.atoms(sp.Pow))


def _is_power(factor: sp.Expr, symbol: sp.Symbol) -> bool:
    """Whether a factor is a root found before, which stands for itself."""
    return factor == symbol and symbol.name == "root"
