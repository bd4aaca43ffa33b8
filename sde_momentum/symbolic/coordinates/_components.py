"""Graphs in coordinates: every index written out."""

from itertools import product

import sympy as sp

from sde_momentum.symbolic.coordinates._jets import JetRing
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial
from sde_momentum.symbolic.coordinates._reading import root_of
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE

_SERIES = 64  # powers of η^{1/q} to which a coefficient that is not polynomial in the learning rate is expanded


def in_coordinates(
    expression: TensorExpression, dimension: int, ring: JetRing | None = None
) -> dict[tuple[int, ...], JetPolynomial]:
    """Evaluate a tensor expression in components: every summed index runs over the dimension, explicitly.

    Args:
        expression: a sum of graphs of the loss, the noise's cumulants, state variables and Kronecker deltas.
        dimension: number of components, d.
        ring: where the result shall live; one that fits the expression when omitted.

    Returns:
        Components of the free indices −1, −2, …, counted from 0 → polynomial in jets.

    Raises:
        ValueError: a graph contains another kind of node.

    Example:
        >>> from sde_momentum.optimizers import sgd
        >>> from sde_momentum.symbolic import modified_equation
        >>> in_coordinates(modified_equation(sgd(), order=2).drift["x"], dimension=1)
        {(0,): -L,1*L,11*learning_rate/2 - L,1}
    """
    ring = ring or _ring_of(expression, dimension)
    found = dict.fromkeys(product(range(dimension), repeat=expression.rank), ring.zero)
    for graph, coefficient in expression:
        factor = ring.expand(in_dimension(coefficient, dimension), _SERIES)
        names = sorted({label for node in graph for group in node.slots for label in group}, reverse=True)
        for values in product(range(dimension), repeat=len(names)):
            value = dict(zip(names, values, strict=True))
            term = factor
            for node in graph:
                term = term and term * _component(ring, node.field, [[value[l] for l in group] for group in node.slots])
            free = tuple(value[label] for label in names if label < 0)
            found[free] = found[free] + term
    return found


def in_dimension(coefficient: object, dimension: int) -> sp.Expr:
    """A coefficient with the symbol `dimension` replaced by its value."""
    expression = sp.sympify(coefficient)
    return expression.subs({symbol: dimension for symbol in expression.free_symbols if str(symbol) == "dimension"})


def _component(ring: JetRing, field: str, groups: list[list[int]]) -> JetPolynomial:
    if field == "one":
        return ring.one
    function = getattr(field, "expression", None)
    if function is not None:
        return ring.function(function, groups[0][0])
    if field == "delta":
        return ring.one if groups[0][0] == groups[0][1] else ring.zero
    if field == "L":
        return ring.generator(field, (), groups[0])
    if field in ring.variables and [len(group) for group in groups] == [1]:
        return ring.generator(field, groups[0])
    if field == "Sigma" or field.startswith("kappa"):
        return ring.generator(field, *groups)
    raise ValueError(f"a node `{field}` has no components that the route in coordinates knows.")


def _ring_of(expression: TensorExpression, dimension: int) -> JetRing:
    coefficients = tuple(in_dimension(c, dimension) for _, c in expression)
    symbols = set().union(*(c.free_symbols for c in coefficients)) - {LEARNING_RATE}
    vectors = {node.field for graph, _ in expression for node in graph if [len(g) for g in node.slots] == [1]}
    return JetRing(dimension, ("x", *sorted(vectors - {"L", "x"})), symbols, root_of(coefficients))
