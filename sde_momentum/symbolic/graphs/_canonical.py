"""The canonical form of a graph: equal products of fields look equal."""

from collections.abc import Iterable
from functools import lru_cache

from sde_momentum.symbolic.graphs._function_merging import merged
from sde_momentum.symbolic.graphs._graph import Graph, Label, Node, labels, relabel


def _sorted(nodes: Iterable[Node]) -> Graph:
    order = lambda group: tuple(sorted(group)) if len(group) > 1 else group
    return tuple(sorted([Node(field, tuple([order(group) for group in slots])) for field, slots in nodes]))


def canonical(nodes: Iterable[Node]) -> Graph:
    """Return the representative of a graph under renaming of summed labels and reordering of nodes.

    Two products of nodes are equal as tensors (for generic fields) iff their canonical forms are equal. Labels are
    told apart by color refinement; where that leaves ties, each candidate is singled out in turn and the smallest
    result kept. Interchangeable labels (twins) are tried once.
    """
    nodes = tuple(nodes)
    if any(type(field) is not str for field, _ in nodes):
        nodes = merged(nodes)
    ordered = _sorted(nodes)
    summed = sorted({label for label in labels(ordered) if label >= 0})
    return _canonical(relabel(ordered, {label: position for position, label in enumerate(summed)}))


@lru_cache(maxsize=1 << 18)
def _canonical(nodes: Graph) -> Graph:
    colors = {label: label if label < 0 else 0 for label in set(labels(nodes))}
    return _search(nodes, colors)


def _search(nodes: Graph, colors: dict[Label, int]) -> Graph:
    colors = _refine(nodes, colors)
    tied = _first_tie(colors)
    if tied is None:
        return _sorted(relabel(nodes, colors))
    tried: list[Label] = []
    best: Graph | None = None
    reference = _sorted(nodes)
    for label in tied:
        if any(_sorted(relabel(nodes, {label: twin, twin: label})) == reference for twin in tried):
            continue
        tried.append(label)
        # Singling out one label: it comes first in its class, the others move up by one.
        singled = {other: color + (color >= colors[label] and other != label) for other, color in colors.items()}
        candidate = _search(nodes, singled)
        best = candidate if best is None or candidate < best else best
    assert best is not None
    return best


def _first_tie(colors: dict[Label, int]) -> list[Label] | None:
    classes: dict[int, list[Label]] = {}
    for label in sorted(colors):
        if label >= 0:
            classes.setdefault(colors[label], []).append(label)
    return next((classes[color] for color in sorted(classes) if len(classes[color]) > 1), None)


def _refine(nodes: Graph, colors: dict[Label, int]) -> dict[Label, int]:
    """Split classes of labels by what their nodes look like until nothing changes; colors end as ranks."""
    summed = [label for label in colors if label >= 0]
    free = {label: label for label in colors if label < 0}
    count = len({colors[label] for label in summed})
    while True:
        keys = _appearances(nodes, colors, summed)
        rank = {key: place for place, key in enumerate(sorted(set(keys.values())))}
        colors = {**{label: rank[key] for label, key in keys.items()}, **free}
        if len(rank) in (count, len(summed)):  # nothing split, or nothing is left to split
            return colors
        count = len(rank)


def _appearances(nodes: Graph, colors: dict[Label, int], summed: list[Label]) -> dict[Label, tuple]:
    """What each summed label looks like: its color, and the colored nodes and slots that it occurs in."""
    found: dict[Label, list] = {label: [] for label in summed}
    for field, slots in nodes:
        seen = tuple([tuple(sorted([colors[label] for label in group])) for group in slots])
        for position, group in enumerate(slots):
            mark = (field, position, seen)
            for label in group:
                if label >= 0:
                    found[label].append(mark)
    return {label: (colors[label], tuple(sorted(marks))) for label, marks in found.items()}
