"""Index notation, in which every graph can be written: ∂_ijL·Σ_jk·∂_kL."""

import sympy as sp

from sde_momentum.symbolic.graphs._field_functions import (
    DEVIATION,
    NOISE_VARIANCE,
    SQUARED_GRADIENT,
    function_expression,
    scalar_expression,
)
from sde_momentum.symbolic.graphs._graph import Graph, Label, Node, labels
from sde_momentum.symbolic.presentation._coefficient_form import expression
from sde_momentum.symbolic.presentation._function_form import inert, with_written_roots
from sde_momentum.symbolic.presentation._style import GRADIENT_NORM, Style
from sde_momentum.symbolic.symbols._symbols import variable

LETTERS = "ijklnopqrstuvwabceh"  # without d, f, g and m, which mean something else


def index_letters(graph: Graph, frees: tuple[Label, ...]) -> dict[Label, str]:
    """Letters for the free indices, in the order given, then for the summed ones."""
    ordered = [*frees, *sorted(set(labels(graph)) - set(frees))]
    return {
        label: LETTERS[rank] if rank < len(LETTERS) else f"{{i{rank - len(LETTERS) + 1}}}"
        for rank, label in enumerate(ordered)
    }


def in_indices(style: Style, graph: Graph, frees: tuple[Label, ...]) -> str:
    """Write a graph as a product of components; repeated indices are summed."""
    letters = index_letters(graph, frees)
    return style.component_sign.join(_component(style, node, letters) for node in graph)


def _component(style: Style, node: Node, letters: dict[Label, str]) -> str:
    groups = ["".join(sorted(letters[label] for label in group)) for group in node.slots]
    if node.field == "L":
        return style.partial(groups[0], style.loss)
    if node.field == "S":
        row, column, derivative = groups
        return style.partial(derivative, style.indexed(style.noise_factor, row + column))
    if node.field == "Sigma":
        return style.partial(groups[1], style.indexed(style.noise_covariance, groups[0]))
    if node.field.startswith("kappa"):
        return style.partial(groups[1], style.indexed(style.cumulant(int(node.field[5:])), groups[0]))
    if node.field == "delta":
        return style.indexed(style.kronecker, groups[0])
    if node.field == DEVIATION:
        return style.partial(groups[0], "s")
    scalar = scalar_expression(node)
    if scalar is not None:
        return expression(style, scalar.subs(SQUARED_GRADIENT, GRADIENT_NORM**2))
    function = function_expression(node)
    if function is not None:
        return elementwise(style, function, groups[0])
    return style.indexed(style.state(node.field), "".join(groups))


def elementwise(style: Style, function: sp.Expr, index: str = "", alone: bool = False) -> str:
    """The formula of a componentwise function, with the index on every state variable in it.

    Args:
        style: text or LaTeX.
        function: the expression.
        index: a letter, or nothing for the vector of all components.
        alone: nothing stands beside it that would need parentheses.
    """
    states = {symbol for symbol in function.free_symbols if symbol in (variable(symbol.name), NOISE_VARIANCE)}
    signs = {symbol: {"positive": True} if symbol == NOISE_VARIANCE else {"real": True} for symbol in states}
    named = {symbol: sp.Symbol(f"{symbol.name}@{index}", **signs[symbol]) for symbol in states}
    component = inert(function).xreplace(named)
    written = expression(style, with_written_roots(style, component, expression))
    bare = alone or component.is_Function or (component.is_Pow and component.exp.is_positive)
    return written if bare else style.parenthesized(written)
