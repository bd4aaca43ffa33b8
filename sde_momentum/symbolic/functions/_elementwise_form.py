r"""Canonical form of elementwise functions in operators.

All functions and powers of the state on one index multiply to one function. The functions that occur are written in a
linearly independent set of them: products over different indices are then independent too, so an operator is zero iff
its coefficients are, and cancellations that need $\sqrt G \cdot \sqrt G = G$ or $\varepsilon/(\sqrt G + \varepsilon) =
1 - \sqrt G/(\sqrt G + \varepsilon)$ are found.
"""

from fractions import Fraction
from itertools import product
from typing import Any

import sympy as sp
from sympy.polys.fields import FracElement

from sde_momentum.symbolic.functions._function_field import FunctionField
from sde_momentum.symbolic.functions._linear_relations import Relations
from sde_momentum.symbolic.graphs._algebra import Algebra, Combination, accumulate
from sde_momentum.symbolic.graphs._canonical import canonical
from sde_momentum.symbolic.graphs._fields import DerivativeName, Elementwise, ElementwiseName
from sde_momentum.symbolic.graphs._graph import Graph, Label, Node
from sde_momentum.symbolic.graphs._operator import Operator
from sde_momentum.symbolic.symbols._symbols import variable

Pieces = list[tuple[Any, FracElement]]  # coefficient in the algebra's field, function


def canonical_functions(operator: Operator) -> Operator:
    """Write an operator in independent elementwise functions; without any it comes back as it is."""
    algebra = operator.algebra
    if not algebra.functions:
        return operator
    form = _Form(algebra)
    split = [(e, *form.split(graph), coefficient) for e, graph, coefficient in operator]
    functions = {f for _, _, contents, _ in split for pieces in contents.values() for _, f in pieces}
    relations = Relations(form.field, functions, form.preferred()) if functions else None
    total: dict[Fraction, Combination] = {}
    for exponent, rest, contents, coefficient in split:
        for weight, nodes in form.products(contents, relations):
            graph = canonical((*rest, *nodes))
            accumulate(total.setdefault(exponent, {}), graph, coefficient * weight)
    return Operator(algebra, total, operator.cutoff)


class _Form:
    """Reads functions off graphs and writes them back."""

    def __init__(self, algebra: Algebra):
        self.algebra = algebra
        self.arguments = {name for f in algebra.functions.values() for name in f.arguments}
        state = [variable(name) for name in algebra.variables if name in self.arguments]
        self.field = FunctionField(algebra.functions, state)
        self._derivatives: dict[str, FracElement] = {}
        self._pieces: dict[FracElement, Pieces] = {}
        self._nodes: dict[FracElement, list[str]] = {}

    def preferred(self) -> list[FracElement]:
        """The constant 1 and the variables: what is a polynomial shall look like one."""
        return [self.field.field.one, *(self.field.element(symbol) for symbol in self.field.state)]

    # --- reading -----------------------------------------------------------------------------------------------------

    def split(self, graph: Graph) -> tuple[Graph, dict[Label, Pieces]]:
        """The nodes that are no functions, and the function on each index as a sum of pieces."""
        rest: list[Node] = []
        found: dict[Label, FracElement] = {}
        for node in graph:
            value = self._value(node)
            if value is None:
                rest.append(node)
            else:
                label = node.slots[0][0]
                found[label] = found[label] * value if label in found else value
        return tuple(rest), {label: self._taken_apart(value) for label, value in found.items()}

    def _value(self, node: Node) -> FracElement | None:
        # The algebra knows the function: equal graphs of other algebras share numbers, and caches share graphs.
        function = self.algebra.fields.get(node.field)
        if isinstance(function, Elementwise):
            return self._derivative(function.name)
        if node.field in self.arguments:
            return self.field.element(variable(node.field))
        return None

    def _derivative(self, name: DerivativeName) -> FracElement:
        if name not in self._derivatives:
            if not name.counts:
                self._derivatives[name] = self.field.element(name.expression)
            else:
                *before, (symbol, times) = name.counts
                lower = (*before, (symbol, times - 1)) if times > 1 else tuple(before)
                value = self._derivative(DerivativeName(name.function, name.number, lower))
                self._derivatives[name] = self.field.derivative(value, symbol)
        return self._derivatives[name]

    def _taken_apart(self, value: FracElement) -> Pieces:
        """Σ coefficient · function, the hyperparameters that no denominator holds being in the coefficients."""
        if value not in self._pieces:
            self._pieces[value] = self._apart(value) if value else []
        return self._pieces[value]

    def _apart(self, value: FracElement) -> Pieces:
        count, ring = len(self.field.functions), self.field.field.ring
        below = {place for monomial in value.denom for place, power in enumerate(monomial) if power}
        outside = [place for place in range(count, len(ring.symbols)) if place not in below]
        parts: dict[tuple[int, ...], dict] = {}
        for monomial, number in value.numer.terms():
            key = tuple(monomial[place] for place in outside)
            rest = tuple(0 if place in outside else power for place, power in enumerate(monomial))
            parts.setdefault(key, {})[rest] = number
        found = []
        for key, terms in sorted(parts.items()):
            number, numerator = ring.from_dict(terms).primitive()
            scale, denominator = value.denom.primitive()
            function = self.field.field.new(numerator, denominator)
            if self.field.is_negative(function):
                number, function = -number, -function
            outer = sp.Mul(*(ring.symbols[place] ** power for place, power in zip(outside, key, strict=True)))
            found.append((self.algebra.coefficient(outer * sp.Rational(str(number / scale))), function))
        return found

    # --- writing -----------------------------------------------------------------------------------------------------

    def products(self, contents: dict[Label, Pieces], relations: Relations | None):
        """The terms of Π over indices of Σ over independent functions, as (coefficient, nodes)."""
        sums = []
        for label, pieces in contents.items():
            terms: dict[FracElement, Any] = {}
            for coefficient, function in pieces:
                for basis, number in relations.written(function) if relations else ():
                    weight = coefficient * self.algebra.coefficient(number)
                    terms[basis] = terms[basis] + weight if basis in terms else weight
            sums.append([(c, self.nodes(basis, label)) for basis, c in terms.items() if c])
        for choice in product(*sums):
            weight, nodes = self.algebra.field.one, []
            for coefficient, more in choice:
                weight = weight * coefficient
                nodes += more
            yield weight, nodes

    def nodes(self, function: FracElement, label: Label) -> list[Node]:
        """The nodes of one independent function: powers of variables, and one node for the rest."""
        if function not in self._nodes:
            self._nodes[function] = self._written(function)
        return [Node(field, ((label,),)) for field in self._nodes[function]]

    def _written(self, function: FracElement) -> list[str]:
        factors = sp.Mul.make_args(self.field.factored(function))
        fields: list[str] = []
        inner = []
        for factor in factors:
            base, power = factor.as_base_exp()
            alone = str(base) in self.arguments and power.is_Integer and power > 0
            if alone and not any(other is not factor and other.has(base) for other in factors):
                fields += [str(base)] * int(power)
            else:
                inner.append(factor)
        rest = sp.Mul(*inner)
        return fields if rest == 1 else [*fields, ElementwiseName(rest)]
