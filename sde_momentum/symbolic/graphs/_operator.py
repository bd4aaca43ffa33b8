"""Graded differential operators: sums of graphs with one test function each, ordered by powers of a small parameter."""

from collections.abc import Iterator
from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic.graphs._algebra import Algebra, Coefficient, Combination, accumulate
from sde_momentum.symbolic.graphs._graph import Graph

Exponent = Fraction


class Operator:
    """A truncated series Σ_e η^e A_e, every A_e a linear combination of graphs; terms with e ≥ `cutoff` are dropped.

    Products are compositions: `(A @ B) f = A (B f)`.

    Args:
        algebra: the fields and coefficients.
        terms: mapping exponent → combination of canonical graphs.
        cutoff: exponent at and above which nothing is kept.
    """

    def __init__(self, algebra: Algebra, terms: dict[Exponent, Combination], cutoff: Exponent):
        self.algebra = algebra
        self.cutoff = Fraction(cutoff)
        self.terms = {e: dict(c) for e, c in sorted(terms.items()) if c and e < self.cutoff}

    @classmethod
    def identity(cls, algebra: Algebra, cutoff: Exponent) -> "Operator":
        """The operator f ↦ f."""
        return cls(algebra, {Fraction(0): {(algebra.test.node(),): algebra.field.one}}, cutoff)

    @classmethod
    def zero(cls, algebra: Algebra, cutoff: Exponent) -> "Operator":
        """The operator f ↦ 0."""
        return cls(algebra, {}, cutoff)

    def __iter__(self) -> Iterator[tuple[Exponent, Graph, Coefficient]]:
        for exponent, combination in self.terms.items():
            for graph in sorted(combination):
                yield exponent, graph, combination[graph]

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operator) and not (self - other)

    __hash__ = None  # type: ignore[assignment]

    def at(self, exponent: Exponent) -> Combination:
        """The combination that multiplies η^exponent."""
        return self.terms.get(Fraction(exponent), {})

    @property
    def lowest(self) -> Exponent:
        """The smallest exponent present; the cutoff for the zero operator."""
        return min(self.terms, default=self.cutoff)

    def truncated(self, cutoff: Exponent) -> "Operator":
        """Drop the terms at and above `cutoff`."""
        return Operator(self.algebra, self.terms, min(self.cutoff, Fraction(cutoff)))

    def shifted(self, exponent: Exponent) -> "Operator":
        """Multiply by η^exponent; the cutoff moves along, since that many terms are known."""
        exponent = Fraction(exponent)
        return Operator(self.algebra, {e + exponent: c for e, c in self.terms.items()}, self.cutoff + exponent)

    def select(self, predicate) -> "Operator":
        """Keep the graphs for which `predicate(graph)` holds."""
        kept = {e: {g: c for g, c in combination.items() if predicate(g)} for e, combination in self.terms.items()}
        return Operator(self.algebra, kept, self.cutoff)

    def __add__(self, other: "Operator") -> "Operator":
        total = {e: dict(c) for e, c in self.terms.items()}
        for exponent, graph, coefficient in other:
            accumulate(total.setdefault(exponent, {}), graph, coefficient)
        return Operator(self.algebra, total, min(self.cutoff, other.cutoff))

    def __mul__(self, scalar: object) -> "Operator":
        exact = isinstance(scalar, int | Fraction | sp.Basic)
        factor = self.algebra.coefficient(scalar) if exact else scalar
        scaled = {e: {g: c * factor for g, c in combination.items()} for e, combination in self.terms.items()}
        return Operator(self.algebra, scaled if factor else {}, self.cutoff)

    __rmul__ = __mul__

    def __sub__(self, other: "Operator") -> "Operator":
        return self + other * -1

    def __matmul__(self, other: "Operator") -> "Operator":
        """Compose, keeping what both truncations determine."""
        cutoff = min(self.cutoff + min(other.lowest, other.cutoff), other.cutoff + min(self.lowest, self.cutoff))
        total: dict[Exponent, Combination] = {}
        for left_exponent, left in self.terms.items():
            for right_exponent, right in other.terms.items():
                if left_exponent + right_exponent < cutoff:
                    add_product(self.algebra, total.setdefault(left_exponent + right_exponent, {}), left, right)
        return Operator(self.algebra, total, cutoff)

    def exp(self) -> "Operator":
        """Σ_k A^k / k!, for an operator whose lowest exponent is positive."""
        self._require_small("exp")
        result = power = Operator.identity(self.algebra, self.cutoff)
        k = 0
        while power:
            k += 1
            power = (power @ self * Fraction(1, k)).truncated(self.cutoff)
            result = result + power
        return result

    def log(self) -> "Operator":
        """Σ_k (−1)^(k+1) (P − I)^k / k, for an operator P = I + (positive exponents)."""
        increment = self - Operator.identity(self.algebra, self.cutoff)
        increment._require_small("log")
        result = Operator.zero(self.algebra, self.cutoff)
        power = Operator.identity(self.algebra, self.cutoff)
        k = 0
        while True:
            k += 1
            power = (power @ increment).truncated(self.cutoff)
            if not power:
                return result
            result = result + power * Fraction((-1) ** (k + 1), k)

    def _require_small(self, function: str) -> None:
        if self and self.lowest <= 0:
            raise ValueError(
                f"`{function}` needs an operator whose change vanishes with the small parameter, but a term of "
                f"exponent {self.lowest} remains; a variable relaxes in O(1) steps and must be eliminated (`fast=…`)."
            )


def add_product(algebra: Algebra, total: Combination, left: Combination, right: Combination, sign: int = 1) -> None:
    """Add ± the composition of two combinations in place."""
    for graph, coefficient in left.items():
        for other, constant in right.items():
            for acting, acted in algebra.in_time(graph, constant):
                weight = coefficient * acted if sign > 0 else -(coefficient * acted)
                for found, factor in algebra.compose(acting, other).items():
                    accumulate(total, found, factor * weight)
