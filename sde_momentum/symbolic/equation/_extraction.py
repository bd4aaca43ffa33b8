"""Reading drift, covariance and obstruction off a generator."""

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

import sympy as sp

from sde_momentum.symbolic.graphs._algebra import Algebra
from sde_momentum.symbolic.graphs._fields import TEST, ElementwiseName, elementwise_expression
from sde_momentum.symbolic.graphs._graph import FREE, Graph, Label, Node, labels, relabel
from sde_momentum.symbolic.graphs._operator import Operator
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE

DELTA, ONE = "delta", "one"


def order_of(algebra: Algebra, graph: Graph) -> int:
    """How often the test function is differentiated."""
    return len(algebra.derivatives(graph))


def weight(algebra: Algebra, coefficient, exponent: Fraction) -> sp.Expr:
    """Coefficient · η^exponent in sympy."""
    return algebra.to_sympy(coefficient) * LEARNING_RATE ** sp.Rational(exponent.numerator, exponent.denominator)


def drift_of(generator: Operator) -> dict[str, TensorExpression]:
    """The ∂_i terms of a generator, one vector expression a variable."""
    return _collected(generator, 1, lambda algebra, graph: [(_freed(algebra, graph, FREE[:1]), sp.S.One)])


def covariance_of(generator: Operator) -> dict[tuple[str, str], TensorExpression]:
    """The A in ½ A_ij ∂_ij, one matrix expression for each ordered pair of variables that has one."""

    def halves(algebra: Algebra, graph: Graph):
        (first, _), (second, _) = algebra.derivatives(graph)
        if first != second:
            return [(_freed(algebra, graph, FREE), sp.S.One)]
        return [(_freed(algebra, graph, FREE), sp.S.One), (_freed(algebra, graph, FREE[::-1]), sp.S.One)]

    return _collected(generator, 2, halves)


def obstruction_of(generator: Operator, allowed: int = 2) -> dict[tuple[str, ...], TensorExpression]:
    """The lowest terms with more than `allowed` derivatives, as tensors by tuple of variables; empty without any."""
    algebra = generator.algebra
    high = generator.select(lambda graph: order_of(algebra, graph) > allowed)
    if not high:
        return {}
    found: dict[tuple[str, ...], list] = {}
    for exponent, graph, coefficient in Operator(algebra, {high.lowest: high.at(high.lowest)}, high.cutoff):
        variables = tuple(v for v, _ in algebra.derivatives(graph))
        frees = tuple(-1 - position for position in range(len(variables)))
        tensor = _freed(algebra, graph, frees)
        found.setdefault(variables, []).append((tensor, weight(algebra, coefficient, exponent)))
    return {variables: TensorExpression.collect(pairs) for variables, pairs in found.items()}


def _collected(generator: Operator, order: int, pieces) -> dict:
    algebra = generator.algebra
    found: dict = {}
    for exponent, graph, coefficient in generator:
        if order_of(algebra, graph) != order:
            continue
        names = tuple(v for v, _ in algebra.derivatives(graph))
        target = found.setdefault(names[0] if order == 1 else names, [])
        for nodes, factor in pieces(algebra, graph):
            content, primitive = without_content(nodes)
            target.append((primitive, weight(algebra, coefficient, exponent) * factor * content))
    return {names: TensorExpression.collect(pairs) for names, pairs in found.items()}


def without_content(nodes: Graph) -> tuple[sp.Expr, Graph]:
    """Take constant factors out of elementwise functions, 1/(cφ + cψ) = c⁻¹/(φ + ψ), so that equal ones look equal."""
    content, primitive = sp.S.One, []
    for node in nodes:
        expression = elementwise_expression(node)
        if expression is not None:
            factor, rest = _constant_factor(expression)
            if factor != 1:
                content, node = content * factor, Node(ElementwiseName(rest), node.slots)
        primitive.append(node)
    return content, tuple(primitive)


@lru_cache(maxsize=1024)
def _constant_factor(expression: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    # Hyperparameters are symbols that are not negative, components of the state are real ones.
    state = [symbol for symbol in expression.free_symbols if not symbol.is_nonnegative]
    is_sum = lambda e: e.is_Pow and e.base.is_Add

    def apart(power: sp.Expr) -> sp.Expr:
        base = sp.factor(power.base) if power.exp.is_Integer else sp.factor_terms(power.base, radical=True)
        # Without a constant to take out the sum stays as it is written: factoring turns 1 − e⁻ᵏ into e⁻ᵏ (eᵏ − 1).
        return power if base.as_independent(*state, as_Add=False)[0] == 1 else base**power.exp

    constant, rest = sp.factor_terms(expression.replace(is_sum, apart)).as_independent(*state, as_Add=False)
    return constant, rest


def _freed(algebra: Algebra, graph: Graph, frees: Iterable[Label]) -> Graph:
    """Remove the test function and make its indices free.

    An index it holds twice becomes a Kronecker delta, and one that nothing else holds the vector of ones.
    """
    rest = tuple(node for node in graph if node.field != TEST)
    mapping: dict[Label, Label] = {}
    deltas: list[Node] = []
    pairs = zip(algebra.derivatives(graph), frees, strict=True)
    for (_, label), free in sorted(pairs, key=lambda pair: -pair[1]):
        if label in mapping:
            deltas.append(Node(DELTA, (tuple(sorted((mapping[label], free))),)))
        else:
            mapping[label] = free
    present = set(labels(rest))
    alone = [free for label, free in mapping.items() if label not in present]
    covered = {label for node in deltas for group in node.slots for label in group}
    ones = [Node(ONE, ((free,),)) for free in alone if free not in covered]
    return (*relabel(rest, mapping), *deltas, *ones)
