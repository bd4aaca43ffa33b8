r"""Coupled weight decay in what is printed: the loss $\tilde L = L + \frac w2|x|^2$ in place of L and x.

Where a rule descends $\tilde L$, its equation is that of $\tilde L$. Written in L it falls into many terms, so that
$\nabla L = \nabla\tilde L - w x$ and $H = \tilde H - w I$ are inserted to see whether x disappears.
"""

from collections.abc import Iterable
from itertools import product

import sympy as sp

from sde_momentum.symbolic.equation._extraction import DELTA
from sde_momentum.symbolic.equation._limit import Limit
from sde_momentum.symbolic.graphs._canonical import canonical
from sde_momentum.symbolic.graphs._graph import Graph, Node, relabel
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.step._expansion import leading_power
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE


def decay_rate(expressions: Iterable[TensorExpression], parameters: str) -> sp.Expr | None:
    """The w of L + w/2 |x|² in whose terms expressions are free of x; None where there is none, or nothing to gain."""
    expressions = [e for e in expressions if e]
    if not any(_held(graph, parameters) and len(graph) > 1 for e in expressions for graph, _ in e):
        return None
    rates = [rate for rate in (_rate(e, parameters) for e in expressions if e.rank == 1) if rate is not None]
    if not rates:
        return None
    rate, inserted = rates[0], [in_decayed_loss(e, rates[0], parameters) for e in expressions]
    return None if any(_held(graph, parameters) for e in inserted for graph, _ in e) else rate


def in_decayed_loss(expression: TensorExpression, rate: sp.Expr, parameters: str) -> TensorExpression:
    """The expression with L̃ for L, named L as before."""
    pairs = []
    for graph, coefficient in expression:
        choices = [_choices(node, rate, parameters) for node in graph]
        for chosen in product(*choices):
            weight = sp.Mul(coefficient, *(factor for _, factor in chosen))
            pairs.append((_without_deltas(tuple(node for node, _ in chosen)), weight))
    return TensorExpression.collect(pairs)


def decayed(limit: Limit) -> tuple[Limit, sp.Expr | None]:
    """What is printed of a limit in terms of L̃, and w; the limit itself and None where L says it better."""
    from dataclasses import replace

    x = limit.rule.state[0]
    parts = ("drift", "factor", "initial_shift", "covariance")
    rate = decay_rate((e for part in parts for e in getattr(limit, part).values()), x)
    if rate is None:
        return limit, None
    moved = {part: {k: in_decayed_loss(e, rate, x) for k, e in getattr(limit, part).items()} for part in parts}
    return replace(limit, **moved), rate


def _rate(expression: TensorExpression, parameters: str) -> sp.Expr | None:
    """The ratio of a term with x and its like with ∇L, to leading order in the learning rate."""
    present = dict(expression)
    for graph, c in expression:
        for place, node in enumerate(graph):
            if node.field == "L" and len(node.slots[0]) == 1:
                partner = canonical((*graph[:place], Node(parameters, node.slots), *graph[place + 1 :]))
                if partner in present:
                    coefficient, power = leading_power(present[partner] / c)
                    return sp.factor(coefficient * LEARNING_RATE ** sp.Rational(power.numerator, power.denominator))
    return None


def _held(graph: Graph, parameters: str) -> bool:
    return any(node.field == parameters for node in graph)


def _choices(node: Node, rate: sp.Expr, parameters: str) -> list[tuple[Node, sp.Expr]]:
    kept = (node, sp.S.One)
    if node.field != "L" or len(node.slots[0]) not in (1, 2):
        return [kept]
    labels = node.slots[0]
    if len(labels) == 1:
        return [kept, (Node(parameters, (labels,)), -rate)]
    return [kept] if labels[0] == labels[1] else [kept, (Node(DELTA, (tuple(sorted(labels)),)), -rate)]


def _without_deltas(graph: Graph) -> Graph:
    """Contract δ_ij with what holds i or j, where one of them is summed."""
    for node in graph:
        if node.field != DELTA:
            continue
        low, high = node.slots[0]
        summed = high if high >= 0 else low
        if summed < 0:
            continue
        kept = low if summed == high else high
        rest = tuple(other for other in graph if other is not node)
        return _without_deltas(relabel(rest, {summed: kept}))
    return graph
