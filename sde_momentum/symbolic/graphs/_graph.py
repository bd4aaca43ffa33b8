"""Contracted tensor graphs.

A graph is a product of nodes. A node is a field (∇^k L, ∇^k Σ, a state variable, the test function …) whose slots carry
index labels; a label that occurs in several slots is summed, one index of ℝ^d for every dimension d at once. Because a
label may occur in *more* than two slots, elementwise products such as g_i² are graphs too. Negative labels are free.
"""

from collections.abc import Iterable
from typing import NamedTuple

Label = int
FREE: tuple[Label, Label] = (-1, -2)


class Node(NamedTuple):
    """A field with its index labels, grouped into slots that commute.

    `slots` has one tuple a symmetric group: `Node("L", ((0, 1),))` is ∂²L/∂x_0∂x_1, and
    `Node("Sigma", ((0, 1), (2,)))` is ∂Σ_01/∂x_2.
    """

    field: str
    slots: tuple[tuple[Label, ...], ...]


Graph = tuple[Node, ...]


def labels(nodes: Iterable[Node]) -> list[Label]:
    """List every label occurrence, repeated as often as it occurs."""
    return [label for node in nodes for group in node.slots for label in group]


def relabel(nodes: Iterable[Node], mapping: dict[Label, Label]) -> Graph:
    """Rename labels; a label that `mapping` lacks is kept."""
    # Lists rather than generators here and below: derivations spend most of their time in these few lines.
    renamed = mapping.get
    return tuple([
        Node(field, tuple([tuple([renamed(label, label) for label in group]) for group in slots]))
        for field, slots in nodes
    ])  # fmt: skip


def shift(nodes: Graph, offset: int) -> Graph:
    """Add `offset` to every summed label, so that two graphs can be multiplied without a clash."""
    if not offset:
        return nodes
    return tuple([
        Node(field, tuple([tuple([n + offset if n >= 0 else n for n in group]) for group in slots]))
        for field, slots in nodes
    ])  # fmt: skip


def next_label(nodes: Iterable[Node]) -> Label:
    """Return the smallest non-negative label above all labels in use."""
    return max(labels(nodes), default=-1) + 1
