"""Coordinate-free names of contracted graphs: H∇L, D³L[Σ], tr(HΣ), |∇L|².

A graph is taken apart at a node: what hangs on one index is a vector, what hangs on two a matrix. A graph that is not
put together in this way (a component used elementwise, say) raises `Unnameable`, and its reader gets indices instead.
"""

from collections.abc import Iterator

from sde_momentum.symbolic.equation._extraction import ONE
from sde_momentum.symbolic.graphs._field_functions import function_expression
from sde_momentum.symbolic.graphs._graph import FREE, Graph, Label, labels, relabel
from sde_momentum.symbolic.presentation._index_notation import elementwise, in_indices, index_letters
from sde_momentum.symbolic.presentation._style import Style
from sde_momentum.symbolic.presentation._tensor_names import TensorNamer, Unnameable, components


def name_of(style: Style, graph: Graph) -> tuple[str, ...]:
    """Write a graph as factors whose product it is: scalars first, then the tensor.

    A graph without a name is one factor in index notation. As a vector or a matrix, which stand beside coordinate-free
    ones, it is in parentheses that carry its free indices; a tensor of higher rank is always written by its components.
    """
    if [node.field for node in graph] == [ONE]:
        return (style.ones,)
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
        parts = components(_separated(graph))
        occurring = [label for part in parts for label in labels(part) if label >= 0]
        if any(occurring.count(label) != 2 for label in occurring):
            raise Unnameable
        scalars = sorted(self.scalar(part) for part in parts if min(labels(part), default=0) >= 0)
        tensors = [part for part in parts if min(labels(part), default=0) < 0]
        if not frees:
            return tuple(scalars)
        return (*scalars, self._vector(tensors) if len(frees) == 1 else self._matrix(tensors))

    def _vector(self, parts: list[Graph]) -> str:
        """A vector, or several multiplied component by component."""
        _require_vectors(parts)
        if len(parts) == 1:
            return self.style.product(self.tensors.vector(parts[0], *_free(parts[0])))
        return self.style.hadamard([self._entries(part) for part in sorted(parts, key=_is_gradient)])

    def _matrix(self, parts: list[Graph]) -> str:
        """A matrix or an outer product, scaled by diagonal matrices where a vector shares one of its indices."""
        core = next((part for part in parts if {_index(label) for label in _free(part)} == set(FREE)), None)
        _require_vectors([part for part in parts if part != core])
        rows, columns = ([p for p in parts if p != core and _index(_free(p)[0]) == free] for free in FREE)
        if core is None:  # one vector at each end is the outer product, the others scale it
            (*rows, left), (*columns, right) = (sorted(side, key=_is_gradient) for side in (rows, columns))
            transposed = self.style.transposed(self.style.product(self.tensors.vector(right, *_free(right))))
            middle = (*self.tensors.vector(left, *_free(left)), transposed)
        else:
            middle = self.tensors.matrix(core, *sorted(_free(core), key=_index, reverse=True))
            if middle == (self.style.identity,) and (rows or columns):
                middle = ()
        return self.style.product((*map(self._diagonal, rows), *middle, *map(self._diagonal, columns)))

    def _diagonal(self, part: Graph) -> str:
        return self.style.function("diag", self._entries(part))

    def _entries(self, part: Graph) -> str:
        """A vector that stands alone."""
        function = function_expression(part[0])
        if function is not None and len(part) == 1:
            written = elementwise(self.style, function, alone=not function.is_Add)
            return self.style.parenthesized(written) if written.startswith("-") else written
        return self.style.product(self.tensors.vector(part, *_free(part)))

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


def _separated(graph: Graph) -> Graph:
    """Give every occurrence of a free index a label of its own: −1, −3, −5 … for −1 and −2, −4 … for −2."""
    seen: dict[Label, int] = {}
    nodes = []
    for node in graph:
        mapping = {}
        for label in {label for label in labels([node]) if label < 0}:
            mapping[label] = label - 2 * seen.get(label, 0)
            seen[label] = seen.get(label, 0) + 1
        nodes.append(relabel([node], mapping)[0])
    return tuple(nodes)


def _require_vectors(parts: list[Graph]) -> None:
    if any(len(_free(part)) != 1 for part in parts):
        raise Unnameable


def _index(label: Label) -> Label:
    """The free index that a separated label stands for."""
    return FREE[0] if label % 2 else FREE[1]


def _free(part: Graph) -> tuple[Label, ...]:
    return tuple(sorted({label for label in labels(part) if label < 0}, reverse=True))


def _is_gradient(part: Graph) -> tuple[bool, int]:
    """Sorts functions and states before gradients and longer vectors."""
    return part[0].field == "L", len(part)
