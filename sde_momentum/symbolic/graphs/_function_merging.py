"""One node for all functions that meet at an index, so that equal products look equal.

Functions that share an index are multiplied, with the components ∂_iL, Σ_ii and v_i that stand at the same index; whole
positive powers of these then leave the function again as nodes. In the same way |∇L|² = ∂_kL ∂_kL is absorbed by a
function of scalars.
"""

from collections import Counter
from functools import lru_cache

import sympy as sp

from sde_momentum.symbolic.graphs._field_functions import (
    DEVIATION,
    LOSS_SLOPE,
    NOISE_DEVIATION,
    NOISE_VARIANCE,
    SQUARED_GRADIENT,
    ComponentwiseName,
    ScalarName,
    componentwise_nodes,
    factors_by_argument,
    function_expression,
    scalar_nodes,
)
from sde_momentum.symbolic.graphs._graph import Graph, Label, Node, labels, next_label
from sde_momentum.symbolic.symbols._symbols import variable

_TENSORS = ("L", "Sigma", "S", "f", "delta", "one", "xi", DEVIATION)


def merged(nodes: Graph) -> Graph:
    """Merge functions of fields; a graph without any is returned as it is."""
    for label in {node.slots[0][0] for node in nodes if isinstance(node.field, ComponentwiseName)}:
        nodes = _merged_at(nodes, label)
    if any(isinstance(node.field, ScalarName) for node in nodes):
        nodes = _merged_scalars(nodes)
    return nodes


def _merged_at(nodes: Graph, label: Label) -> Graph:
    factors = [factor_at(node, label) for node in nodes]
    rest = tuple(node for node, factor in zip(nodes, factors, strict=True) if factor is None)
    powers, function = _product(tuple(factor for factor in factors if factor is not None))
    plain = [_plain(symbol, label) for symbol, power in powers for _ in range(power)]
    return (*rest, *plain, *componentwise_nodes(function, label))


@lru_cache(maxsize=8192)
def _product(factors: tuple[sp.Expr, ...]) -> tuple[list[tuple[sp.Symbol, int]], sp.Expr]:
    """Whole powers of the arguments, and the function that is left."""
    product = sp.Mul(*factors)
    states = tuple(s for s in product.free_symbols if s == variable(s.name) and s != LOSS_SLOPE)
    powers, function = factors_by_argument(product, (LOSS_SLOPE, NOISE_VARIANCE, *states))
    return sorted(powers.items(), key=lambda item: str(item[0])), function


def factor_at(node: Node, label: Label) -> sp.Expr | None:
    """The factor that a node is of the function at an index; None for a node of another kind."""
    if node.slots == ((label,),):
        if node.field == "L":
            return LOSS_SLOPE
        function = function_expression(node)
        if function is not None:
            return function
        return None if node.field in _TENSORS or node.field.startswith("kappa") else variable(node.field)
    return NOISE_VARIANCE if node.field == "Sigma" and node.slots == ((label, label), ()) else None


def _plain(symbol: sp.Symbol, label: Label) -> Node:
    if symbol == LOSS_SLOPE:
        return Node("L", ((label,),))
    if symbol == NOISE_VARIANCE:
        return Node("Sigma", ((label, label), ()))
    return Node(symbol.name, ((label,),))


def _merged_scalars(nodes: Graph) -> Graph:
    product, rest, slopes = sp.S.One, [], {}
    times = Counter(labels(nodes))
    for node in nodes:
        if isinstance(node.field, ScalarName):
            product *= node.field.expression
        elif node == (DEVIATION, ((),)):
            product *= NOISE_DEVIATION
        elif node.field == "L" and len(node.slots[0]) == 1 and node.slots[0][0] >= 0 and times[node.slots[0][0]] == 2:
            slopes.setdefault(node.slots[0][0], []).append(node)
        else:
            rest.append(node)
    for found in slopes.values():
        if len(found) == 2:
            product *= SQUARED_GRADIENT
        else:
            rest += found
    powers, function = factors_by_argument(product, (SQUARED_GRADIENT,))
    fresh = next_label(rest)
    for label in range(fresh, fresh + powers.get(SQUARED_GRADIENT, 0)):
        rest += [Node("L", ((label,),))] * 2
    return (*rest, *scalar_nodes(function))
