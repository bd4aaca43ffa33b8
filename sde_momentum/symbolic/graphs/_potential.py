r"""Gradients recognized as gradients: b = ∇φ + remainder, exactly.

The gradient of a scalar graph follows from Leibniz' rule. Conversely a vector graph whose free index is a derivative
index can only come from the scalar graph without that index, so the candidates are read off the expression and their
coefficients solve a triangular linear system: the graph with the most nodes first, because ∂x_j/∂x_i = δ_ij makes
smaller graphs and never larger ones.
"""

from dataclasses import dataclass

import sympy as sp

from sde_momentum.symbolic.graphs._algebra import Algebra
from sde_momentum.symbolic.graphs._canonical import canonical
from sde_momentum.symbolic.graphs._graph import FREE, Graph, Node, labels, next_label
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression

_FREE = FREE[0]


@dataclass(frozen=True)
class GradientSplit:
    """A vector expression as ∇`potential` + `remainder`.

    Args:
        potential: a scalar expression.
        remainder: the terms that belong to no gradient; empty when the expression is one.
    """

    potential: TensorExpression
    remainder: TensorExpression


def gradient_of(scalar: TensorExpression, parameters: str = "x") -> TensorExpression:
    r"""Differentiate a scalar expression, $\partial_i \varphi$, by Leibniz' rule.

    Args:
        scalar: an expression without free indices, made of L, Σ, cumulants and `parameters`.
        parameters: the variable to differentiate by.

    Returns:
        The vector expression ∇φ (free index −1).

    Example:
        >>> from sde_momentum.symbolic import TensorExpression, gradient_of, loss_derivative
        >>> square = TensorExpression.collect([((loss_derivative(0), loss_derivative(0)), 1)])
        >>> print(gradient_of(square))
        2·H∇L
    """
    return TensorExpression.collect(
        (graph, coefficient * times)
        for scalar_graph, coefficient in scalar
        for graph, times in _gradient(scalar_graph, parameters)
    )


def split_gradient(expression: TensorExpression, parameters: str = "x") -> GradientSplit:
    r"""Write a vector expression as $\nabla\varphi + r$ with nothing in r that belongs to a gradient.

    Terms that would complete each other to a gradient only with other coefficients all stay in the remainder.

    Args:
        expression: a vector expression (free index −1).
        parameters: the variable that L and Σ depend on.

    Returns:
        The potential and the remainder; the difference of both sides is exactly zero.

    Example:
        >>> from sde_momentum.optimizers import sgd
        >>> from sde_momentum.symbolic import modified_equation, split_gradient
        >>> print(split_gradient(modified_equation(sgd(), order=2).drift["x"]).potential)
        -L - 1/4·η·|∇L|²
    """
    rest, potential, refused = expression, [], set()
    while candidates := {_potential_of(graph, parameters) for graph, _ in rest} - {None, *refused}:
        candidate = max(candidates, key=lambda graph: (len(graph), len(labels(graph)), graph))
        refused.add(candidate)
        coefficient = _coefficient(rest, candidate, parameters)
        if coefficient:
            found = TensorExpression.collect([(candidate, coefficient)])
            rest = rest - gradient_of(found, parameters)
            potential.append((candidate, coefficient))
    return GradientSplit(TensorExpression.collect(potential), rest)


def _coefficient(expression: TensorExpression, candidate: Graph, parameters: str) -> sp.Expr:
    """The multiple of ∇`candidate` in the expression; zero unless all its own terms agree on it."""
    present = dict(expression)
    own = [pair for pair in _gradient(candidate, parameters) if _potential_of(pair[0], parameters) == candidate]
    ratios = {sp.factor(present.get(graph, sp.S.Zero) / times) for graph, times in own}
    return ratios.pop() if len(ratios) == 1 else sp.S.Zero


def _gradient(scalar: Graph, parameters: str) -> tuple[tuple[Graph, sp.Expr], ...]:
    algebra = Algebra((parameters,))
    for node in scalar:
        if node.field.startswith("kappa"):
            algebra.cumulant(int(node.field.removeprefix("kappa")))
    terms = algebra.apply_derivatives((), scalar, [(parameters, _FREE)])
    return TensorExpression.collect((graph, algebra.to_sympy(c)) for c, graph in terms).terms


def _potential_of(graph: Graph, parameters: str) -> Graph | None:
    """The scalar graph whose gradient contains this one with the free index on a derivative; None if there is none."""
    if not all(_is_smooth_field(node, parameters) for node in graph) or labels(graph).count(_FREE) != 1:
        return None
    position = next(position for position, node in enumerate(graph) if _FREE in labels([node]))
    node, rest = graph[position], (*graph[:position], *graph[position + 1 :])
    if node.field == parameters:  # x_i is half the gradient of x_j x_j
        label = next_label(graph)
        return canonical((*rest, Node(parameters, ((label,),)), Node(parameters, ((label,),))))
    *base, derivative = node.slots
    if _FREE not in derivative:
        return None
    stripped = tuple(label for label in derivative if label != _FREE)
    return canonical((*rest, Node(node.field, (*base, stripped))))


def _is_smooth_field(node: Node, parameters: str) -> bool:
    return node.field in ("L", "Sigma", parameters) or node.field.startswith("kappa")
