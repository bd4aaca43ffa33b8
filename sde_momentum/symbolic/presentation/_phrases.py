"""What is said about a tensor expression, in either style: gradients first, equal coefficients once."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import sympy as sp

from sde_momentum.symbolic.graphs._canonical import canonical
from sde_momentum.symbolic.graphs._graph import FREE, Graph, labels, relabel
from sde_momentum.symbolic.graphs._potential import GradientSplit, gradient_of, split_gradient
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.presentation._coefficient_form import coefficient, signed_sum
from sde_momentum.symbolic.presentation._function_form import without_scalars
from sde_momentum.symbolic.presentation._names import name_of
from sde_momentum.symbolic.presentation._style import Style
from sde_momentum.symbolic.step._expansion import leading_power
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE


class Piece(NamedTuple):
    """Coefficient times a phrase, one summand of what is printed."""

    coefficient: sp.Expr
    phrase: str


def tensor(style: Style, expression: TensorExpression, parameters: str = "x") -> str:
    """Write a tensor expression of any rank."""
    return total(style, pieces_of(style, expression, parameters))


def pieces_of(style: Style, expression: TensorExpression, parameters: str = "x") -> list[Piece]:
    """The summands of an expression: a gradient and its remainder, mirror pairs side by side, or plain terms."""
    if expression.rank == 1:
        return _vector_pieces(style, expression, parameters)
    ordered = _mirrored(expression) if expression.rank == 2 else list(expression)
    return [_piece(style, graph, c) for graph, c in ordered]


def total(style: Style, pieces: list[Piece]) -> str:
    """Add up pieces; those with the same coefficient share it."""
    return signed_sum(_written(style, *group) for group in _grouped(pieces))


def as_factor(style: Style, pieces: list[Piece], join: Callable[[str, str], str]) -> tuple[int, str]:
    """The sum of pieces as one factor (sign, body): in parentheses when it has several terms.

    Args:
        style: text or LaTeX.
        pieces: the summands; none gives an empty body.
        join: puts a coefficient before a phrase.
    """
    if not pieces:
        return 1, ""
    groups = _grouped(pieces)
    if len(groups) == 1:
        return _written(style, *groups[0], join)
    terms = [_written(style, *group) for group in groups]
    sign = -1 if all(sign < 0 for sign, _ in terms) else 1
    return sign, style.parenthesized(signed_sum((sign * own, body) for own, body in terms))


def _piece(style: Style, graph: Graph, weight: sp.Expr) -> Piece:
    graph, weight = without_scalars(graph, weight)
    *scalars, phrase = name_of(style, graph)
    for scalar in reversed(scalars):
        phrase = style.scaled(scalar, phrase)
    return Piece(weight, phrase)


def _vector_pieces(style: Style, expression: TensorExpression, parameters: str) -> list[Piece]:
    split, levels = _levels_apart(split_gradient(expression, parameters), parameters)
    pieces = [_piece(style, graph, c) for graph, c in (*levels, *split.remainder)]
    if not split.potential:
        return pieces
    slope = gradient_of(split.potential, parameters)
    if len(slope.terms) == 1:  # H∇L says more than ½∇|∇L|²
        return [_piece(style, graph, c) for graph, c in slope] + pieces
    leading = split.potential.terms[0][1]
    if any(total.has(LEARNING_RATE) for total in leading.atoms(sp.Add)):  # a correction of its own: not taken out
        leading = sp.Integer(coefficient(style, leading)[0])
    inside = [_piece(style, graph, sp.factor(c / leading)) for graph, c in split.potential]
    compound = len(inside) > 1 or style.dot_sign in inside[0].phrase
    return [Piece(leading, style.gradient(total(style, inside), compound)), *pieces]


def _levels_apart(split: GradientSplit, parameters: str) -> tuple[GradientSplit, TensorExpression]:
    """Take terms such as |x|² that outweigh the loss, or have none beside them, out of the potential.

    Weight decay belongs to a modified loss; the distance of an average from x does not.
    """
    loss = next((c for graph, c in split.potential if _is_loss(graph)), None)
    apart = TensorExpression.collect(
        (graph, c)
        for graph, c in split.potential
        if all(node.field == parameters for node in graph) and (loss is None or leading_power(c / loss)[1] < 0)
    )
    return GradientSplit(split.potential - apart, split.remainder), gradient_of(apart, parameters)


def _is_loss(graph: Graph) -> bool:
    return len(graph) == 1 and graph[0].field == "L"


def _mirrored(expression: TensorExpression) -> list[tuple[Graph, sp.Expr]]:
    """Each matrix graph beside its transpose, the one that has the row index further left first."""
    pending, ordered = dict(expression), []
    while pending:
        graph = next(iter(pending))
        mirror = canonical(relabel(graph, {FREE[0]: FREE[1], FREE[1]: FREE[0]}))
        pair = sorted({graph, mirror} & set(pending), key=_row_position)
        ordered += [(each, pending.pop(each)) for each in pair]
    return ordered


def _row_position(graph: Graph) -> tuple[int, Graph]:
    return next((rank for rank, node in enumerate(graph) if FREE[0] in labels([node])), 0), graph


def _grouped(pieces: list[Piece]) -> list[tuple[sp.Expr, list[tuple[int, str]]]]:
    """Neighbors and others with the same coefficient up to sign; numbers are not shared."""
    groups: list[tuple[sp.Expr, list[tuple[int, str]]]] = []
    values = _Values(weight for weight, _ in pieces)
    for weight, phrase in pieces:
        same = ((s, terms) for shared, terms in groups for s in (1, -1) if values.shared(shared, weight, s))
        sign, terms = next(same, (1, None))
        if terms is None:
            groups.append((weight, [(1, phrase)]))
        else:
            terms.append((sign, phrase))
    return groups


class _Values:
    """Coefficients in numbers at one point: those that differ there need no algebra to be told apart."""

    def __init__(self, weights: Iterable[sp.Expr]):
        weights = list(weights)
        symbols = sorted(set().union(*(weight.free_symbols for weight in weights)), key=str)
        point = {symbol: sp.Rational(2 * place + 3, 2 * place + 8) for place, symbol in enumerate(symbols)}
        self._at_point = {weight: weight.evalf(20, subs=point) for weight in weights}

    def shared(self, one: sp.Expr, other: sp.Expr, sign: int) -> bool:
        """Whether one = sign · other, and is not a mere number."""
        left, right = self._at_point[one], self._at_point[other]
        if one.is_Rational or (left.is_Float and right.is_Float and abs(left - sign * right) > abs(left) * 1e-10):
            return False
        return sp.factor(one - sign * other) == 0


def _written(
    style: Style, weight: sp.Expr, terms: list[tuple[int, str]], join: Callable[[str, str], str] | None = None
) -> tuple[int, str]:
    sign, body = coefficient(style, weight)
    phrase = terms[0][1] if len(terms) == 1 else style.parenthesized(signed_sum(terms))
    return sign, (join or style.scaled)(body, phrase)
