"""Averages over the gradient noise: products of ξ become cumulant tensors."""

from collections.abc import Iterator

from sde_momentum.symbolic.graphs._graph import Graph, Label, Node

NOISE = "xi"


def set_partitions(items: tuple, smallest: int = 2) -> Iterator[list[tuple]]:
    """Yield the partitions of `items` into blocks of at least `smallest` elements."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for mask in range(1 << len(rest)):
        block = (first, *(item for bit, item in enumerate(rest) if mask >> bit & 1))
        if len(block) < smallest:
            continue
        others = tuple(item for bit, item in enumerate(rest) if not mask >> bit & 1)
        for partition in set_partitions(others, smallest):
            yield [block, *partition]


def split_noise(nodes: Graph) -> tuple[list[Label], Graph]:
    """Separate the labels of the noise nodes from the other nodes."""
    noise = [node.slots[0][0] for node in nodes if node.field == NOISE]
    return noise, tuple(node for node in nodes if node.field != NOISE)


def noise_node(label: Label) -> Node:
    """The node ξ_label."""
    return Node(NOISE, ((label,),))
