"""Contraction plans: in which order a tensor graph is evaluated by derivatives along vectors.

A graph whose nodes hang together as a tree needs no tensor: every node maps the vectors on its other slots to the
vector on one slot. A cycle is cut by summing over a basis of ℝ^d, or, through a Σ node, over the columns of its
factor S.
"""

from collections.abc import Iterator
from typing import NamedTuple

from sde_momentum.symbolic import Graph, Label, Node, graph_labels

OUTPUT: Label = -1
BASIS, COLUMN = "basis", "S"


class Plan(NamedTuple):
    """A graph without cycles, and the sums that cut them.

    Attributes:
        graph: nodes, among them `basis` nodes e_a and factor nodes S e_a with a running sum index.
        basis_sums: how many sums run over a basis of ℝ^d.
        column_sums: how many sums run over the columns of S.
    """

    graph: Graph
    basis_sums: int
    column_sums: int


def plan(graph: Graph) -> Plan:
    """Cut the cycles of a graph."""
    basis = columns = 0
    if any(graph_labels((node,)).count(OUTPUT) > 1 and not is_diagonal(node) for node in graph):
        graph = (*_cut(graph, OUTPUT, basis), Node(BASIS, ((OUTPUT,), (-100 - basis,))))
        basis += 1
    while True:
        cycle = _find_cycle(graph)
        if cycle is None:
            return Plan(graph, basis, columns)
        nodes, wires = cycle
        through = next((n for n in nodes if graph[n].field == "Sigma" and _both_base_slots(graph[n], wires)), None)
        if through is not None:
            graph = _split_covariance(graph, through, columns)
            columns += 1
        else:
            graph = _cut(graph, wires[0], basis)
            basis += 1


def passes(graph: Graph, dimension: int, noise_dim: int) -> int:
    """How many evaluations of the tree the plan of a graph needs: 1 without cycles."""
    cut = plan(graph)
    diagonals = sum(is_diagonal(node) for node in cut.graph)
    return dimension**cut.basis_sums * noise_dim**cut.column_sums * min(dimension, noise_dim) ** diagonals


def ends(graph: Graph, label: Label) -> Iterator[int]:
    """Positions of the nodes that carry a label."""
    return (position for position, node in enumerate(graph) if label in graph_labels((node,)))


def is_diagonal(node: Node) -> bool:
    """Whether a cumulant has one label on all its base slots, as Σ_ii or κ₃_iii: a vector without further sums."""
    cumulant = node.field == "Sigma" or node.field.startswith("kappa")
    return cumulant and len(set(node.slots[0])) == 1 and node.slots[0][0] not in node.slots[1]


def _both_base_slots(node: Node, wires: tuple[Label, ...]) -> bool:
    return not node.slots[1] and set(node.slots[0]) <= set(wires) and len(set(node.slots[0])) == 2


def _split_covariance(graph: Graph, position: int, index: int) -> Graph:
    """Σ_jk = Σ_a S_ja S_ka, with a written as the column number −10 − index."""
    (first, second), _ = graph[position].slots
    column = -10 - index
    halves = tuple(Node(COLUMN, ((label,), (column,), ())) for label in (first, second))
    return (*graph[:position], *graph[position + 1 :], *halves)


def _cut(graph: Graph, label: Label, index: int) -> Graph:
    """Give every occurrence of a label a wire of its own that ends in the basis vector e_a."""
    fresh = max(max(graph_labels(graph)), 0) + 1
    result: list[Node] = []
    for node in graph:
        slots = []
        for group in node.slots:
            renamed = []
            for old in group:
                renamed.append(fresh if old == label else old)
                if old == label:
                    result.append(Node(BASIS, ((fresh,), (-100 - index,))))
                    fresh += 1
            slots.append(tuple(renamed))
        result.append(Node(node.field, tuple(slots)))
    return tuple(result)


def _find_cycle(graph: Graph) -> tuple[list[int], tuple[Label, ...]] | None:
    """A cycle of the bipartite graph of nodes and summed labels, as (nodes, labels); None for a forest."""
    for start in range(len(graph)):
        found = _walk(graph, start, None, [start], [])
        if found is not None:
            return found
    return None


def _walk(graph: Graph, node: int, arrived: Label | None, nodes: list[int], wires: list[Label]):
    own = [label for label in graph_labels((graph[node],)) if label >= 0]
    own = list(dict.fromkeys(own)) if is_diagonal(graph[node]) else own
    repeated = next((label for label in own if own.count(label) > 1), None)
    if repeated is not None:
        return [node], (repeated,)
    for label in own:
        if label == arrived:
            continue
        for other in ends(graph, label):
            if other == node:
                continue
            if other in nodes:
                first = nodes.index(other)
                return nodes[first:], (*wires[first:], label)
            found = _walk(graph, other, label, [*nodes, other], [*wires, label])
            if found is not None:
                return found
    return None


def components(graph: Graph) -> list[Graph]:
    """Split a graph into connected parts; every part but the one with the output is a scalar factor."""
    remaining, parts = list(range(len(graph))), []
    while remaining:
        part, frontier = {remaining[0]}, [remaining[0]]
        while frontier:
            node = frontier.pop()
            for label in graph_labels((graph[node],)):
                if label >= 0 or label == OUTPUT:
                    new = [other for other in ends(graph, label) if other not in part]
                    part.update(new)
                    frontier.extend(new)
        parts.append(tuple(graph[n] for n in sorted(part)))
        remaining = [n for n in remaining if n not in part]
    return parts


__all__ = ["BASIS", "COLUMN", "OUTPUT", "Plan", "components", "ends", "is_diagonal", "passes", "plan"]
