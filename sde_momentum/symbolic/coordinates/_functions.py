"""Elementwise functions of the state in the second route: expansion around their arguments' leading part.

A root, a negative power or an exponential of the state becomes a generator of the ring, with its derivatives as further
generators. What it is, and that √G·√G = G, is used at the end alone, when a result is settled.
"""

from collections.abc import Mapping
from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic.coordinates._frozen import FrozenRing
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial
from sde_momentum.symbolic.symbols._symbols import variable


class ComponentFunctions:
    """Expressions of the state and the gradient, evaluated on one component as polynomials in jets.

    Args:
        ring: where the values live.
        cutoff: power of ε from which on nothing is kept.
    """

    def __init__(self, ring: FrozenRing, cutoff: int):
        self.ring, self.cutoff = ring, cutoff

    def value(self, expression: sp.Expr, values: Mapping[sp.Symbol, JetPolynomial], axis: int) -> JetPolynomial:
        """The value of an expression where its symbols have the given ones.

        Raises:
            ValueError: it holds a function that is neither a power nor an exponential, or one of the gradient.
        """
        if not expression.free_symbols & set(values):
            return self.ring.expand(expression, self.cutoff)
        if expression in values:
            return values[expression]
        if expression.is_Add:
            total = self.ring.zero
            for term in expression.args:
                total = total + self.value(term, values, axis)
            return total
        if expression.is_Mul:
            total = self.ring.one
            for factor in expression.args:
                total = total.times(self.value(factor, values, axis), self.cutoff)
            return total
        if isinstance(expression, sp.exp):
            return self._exponential(self.value(expression.args[0], values, axis), axis)
        if expression.is_Pow and expression.exp.is_Rational:
            return self._power(self.value(expression.base, values, axis), expression.exp, axis)
        if expression.is_Pow:
            exponent, base = (self.value(part, values, axis) for part in (expression.exp, expression.base))
            return self._exponential(exponent.times(self._logarithm(base), self.cutoff), axis)
        raise ValueError(f"the route in coordinates does not know the function {expression.func.__name__}.")

    def _power(self, base: JetPolynomial, exponent: sp.Expr, axis: int) -> JetPolynomial:
        if exponent.is_Integer and exponent >= 0:
            total = self.ring.one
            for _ in range(int(exponent)):
                total = total.times(base, self.cutoff)
            return total
        lowest, shift = base.lowest, base.lowest * exponent
        if not shift.is_Integer:
            raise ValueError(f"the power {exponent} of a term in ε^{lowest} is no power of ε.")
        room, weights = self.cutoff - int(shift), [sp.S.One]
        lead = base.at(lowest)
        rest = base.raised(-lowest) - lead
        relative = rest.times(self._function(lead, sp.S.NegativeOne, axis), room) if rest else rest
        for k in range(1, room):
            weights.append(weights[-1] * (exponent - k + 1) / k)
        return (
            self._series(weights, relative, room).times(self._function(lead, exponent, axis), None).raised(int(shift))
        )

    def _exponential(self, argument: JetPolynomial, axis: int) -> JetPolynomial:
        if argument.lowest < 0:
            raise ValueError("an exponent grows as the learning rate vanishes.")
        lead = argument.at(0)
        weights = [1 / sp.factorial(k) for k in range(self.cutoff)]
        return self._series(weights, argument - lead, self.cutoff) * self._generator(
            sp.exp(self._generic(lead, axis)), axis
        )

    def _logarithm(self, argument: JetPolynomial) -> JetPolynomial:
        rest = argument - self.ring.one
        if rest.lowest <= 0:
            raise ValueError("only a base close to 1 can have an exponent that depends on the state.")
        weights = [sp.S.Zero] + [sp.Rational((-1) ** (k + 1), k) for k in range(1, self.cutoff)]
        return self._series(weights, rest, self.cutoff)

    def _series(self, weights: list[sp.Expr], small: JetPolynomial, cutoff: int) -> JetPolynomial:
        total, power = self.ring.zero, self.ring.one
        for weight in weights:
            total = total + power.scaled(Fraction(int(weight.p), int(weight.q)))
            power = power.times(small, cutoff)
            if not power:
                break
        return total

    # --- generators --------------------------------------------------------------------------------------------------

    def _function(self, lead: JetPolynomial, exponent: sp.Expr, axis: int) -> JetPolynomial:
        expression = self._generic(lead, axis) ** exponent
        return self.ring.one if expression == 1 else self._generator(expression, axis)

    def _generator(self, expression: sp.Expr, axis: int) -> JetPolynomial:
        return self.ring.function(expression, axis)

    def _generic(self, polynomial: JetPolynomial, axis: int) -> sp.Expr:
        """A polynomial in one component of the state and in functions of it, as an expression of a generic one."""
        ring, total = self.ring, []
        thawed = ring.thawed(polynomial)
        for (_, ids), coefficient in thawed.terms.items():
            factors = [thawed.ring.domain.to_sympy(coefficient)]
            for jet in (ring.jets[number] for number in ids):
                known = jet.field in ring.functions and not any(jet.derivative)
                if jet.base != (axis,) or not (known or jet.field in ring.variables):
                    raise ValueError("an update is not polynomial in the gradient at leading order.")
                factors.append(ring.functions[jet.field] if known else variable(jet.field))
            total.append(sp.Mul(*factors))
        return sp.Add(*total)
