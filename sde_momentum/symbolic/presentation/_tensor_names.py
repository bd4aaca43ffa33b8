"""Names of the parts that a graph is taken apart into: vectors by one index, matrices by two."""

from sde_momentum.symbolic.equation._factor import SQUARES_FACTOR
from sde_momentum.symbolic.graphs._field_functions import DEVIATION, function_expression
from sde_momentum.symbolic.graphs._graph import Graph, Label, Node, labels
from sde_momentum.symbolic.presentation._index_notation import elementwise
from sde_momentum.symbolic.presentation._style import Style


class Unnameable(Exception):
    """The graph has no coordinate-free name here."""


def components(graph: Graph) -> list[Graph]:
    """Split a graph into its connected parts, in order of their first node."""
    parts: list[list[int]] = []
    for position, node in enumerate(graph):
        own = set(labels([node]))
        touching = [part for part in parts if any(own & set(labels([graph[other]])) for other in part)]
        merged = sorted([position, *(other for part in touching for other in part)])
        parts = [part for part in parts if part not in touching] + [merged]
    return [tuple(graph[position] for position in part) for part in sorted(parts)]


class TensorNamer:
    """Names of vectors and matrices in one style, as factors of a product."""

    def __init__(self, style: Style):
        self.style = style

    def vector(self, graph: Graph, root: Label) -> tuple[str, ...]:
        """The factors of the vector with index `root`."""
        node = next(node for node in graph if root in labels([node]))
        if node.field in ("S", SQUARES_FACTOR, "delta"):
            raise Unnameable
        if labels([node]).count(root) > 1:
            return (self._diagonal(node, root),)
        if node.field == "Sigma" or node.field.startswith("kappa"):
            if root in node.slots[0]:
                return self._from_base(graph, node, root)
        elif node.field not in ("L", DEVIATION):
            return self._state(node)
        field, slots = self.field_of(node)
        rest = tuple(label for label in slots if label != root)
        if not rest:
            return (self.style.gradient(field),)
        if field == self.style.loss and len(rest) == 1:
            return (self.style.hessian, *self._attached_vector(graph, node, rest[0]))
        return (self.style.directional(len(slots), field, self.arguments(graph, node, rest)),)

    def _state(self, node: Node) -> tuple[str, ...]:
        function = function_expression(node)
        return (self.style.state(node.field) if function is None else elementwise(self.style, function),)

    def _diagonal(self, node: Node, root: Label) -> str:
        """The diagonal of Σ or H, as a vector."""
        name = {"Sigma": self.style.noise_covariance, "L": self.style.hessian}.get(node.field)
        if name is None or labels([node]) != [root, root]:
            raise Unnameable
        return self.style.function("diag", name)

    def _from_base(self, graph: Graph, node: Node, root: Label) -> tuple[str, ...]:
        """Σ v, DΣ[u] v, div Σ, κ₃[A]: the free index is one of the tensor's own."""
        base, derivative = node.slots
        others = tuple(label for label in base if label != root)
        if node.field != "Sigma":
            return (self._cumulant(graph, node, others),)
        if derivative == others:
            return (self.style.function("div", self.style.noise_covariance),)
        (other,) = others
        tail = self._attached_vector(graph, node, other)
        return (self._covariance(graph, node, derivative), *tail)

    def matrix(self, graph: Graph, row: Label, column: Label) -> tuple[str, ...]:
        """The factors of the matrix with indices `row` and `column`."""
        node = next(node for node in graph if row in labels([node]))
        if column in labels([node]):
            return (self._matrix_node(graph, node, row, column),)
        rest = next(part for part in self._hanging(graph, node) if column in labels(part))
        shared = set(labels(rest)) & set(labels([node]))
        if len(shared) != 1:
            raise Unnameable
        (inner,) = shared
        head = tuple(other for other in graph if other not in rest or other == node)
        return (self._matrix_node(head, node, row, inner), *self.matrix(rest, inner, column))

    def _matrix_node(self, graph: Graph, node: Node, row: Label, column: Label) -> str:
        if max(labels([node]).count(label) for label in (row, column)) > 1:
            raise Unnameable
        if node.field == "delta":
            return self.style.identity
        if node.field in ("S", SQUARES_FACTOR):
            if node.slots[0] != (row,) or node.slots[1] != (column,):
                raise Unnameable
            arguments = self.arguments(graph, node, node.slots[2])
            name = self.style.noise_factor if node.field == "S" else SQUARES_FACTOR
            return self._derived(name, node.slots[2], arguments)
        if node.field == "Sigma" and {row, column} == set(node.slots[0]):
            return self._covariance(graph, node, node.slots[1])
        if node.field.startswith("kappa") and {row, column} <= set(node.slots[0]):
            return self._cumulant(graph, node, tuple(label for label in node.slots[0] if label not in (row, column)))
        field, slots = self.field_of(node)
        if not {row, column} <= set(slots):
            raise Unnameable
        rest = tuple(label for label in slots if label not in (row, column))
        if field == self.style.loss and not rest:
            return self.style.hessian
        return self.style.directional(len(slots), field, self.arguments(graph, node, rest))

    def field_of(self, node: Node) -> tuple[str, tuple[Label, ...]]:
        """A scalar field (L, ΔL, tr Σ) and the labels of its derivatives."""
        if node.field == "L":
            (group,) = node.slots
            open_slots = tuple(label for label in group if group.count(label) == 1)
            times = (len(group) - len(open_slots)) // 2
            return (self.style.laplacian(times) if times else self.style.loss), open_slots
        if node.field == DEVIATION:
            return "s", node.slots[0]
        if node.field == "Sigma" and len(set(node.slots[0])) == 1 and len(set(node.slots[1])) == len(node.slots[1]):
            return self.style.function("tr", self.style.noise_covariance), node.slots[1]
        raise Unnameable

    def _covariance(self, graph: Graph, node: Node, derivative: tuple[Label, ...]) -> str:
        arguments = self.arguments(graph, node, derivative)
        return self._derived(self.style.noise_covariance, derivative, arguments)

    def _derived(self, field: str, derivative: tuple[Label, ...], arguments: tuple[str, ...]) -> str:
        return self.style.directional(len(derivative), field, arguments) if derivative else field

    def _cumulant(self, graph: Graph, node: Node, slots: tuple[Label, ...]) -> str:
        if node.slots[1]:
            raise Unnameable
        return f"{self.style.cumulant(int(node.field[5:]))}[{','.join(self.arguments(graph, node, slots))}]"

    def _hanging(self, graph: Graph, node: Node) -> list[Graph]:
        position = graph.index(node)
        return components((*graph[:position], *graph[position + 1 :]))

    def _attached_vector(self, graph: Graph, node: Node, label: Label) -> tuple[str, ...]:
        """The vector that hangs on `label` alone."""
        part = next((part for part in self._hanging(graph, node) if label in labels(part)), None)
        if part is None or set(labels(part)) & set(labels([node])) != {label}:
            raise Unnameable
        return self.vector(part, label)

    def arguments(self, graph: Graph, node: Node, slots: tuple[Label, ...]) -> tuple[str, ...]:
        """What hangs on the given slots: vectors first, then matrices, then whole cumulants."""
        if len(set(slots)) != len(slots):
            raise Unnameable
        found = []
        for part in self._hanging(graph, node):
            shared = tuple(sorted(set(labels(part)) & set(labels([node]))))
            if not set(shared) & set(slots):
                continue
            if not set(shared) <= set(slots):
                raise Unnameable
            found.append((len(shared), self._argument(part, shared)))
        if sum(width for width, _ in found) != len(slots):
            raise Unnameable
        return tuple(text for _, text in sorted(found))

    def _argument(self, part: Graph, shared: tuple[Label, ...]) -> str:
        if len(shared) == 1:
            return self.style.product(self.vector(part, *shared))
        if len(shared) == 2:
            # A symmetric slot cannot tell a matrix from its transpose.
            return self.style.product(min(self.matrix(part, *shared), self.matrix(part, *shared[::-1])))
        (node, *others) = part
        if others or not node.field.startswith("kappa") or set(node.slots[0]) != set(shared) or node.slots[1]:
            raise Unnameable
        return self.style.cumulant(int(node.field[5:]))
