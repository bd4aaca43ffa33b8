"""Linear relations between elementwise functions, over the rational functions of the hyperparameters."""

from collections.abc import Iterable
from functools import reduce

import sympy as sp
from sympy.polys.fields import FracElement
from sympy.polys.matrices import DomainMatrix

from sde_momentum.symbolic.functions._function_field import FunctionField

# Values of the hyperparameters at which independence is tried first: a proof where it is found.
_TRIAL = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)


class Relations:
    """A maximal independent subset of functions, the simplest ones first, and the others written in it.

    Args:
        field: where the functions live.
        functions: non-zero elements of it.
        preferred: elements that come first where the functions need them, in this order.
    """

    def __init__(self, field: FunctionField, functions: Iterable[FracElement], preferred: Iterable[FracElement] = ()):
        self.field = field
        self._count = len(field.functions)
        first = list(preferred)
        self.candidates = [*first, *sorted(set(functions) - set(first), key=_simplicity)]
        self._written: dict[FracElement, list[tuple[FracElement, sp.Expr]]] = {}
        self._solve()

    def written(self, function: FracElement) -> list[tuple[FracElement, sp.Expr]]:
        """The function as Σ coefficient · independent function, as pairs (function, coefficient)."""
        return self._written[function]

    def _solve(self) -> None:
        if not self.candidates:
            return
        columns = self._columns()
        if self._independent(columns):
            self._written = {f: [(f, sp.S.One)] for f in self.candidates}
            return
        parameters = self.field.parameters
        domain = sp.QQ.frac_field(*parameters) if parameters else sp.QQ
        rows = sorted({key for column in columns for key in column})
        entries = [[domain.from_sympy(_entry(column, key)) for column in columns] for key in rows]
        reduced, pivots = DomainMatrix(entries, (len(rows), len(columns)), domain).rref()
        dense = reduced.to_list()
        for place, function in enumerate(self.candidates):
            if place in pivots:
                self._written[function] = [(function, sp.S.One)]
            else:
                weights = [(self.candidates[p], dense[row][place]) for row, p in enumerate(pivots)]
                self._written[function] = [(f, domain.to_sympy(w)) for f, w in weights if w]

    def _columns(self) -> list[dict[tuple[int, ...], sp.Expr]]:
        """The numerators over one denominator, as monomial in the generators → polynomial in hyperparameters."""
        ring = self.field.field.ring
        common = reduce(lambda a, b: a.lcm(b), (f.denom for f in self.candidates))
        found = []
        for function in self.candidates:
            numerator = function.numer * common.exquo(function.denom)
            column: dict[tuple[int, ...], dict] = {}
            for monomial, number in numerator.terms():
                column.setdefault(monomial[: self._count], {})[monomial] = number
            found.append({key: ring.from_dict(terms) for key, terms in column.items()})
        return [{key: self._inner(value) for key, value in column.items()} for column in found]

    def _inner(self, polynomial) -> sp.Expr:
        """A polynomial without its power of the generators."""
        symbols = self.field.parameters
        terms = []
        for monomial, number in polynomial.terms():
            powers = monomial[self._count :]
            terms.append(sp.Rational(str(number)) * sp.Mul(*(s**p for s, p in zip(symbols, powers, strict=True))))
        return sp.Add(*terms)

    def _independent(self, columns: list[dict[tuple[int, ...], sp.Expr]]) -> bool:
        values = dict(zip(self.field.parameters, map(sp.Integer, _TRIAL), strict=False))
        rows = sorted({key for column in columns for key in column})
        entries = [[sp.QQ.from_sympy(_entry(column, key).subs(values)) for column in columns] for key in rows]
        return DomainMatrix(entries, (len(rows), len(columns)), sp.QQ).rank() == len(columns)


def _entry(column: dict[tuple[int, ...], sp.Expr], key: tuple[int, ...]) -> sp.Expr:
    return column.get(key, sp.S.Zero)


def _simplicity(function: FracElement) -> tuple:
    degree = sum(
        max((monomial[place] for monomial in function.denom), default=0)
        for place in range(len(function.denom.ring.symbols))
    )
    return len(function.numer), degree, len(function.denom), str(function)
