"""Polynomials in jets, as dictionaries."""

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import sympy as sp

from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE

if TYPE_CHECKING:
    from sde_momentum.symbolic.coordinates._jets import JetRing

NOWHERE = 1 << 30

Monomial = tuple[int, tuple[int, ...]]


class JetPolynomial:
    """A polynomial in jets, (power of ε, generators with repetition) → coefficient. Immutable.

    Args:
        ring: where it lives.
        terms: without zeros, generators sorted.
    """

    __slots__ = ("ring", "terms")

    def __init__(self, ring: "JetRing", terms: dict[Monomial, Any]):
        self.ring, self.terms = ring, terms

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __add__(self, other: "JetPolynomial") -> "JetPolynomial":
        total = dict(self.terms)
        accumulate(total, other.terms.items())
        return JetPolynomial(self.ring, total)

    def __sub__(self, other: "JetPolynomial") -> "JetPolynomial":
        return self + other.scaled(-1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JetPolynomial) and not (self - other)

    __hash__ = None  # type: ignore[assignment]

    def __mul__(self, other: "JetPolynomial") -> "JetPolynomial":
        return self.times(other, None)

    def times(self, other: "JetPolynomial", cutoff: int | None) -> "JetPolynomial":
        """The product, without the powers of ε from `cutoff` on."""
        total: dict[Monomial, Any] = {}
        for (weight, left), x in self.terms.items():
            for (more, right), y in other.terms.items():
                if cutoff is None or weight + more < cutoff:
                    key = (weight + more, tuple(sorted(left + right)))
                    total[key] = total[key] + x * y if key in total else x * y
        return JetPolynomial(self.ring, {key: value for key, value in total.items() if value})

    def scaled(self, factor: Any) -> "JetPolynomial":
        """The product with an exact number or an element of the coefficient field."""
        if isinstance(factor, Fraction):
            factor = self.ring.domain.convert(sp.QQ(factor.numerator, factor.denominator))
        return JetPolynomial(self.ring, {key: c * factor for key, c in self.terms.items()} if factor else {})

    def raised(self, weight: int) -> "JetPolynomial":
        """The product with ε^weight."""
        return JetPolynomial(self.ring, {(w + weight, ids): c for (w, ids), c in self.terms.items()})

    def below(self, cutoff: int) -> "JetPolynomial":
        """Without the powers of ε from `cutoff` on."""
        return JetPolynomial(self.ring, {key: c for key, c in self.terms.items() if key[0] < cutoff})

    def at(self, weight: int) -> "JetPolynomial":
        """The coefficient of ε^weight."""
        return JetPolynomial(self.ring, {(0, ids): c for (w, ids), c in self.terms.items() if w == weight})

    @property
    def lowest(self) -> int:
        """The smallest power of ε; `NOWHERE`, beyond every cutoff, for zero."""
        return min((weight for weight, _ in self.terms), default=NOWHERE)

    def derivative(self, coordinate: tuple[str, int]) -> "JetPolynomial":
        """The total derivative D_c."""
        total: dict[Monomial, Any] = {}
        for (weight, ids), c in self.terms.items():
            for number in set(ids):
                moved = self.ring.shifted(number, coordinate)
                if moved is not None:
                    place = ids.index(number)
                    rest = ids[:place] + ids[place + 1 :]
                    new = rest if moved is True else tuple(sorted((*rest, moved)))
                    accumulate(total, [((weight, new), c * ids.count(number))])
        return JetPolynomial(self.ring, total)

    def to_sympy(self) -> sp.Expr:
        """The same as a sympy expression; a jet becomes a symbol such as `L,12` or `Sigma_11,2`."""
        ring = self.ring
        terms = [
            sp.factor(ring.domain.to_sympy(c))
            * LEARNING_RATE ** sp.Rational(weight, ring.root)
            * sp.Mul(*(sp.Symbol(str(ring.jets[number])) for number in ids))
            for (weight, ids), c in self.terms.items()
        ]
        return sp.Add(*terms)

    def __repr__(self) -> str:
        return str(self.to_sympy())


def accumulate(total: dict[Monomial, Any], items: Iterable[tuple[Monomial, Any]]) -> None:
    """Add terms in place; what becomes zero is removed."""
    for key, value in items:
        value = total[key] + value if key in total else value
        if value:
            total[key] = value
        else:
            total.pop(key, None)
