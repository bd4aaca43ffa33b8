"""The calculus of graphs: Leibniz' rule, products, and displaced evaluation.

A `Combination` is a linear combination of graphs with coefficients in a fraction field over the rationals. An `Algebra`
knows which field a node's name stands for, and hence how to differentiate.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import sympy as sp

from sde_momentum.symbolic.graphs._canonical import canonical
from sde_momentum.symbolic.graphs._field_functions import FRESH, FieldTable
from sde_momentum.symbolic.graphs._fields import TEST, DerivativeName, Elementwise, State, Tensor, TestFunction
from sde_momentum.symbolic.graphs._graph import Graph, Label, labels, next_label, relabel, shift
from sde_momentum.symbolic.graphs._time_derivative import TIME, leibniz_in_time
from sde_momentum.symbolic.symbols._coefficients import Coefficient, CoefficientField
from sde_momentum.symbolic.symbols._transcendental import with_values

Combination = dict[Graph, Coefficient]

DIMENSION = sp.Symbol("dimension", positive=True, integer=True)


class Algebra:
    """Fields, state variables and the coefficient field of one derivation.

    Args:
        variables: names of the state variables, the parameters first.
        symbols: hyperparameters that may occur in coefficients, besides the dimension.
    """

    def __init__(self, variables: tuple[str, ...], symbols: Iterable[sp.Symbol] = ()):
        self.variables = variables
        self.symbols = tuple(sorted({*symbols, DIMENSION}, key=str))
        self.field = CoefficientField(self.symbols)
        self.test = TestFunction(variables)
        self.loss = Tensor("L", 0, variables[0])
        self.cumulants = {2: Tensor("Sigma", 2, variables[0])}
        self.functions: dict[sp.Expr, Elementwise] = {}
        self._compositions: dict[tuple[Graph, Graph], Combination] = {}
        known = {TEST: self.test, "L": self.loss, "Sigma": self.cumulants[2]}
        self.fields: FieldTable = FieldTable(known, variables[0])
        for variable in variables:
            self.fields[variable] = State(variable)

    def cumulant(self, order: int) -> Tensor:
        """The cumulant tensor of the gradient noise: Σ for 2, κ₃ for 3, κ₄ for 4."""
        if order not in self.cumulants:
            self.cumulants[order] = Tensor(f"kappa{order}", order, self.variables[0])
            self.fields[f"kappa{order}"] = self.cumulants[order]
        return self.cumulants[order]

    def elementwise(self, expression: sp.Expr, arguments: Mapping[str, sp.Symbol]) -> Elementwise:
        """Register an elementwise function and return it."""
        if expression not in self.functions:
            held = {name: symbol for name, symbol in arguments.items() if expression.has(symbol)}
            function = Elementwise(DerivativeName(expression, len(self.functions)), held)
            self.functions[expression] = self.fields[function.name] = function
        return self.functions[expression]

    def coefficient(self, value: Any) -> Coefficient:
        """Convert a number or a sympy expression to the coefficient field, exactly."""
        if isinstance(value, int | Fraction):
            return self.field.from_fraction(value)
        return self.field.from_sympy(sp.sympify(value))

    def to_sympy(self, value: Coefficient) -> sp.Expr:
        """Convert a coefficient to a factored sympy expression."""
        return with_values(self.field.to_sympy(value))

    def state(self, variable: str) -> State:
        """The field of a state variable."""
        return self.fields[variable]

    def derivatives(self, graph: Graph) -> list[tuple[str, Label]]:
        """List by which (variable, label) pairs the graph's test function is differentiated."""
        return [pair for node in graph if node.field == TEST for pair in self.test.derivatives(node)]

    # --- Leibniz -----------------------------------------------------------------------------------------------------

    def differentiate(self, graph: Graph, variable: str, label: Label) -> list[tuple[Coefficient, Graph, Any]]:
        """∂graph/∂(variable)_label by Leibniz' rule, as (coefficient, nodes, labels to identify or None)."""
        pieces = []
        for position, node in enumerate(graph):
            rest = graph[:position] + graph[position + 1 :]
            field = self.fields[node.field]
            if isinstance(field, Elementwise):
                derivative = field.differentiated(variable)
                if derivative is not None:
                    self.fields.setdefault(derivative.name, derivative)
                    own = node.slots[0][0]
                    pieces.append((1, (*rest, derivative.node(own)), (own, label)))
                continue
            found = field.derivative(node, variable, label)
            pieces += [(piece.coefficient, (*rest, *piece.nodes), piece.identify) for piece in found]
        return [(self.field.one if c == 1 else self.coefficient(c), nodes, identify) for c, nodes, identify in pieces]

    def apply_derivatives(
        self, prefix: Graph, target: Graph, slots: list[tuple[str, Label]]
    ) -> list[tuple[Coefficient, Graph]]:
        """Prefix · ∂_slots target, where the slots' labels occur in `prefix` and no other label is common to both."""
        terms: list[tuple[Coefficient, Graph, Graph, list[tuple[str, Label]]]] = [
            (self.field.one, prefix, target, list(slots))
        ]
        finished = []
        while terms:
            coefficient, left, right, remaining = terms.pop()
            if not remaining:
                finished.append((coefficient, (*left, *right)))
                continue
            (variable, label), *rest = remaining
            for factor, nodes, identify in self.differentiate(right, variable, label):
                if self.fields.scalars and FRESH in labels(nodes):
                    used = [*labels((*left, *nodes)), label, *(other for _, other in rest)]
                    nodes = relabel(nodes, {FRESH: max(used) + 1})
                terms.append(self._identified(coefficient * factor, left, nodes, rest, identify))
        return finished

    def _identified(self, coefficient, left: Graph, right: Graph, slots, identify):
        """Carry out a Kronecker delta: rename one label to the other; a label that vanishes sums to the dimension."""
        if identify is None:
            return coefficient, left, right, slots
        keep, drop = min(identify), max(identify)  # a free label is negative, hence kept
        mapping = {drop: keep}
        left, right = relabel(left, mapping), relabel(right, mapping)
        slots = [(variable, mapping.get(label, label)) for variable, label in slots]
        present = keep < 0 or keep in labels((*left, *right)) or any(label == keep for _, label in slots)
        if not present:
            coefficient = coefficient * self.coefficient(DIMENSION)
        return coefficient, left, right, slots

    def in_time(self, left: Graph, coefficient: Coefficient) -> Iterable[tuple[Graph, Coefficient]]:
        """What the time derivatives in `left` make of a coefficient at their right; nothing without schedules."""
        if not self.field.rates:
            return ((left, coefficient),)
        times = sum(variable == TIME for variable, _ in self.derivatives(left))
        return leibniz_in_time(left, coefficient, self.variables.index(TIME), times)

    def compose(self, left: Graph, right: Graph) -> Combination:
        """(left ∘ right): the operator `left` acting on the function `right` f, by Leibniz' rule."""
        key = (left, right)
        if key not in self._compositions:
            self._compositions[key] = self._compose(left, right)
        return self._compositions[key]

    def _compose(self, left: Graph, right: Graph) -> Combination:
        moved = shift(right, next_label(left))
        prefix = tuple(node for node in left if node.field != TEST)
        result: Combination = {}
        for coefficient, nodes in self.apply_derivatives(prefix, moved, self.derivatives(left)):
            accumulate(result, canonical(nodes), coefficient)
        return result


def accumulate(combination: Combination, graph: Graph, coefficient: Coefficient) -> None:
    """Add coefficient · graph in place; a coefficient that becomes zero is removed."""
    if not coefficient:
        return
    total = combination[graph] + coefficient if graph in combination else coefficient
    if total:
        combination[graph] = total
    else:
        del combination[graph]
