"""Jets over the rationals, hyperparameters being generators as well."""

from typing import Any

import sympy as sp

from sde_momentum.symbolic.coordinates._jets import Jet, JetRing
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial, Monomial, accumulate


class FrozenRing(JetRing):
    """The ring with hyperparameters, and inverses of polynomials in them, as generators over ℚ.

    Sums and products then need no greatest common divisor; `thawed` returns to the field of coefficients.

    Args:
        field: the ring whose jets are shared.
    """

    def __init__(self, field: JetRing):
        super().__init__(field.dimension, field.variables, (), field.root)
        self.field, self.jets, self._numbers, self._shifts = field, field.jets, field._numbers, field._shifts
        self.functions = field.functions
        self._symbols = [self.number(Jet(str(symbol), (), ())) for symbol in field.symbols]
        self._inverses: dict[int, Any] = {}

    def expand(self, expression: sp.Expr, cutoff: int) -> JetPolynomial:
        """An expression in hyperparameters and learning rate as a Laurent series in ε below ε^cutoff."""
        series = self.field.expand(expression, cutoff)
        if not self._symbols:
            return JetPolynomial(self, series.terms)
        total: dict[Monomial, Any] = {}
        for (weight, _), value in series.terms.items():
            numerator, inverse, scale = value.numer, (), self.domain.one
            if value.denom.is_ground:
                scale = 1 / value.denom.LC
            else:
                number = self.number(Jet(f"1/({value.denom})", (), ()))
                self._inverses[number] = self.field.domain.one / self.field.domain.field(value.denom)
                inverse = (number,)
            for powers, c in numerator.terms():
                ids = [number for number, power in zip(self._symbols, powers, strict=True) for _ in range(power)]
                accumulate(total, [((weight, tuple(sorted((*ids, *inverse)))), c * scale)])
        return JetPolynomial(self, total)

    def thawed(self, polynomial: JetPolynomial) -> JetPolynomial:
        """The polynomial with hyperparameters in its coefficients."""
        if not self._symbols:
            return JetPolynomial(self.field, polynomial.terms)
        place = {number: position for position, number in enumerate(self._symbols)}
        parts: dict[tuple, dict[tuple[int, ...], Any]] = {}
        for (weight, ids), c in polynomial.terms.items():
            held = [place[number] for number in ids if number in place]
            inverses = tuple(number for number in ids if number in self._inverses)
            rest = tuple(number for number in ids if number not in place and number not in self._inverses)
            powers = tuple(map(held.count, range(len(place))))
            parts.setdefault((weight, rest, inverses), {})[powers] = c
        domain, total = self.field.domain, {}
        for (weight, rest, inverses), terms in parts.items():
            value = domain.field(domain.field.ring.from_dict(terms))
            for number in inverses:
                value = value * self._inverses[number]
            accumulate(total, [((weight, rest), value)])
        return JetPolynomial(self.field, total)
