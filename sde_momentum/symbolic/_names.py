"""Coordinate-free names of contracted graphs: H∇L, D³L[Σ], tr(HΣ), |∇L|².

A graph is taken apart at a node: what hangs on one index is a vector, what hangs on two a matrix. A graph that is not
put together in this way (a component used elementwise, say) raises `Unnameable`, and its reader gets indices instead.
"""

from collections.abc import Iterator

from ._graph import FREE, Graph, Label, labels, relabel
from ._index_notation import in_indices, index_letters
from ._style import Style
from ._tensor_names import TensorNamer, Unnameable, components


def name_of(style: Style, graph: Graph) -> tuple[str, ...]:
    """Write a graph as factors whose product it is: scalars first, then the tensor.

    A graph without a name is one factor in index notation. As a vector or a matrix, which stand beside coordinate-free
    ones, it is in parentheses that carry its free indices; a tensor of higher rank is always written by its components.
    """
    frees = tuple(sorted({label for label in labels(graph) if label < 0}, reverse=True))
    if len(frees) > 2:
        return (in_indices(style, graph, frees),)
    try:
        return _Namer(style).factors(graph, frees)
    except Unnameable:
        letters = index_letters(graph, frees)
        indices = "".join(letters[free] for free in frees)
        return (style.indexed(style.parenthesized(in_indices(style, graph, frees)), indices),)


class _Namer:
    """Names of whole graphs in one style."""

    def __init__(self, style: Style):
        self.style, self.tensors = style, TensorNamer(style)

    def factors(self, graph: Graph, frees: tuple[Label, ...]) -> tuple[str, ...]:
        occurring = labels(graph)
        wanted = {label: 1 if label < 0 else 2 for label in set(occurring)}
        if any(occurring.count(label) != times for label, times in wanted.items()):
            raise Unnameable
        parts = components(graph)
        scalars = sorted(self.scalar(part) for part in parts if min(labels(part), default=0) >= 0)
        tensors = [part for part in parts if min(labels(part), default=0) < 0]
        if len(tensors) == 2:  # one free index each: an outer product
            left, right = sorted(tensors, key=lambda part: FREE[0] not in labels(part))
            row = self.style.product(self.tensors.vector(right, FREE[1]))
            return (*scalars, self.style.product((*self.tensors.vector(left, FREE[0]), self.style.transposed(row))))
        if not tensors:
            return tuple(scalars)
        tensor = self.tensors.vector(tensors[0], *frees) if len(frees) == 1 else self.tensors.matrix(tensors[0], *frees)
        return (*scalars, self.style.product(tensor))

    def scalar(self, graph: Graph) -> str:
        """|v|², DᵏL[…], u·v or tr A, whichever fits first."""
        for attempt in (self._single, self._square, self._at_center, self._scalar_product, self._trace):
            try:
                return attempt(graph)
            except Unnameable:
                continue
        raise Unnameable

    def _single(self, graph: Graph) -> str:
        if len(graph) != 1:
            raise Unnameable
        field, slots = self.tensors.field_of(graph[0])
        if slots:
            raise Unnameable
        return field

    def _bridges(self, graph: Graph) -> Iterator[tuple[Label, Graph, Graph]]:
        """Labels whose cut leaves two parts."""
        for label in sorted(set(labels(graph))):
            holders = [node for node in graph if label in labels([node])]
            if len(holders) != 2:
                continue
            # The two ends get names of their own, so that cutting the label disconnects them.
            first = graph.index(holders[0])
            cut = tuple(relabel([n], {label: FREE[0]})[0] if p == first else n for p, n in enumerate(graph))
            parts = components(cut)
            if len(parts) == 2:
                left, right = sorted(parts, key=lambda part: FREE[0] not in labels(part))
                yield label, relabel(left, {FREE[0]: label}), right

    def _square(self, graph: Graph) -> str:
        for label, left, right in self._bridges(graph):
            if len(left) == len(right) and self.tensors.vector(left, label) == self.tensors.vector(right, label):
                return self.style.norm_squared(self.style.product(self.tensors.vector(left, label)))
        raise Unnameable

    def _at_center(self, graph: Graph) -> str:
        """All arguments of the highest derivative of L: D³L[∇L,∇L,∇L]."""
        center = max(graph, key=lambda node: len(labels([node])) if node.field == "L" else 0)
        field, slots = self.tensors.field_of(center)
        if center.field != "L" or len(slots) < 3:
            raise Unnameable
        return self.style.directional(len(slots), field, self.tensors.arguments(graph, center, slots))

    def _scalar_product(self, graph: Graph) -> str:
        def rank(part: Graph) -> tuple:  # short before long, a state before a gradient
            return len(part), part[0].field == "L"

        for label, *parts in sorted(self._bridges(graph), key=lambda cut: min(rank(cut[1]), rank(cut[2]))):
            small, large = sorted(parts, key=rank)
            left, right = (self.style.product(self.tensors.vector(part, label)) for part in (small, large))
            return self.style.dot(left, right)
        raise Unnameable

    def _trace(self, graph: Graph) -> str:
        found = []
        for label in sorted(set(labels(graph))):
            holders = [position for position, node in enumerate(graph) if label in labels([node])]
            if len(holders) != 2:
                continue
            for ends in (holders, holders[::-1]):
                cut = list(graph)
                for position, free in zip(ends, FREE, strict=True):
                    cut[position] = relabel([graph[position]], {label: free})[0]
                try:
                    found.append(self.tensors.matrix(tuple(cut), *FREE))
                except Unnameable:
                    continue
        if not found:
            raise Unnameable
        return self.style.function("tr", self.style.product(min(found)))
