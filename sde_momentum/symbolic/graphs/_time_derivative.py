"""Time derivatives of operators, acting on coefficients that depend on time."""

from collections.abc import Iterator
from math import comb

from sde_momentum.symbolic.graphs._fields import TEST
from sde_momentum.symbolic.graphs._graph import Graph, Node
from sde_momentum.symbolic.symbols._coefficients import Coefficient

TIME = "time@"  # the state variable that no rule has: its name is no identifier


def leibniz_in_time(
    left: Graph, coefficient: Coefficient, place: int, times: int
) -> Iterator[tuple[Graph, Coefficient]]:
    """∂_t^n (c g) = Σ_j C(n, j) ∂_t^j c · ∂_t^(n−j) g for n = `times`, the time standing at `place` of the state."""
    for taken in range(times + 1):
        if coefficient:
            yield _without_time(left, place, taken), coefficient * comb(times, taken)
        coefficient = coefficient.time_derivative()


def _without_time(graph: Graph, place: int, taken: int) -> Graph:
    if not taken:
        return graph
    nodes = []
    for node in graph:
        if node.field == TEST:
            slots = (*node.slots[:place], node.slots[place][taken:], *node.slots[place + 1 :])
            node = Node(TEST, slots)
        nodes.append(node)
    return tuple(nodes)
