"""Tensor expressions: what a limit's drift, covariance and factor are made of."""

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp

from sde_momentum.symbolic.graphs._canonical import canonical
from sde_momentum.symbolic.graphs._graph import Graph, Node, labels
from sde_momentum.symbolic.symbols._doors import latex, text


@dataclass(frozen=True)
class TensorExpression:
    """A linear combination of contracted tensor graphs with the same free indices, valid in every dimension.

    Args:
        terms: pairs (graph, coefficient); coefficients are sympy expressions in hyperparameters and learning rate.

    Example:
        >>> from sde_momentum.symbolic import modified_equation
        >>> from sde_momentum.optimizers import sgd
        >>> print(modified_equation(sgd(), order=2).drift["x"])
        -∇(L + 1/4·η·|∇L|²)
    """

    terms: tuple[tuple[Graph, sp.Expr], ...] = ()

    @classmethod
    def collect(cls, pairs) -> "TensorExpression":
        """Add up (graph, coefficient) pairs, drop zeros, and put them in canonical order."""
        total: dict[Graph, sp.Expr] = {}
        for graph, coefficient in pairs:
            key = canonical(graph)
            total[key] = total.get(key, sp.S.Zero) + coefficient
        simplified = ((graph, sp.factor(c)) for graph, c in total.items())
        return cls(tuple(sorted(((g, c) for g, c in simplified if c != 0), key=_order)))

    def __iter__(self) -> Iterator[tuple[Graph, sp.Expr]]:
        return iter(self.terms)

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __add__(self, other: "TensorExpression") -> "TensorExpression":
        return TensorExpression.collect([*self.terms, *other.terms])

    def __sub__(self, other: "TensorExpression") -> "TensorExpression":
        return self + other * -1

    def __mul__(self, factor) -> "TensorExpression":
        return TensorExpression.collect([(graph, c * factor) for graph, c in self.terms])

    __rmul__ = __mul__

    def subs(self, *substitutions) -> "TensorExpression":
        """Substitute in the coefficients, as sympy's `subs`."""
        return TensorExpression.collect([(graph, sp.sympify(c).subs(*substitutions)) for graph, c in self.terms])

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        """Hyperparameters that occur in the coefficients."""
        return set().union(*(c.free_symbols for _, c in self.terms)) if self.terms else set()

    @property
    def rank(self) -> int:
        """Number of free indices."""
        return len({label for graph, _ in self.terms for label in labels(graph) if label < 0})

    def __str__(self) -> str:
        return text(self)

    def _repr_latex_(self) -> str:
        return f"${latex(self)}$"


def _order(item: tuple[Graph, sp.Expr]) -> tuple:
    graph, _ = item
    return len(graph), len(labels(graph)), graph


def loss_derivative(*indices: int) -> Node:
    """The node ∂^k L with the given index labels, for writing expressions by hand."""
    return Node("L", (tuple(indices),))


def noise_covariance(i: int, j: int, *derivative: int) -> Node:
    """The node ∂^k Σ_ij, for writing expressions by hand."""
    return Node("Sigma", ((i, j), tuple(derivative)))
