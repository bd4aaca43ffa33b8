"""What a node can be, and how each kind is differentiated.

Differentiation of a node with respect to component `label` of variable `variable` gives a list of pieces; a piece is a
replacement for the node, possibly with an identification of two labels (the Kronecker delta of ∂m_i/∂m_j).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import sympy as sp

from sde_momentum.symbolic.graphs._graph import Graph, Label, Node

TEST = "f"


class Piece(NamedTuple):
    """One term of a node's derivative: coefficient, the nodes put in its place, labels to identify (or None)."""

    coefficient: sp.Expr
    nodes: Graph
    identify: tuple[Label, Label] | None = None


@dataclass(frozen=True)
class Tensor:
    """A tensor field of the parameters with `rank` symmetric base indices, such as L (0), Σ (2) or κ₃ (3)."""

    name: str
    rank: int
    variable: str = "x"

    def node(self, base: tuple[Label, ...] = (), derivative: tuple[Label, ...] = ()) -> Node:
        """Build the node ∂_derivative of the base component."""
        return Node(self.name, (derivative,) if self.rank == 0 else (base, derivative))

    def derivative(self, node: Node, variable: str, label: Label) -> list[Piece]:
        """Append one derivative index: tensor fields depend on the parameters alone."""
        if variable != self.variable:
            return []
        *base, slots = node.slots
        return [Piece(sp.S.One, (Node(node.field, (*base, (*slots, label))),))]


@dataclass(frozen=True)
class State:
    """A state variable itself, v_i; its derivative is a Kronecker delta."""

    name: str

    def node(self, label: Label) -> Node:
        """Build the node v_label."""
        return Node(self.name, ((label,),))

    def derivative(self, node: Node, variable: str, label: Label) -> list[Piece]:
        """∂v_i/∂v_j = δ_ij, an identification of the two labels."""
        if variable != self.name:
            return []
        return [Piece(sp.S.One, (), (node.slots[0][0], label))]


@dataclass(frozen=True)
class TestFunction:
    """The test function f(x, m, …): one group of derivative slots for each state variable, in order."""

    variables: tuple[str, ...]

    def node(self, *slots: tuple[str, Label]) -> Node:
        """Build the derivative of f by the given (variable, label) pairs."""
        groups: dict[str, list[Label]] = {variable: [] for variable in self.variables}
        for variable, label in slots:
            groups[variable].append(label)
        return Node(TEST, tuple(tuple(group) for group in groups.values()))

    def derivatives(self, node: Node) -> list[tuple[str, Label]]:
        """List the (variable, label) pairs by which f is differentiated in this node."""
        return [(v, label) for v, group in zip(self.variables, node.slots, strict=True) for label in group]

    def derivative(self, node: Node, variable: str, label: Label) -> list[Piece]:
        """Append one derivative index to the variable's group."""
        return [Piece(sp.S.One, (self.node(*self.derivatives(node), (variable, label)),))]


class ElementwiseName(str):
    """The field name of an elementwise function: ordered and compared as text, and it carries the expression."""

    __slots__ = ("function",)
    function: sp.Expr

    def __new__(cls, expression: sp.Expr):
        """Name an expression."""
        name = str.__new__(cls, f"φ[{expression}]")
        name.function = expression
        return name

    @property
    def expression(self) -> sp.Expr:
        """The function, componentwise."""
        return self.function


class DerivativeName(ElementwiseName):
    """The name of a derivative of a numbered function; the derivative is taken when its expression is asked for.

    A derivation differentiates functions often and looks into them once, at the end.
    """

    __slots__ = ("counts", "number")
    number: int
    counts: tuple[tuple[sp.Symbol, int], ...]

    def __new__(cls, expression: sp.Expr, number: int, counts: tuple[tuple[sp.Symbol, int], ...] = ()):
        """Name ∂^counts of function `number`."""
        taken = "".join(f",{symbol}{times}" for symbol, times in counts)
        name = str.__new__(cls, f"φ{number}{taken}")
        name.function, name.number, name.counts = expression, number, counts
        return name

    @property
    def expression(self) -> sp.Expr:
        """The derivative, componentwise."""
        return sp.diff(self.function, *self.counts) if self.counts else self.function

    def differentiated(self, symbol: sp.Symbol) -> "DerivativeName":
        """The name of the derivative by one more symbol."""
        counts = dict(self.counts)
        counts[symbol] = counts.get(symbol, 0) + 1
        return DerivativeName(self.function, self.number, tuple(sorted(counts.items(), key=lambda c: str(c[0]))))


def elementwise_expression(node: Node) -> sp.Expr | None:
    """The componentwise expression that a node stands for; None for a tensor field or a state variable."""
    return node.field.expression if isinstance(node.field, ElementwiseName) else None


@dataclass(frozen=True)
class Elementwise:
    """A function φ of state variables taken componentwise, φ(u_i, m_i, …), as one node with one index.

    Args:
        name: the node's field name; distinct functions have distinct names.
        arguments: state variable → its symbol, for those that the function depends on.
    """

    name: DerivativeName
    arguments: Mapping[str, sp.Symbol]

    def node(self, label: Label) -> Node:
        """Build the node φ_label."""
        return Node(self.name, ((label,),))

    def differentiated(self, variable: str) -> "Elementwise | None":
        """∂φ/∂v as another elementwise function, or None where φ does not depend on v."""
        symbol = self.arguments.get(variable)
        return None if symbol is None else Elementwise(self.name.differentiated(symbol), self.arguments)
