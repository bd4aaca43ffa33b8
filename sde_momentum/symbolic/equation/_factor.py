r"""The diffusion's factor: B with B Bᵀ = A to the order, in terms of a factor S of Σ.

Written with S (Σ = S Sᵀ, one column a noise component) because that is what a matrix-free simulation has. The leading
part is proportional to S, possibly scaled component by component; a correction M of the covariance is matched term by
term, using $\partial\Sigma = \partial S\,S^\top + S\,\partial S^\top$.

Averages of squared gradients feel the noise of ξ∘ξ as well. It has a factor R with as many columns as S then has, so
that (S; R) is a factor of the joint covariance: S Sᵀ = Σ, (S Rᵀ)_ij = κ₃_ijj and (R Rᵀ)_ij = 2Σ_ij² + κ₄_iijj.
"""

from collections.abc import Mapping

import sympy as sp

from sde_momentum.symbolic.graphs._canonical import canonical
from sde_momentum.symbolic.graphs._graph import FREE, Graph, Node, labels, next_label, relabel, shift
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE

FACTOR, SQUARES_FACTOR = "S", "R"
_SIGMA = Node("Sigma", (FREE[::-1], ()))
_COLUMN = Node(FACTOR, ((FREE[0],), (FREE[1],), ()))
Covariance = Mapping[tuple[str, str], TensorExpression]


class NoFactor(Exception):
    """The covariance is not of a form that a factor of Σ absorbs."""


def factor_of(covariance: Covariance, variables: tuple[str, ...]) -> dict[str, TensorExpression]:
    """Find B, variable → vector expression with the noise column as second free index.

    Args:
        covariance: ordered pairs of variables → matrix expressions, as `covariance_of` gives them.
        variables: the state variables of the limit.

    Returns:
        The factor; empty when there is no noise.

    Raises:
        NoFactor: the covariance is not (multiple of Σ, scaled by components) + corrections that a factor absorbs.
    """
    if not covariance:
        return {}
    pivot = next((v for v in variables if (v, v) in covariance), None)
    if pivot is None:
        raise NoFactor("no variable has a covariance of its own")
    scale, root = _leading(covariance[pivot, pivot])
    factor = {pivot: TensorExpression.collect([((*scale, _COLUMN), root)])}
    for variable in (pivot, *(v for v in variables if v != pivot)):
        block = _block(covariance, variable, pivot)
        known = _leading_block(scale, root) if variable == pivot else TensorExpression()
        correction = _absorbed(block - known, symmetric=variable == pivot, scale=scale)
        if correction:
            factor[variable] = factor.get(variable, TensorExpression()) + correction * (1 / root)
    others = [v for v in variables if v != pivot]
    for place, variable in enumerate(others):
        for second in others[place:]:
            _require_leading(_block(covariance, variable, second), factor, variable, second)
    return factor


def _require_leading(block: TensorExpression, factor: dict[str, TensorExpression], variable: str, second: str) -> None:
    """Check the lowest power of η of B Bᵀ against a block of variables that the pivot's blocks determined."""
    pairs = [_lowest(factor.get(name, TensorExpression())) for name in (variable, second)]
    found = []
    for left, a in pairs[0]:
        for right, b in pairs[1]:
            mirrored = relabel(right, {FREE[0]: FREE[1], FREE[1]: FREE[0]})
            found += [(graph, a * b * times) for graph, times in _contracted(left, mirrored, variable)]
    if _lowest(block) - TensorExpression.collect(found):
        raise NoFactor(f"the noise of {variable} is not the noise of the other variables passed on")


def _lowest(expression: TensorExpression) -> TensorExpression:
    powers = [(sp.sympify(c).expand().leadterm(LEARNING_RATE)[1], graph, c) for graph, c in expression]
    lowest = min((power for power, _, _ in powers), default=0)
    return TensorExpression(tuple((graph, c) for power, graph, c in powers if power == lowest))


def _contracted(left: Graph, right: Graph, variable: str) -> list[tuple[Graph, int]]:
    """Sum over the column of two graphs: S_ia S_ja = Σ_ij, S_ia R_ja = κ₃_ijj, R_ia R_ja = 2Σ_ij² + κ₄_iijj."""
    # The right graph's free index is −2 and its column −1: both columns go, and its summed labels move away.
    right = shift(right, next_label(left))
    columns = [next(node for node in graph if node.field in (FACTOR, SQUARES_FACTOR)) for graph in (left, right)]
    rest = tuple(node for graph in (left, right) for node in graph if node not in columns)
    (i,), (j,) = (column.slots[0] for column in columns)
    if any(column.slots[2] for column in columns):
        raise NoFactor(f"the noise of {variable} could not be checked")
    fields = [column.field for column in columns]
    if fields == [FACTOR, FACTOR]:
        return [((*rest, Node("Sigma", ((i, j), ()))), 1)]
    if SQUARES_FACTOR not in fields or FACTOR not in fields:
        pair = Node("Sigma", ((i, j), ()))
        return [((*rest, pair, pair), 2), ((*rest, Node("kappa4", ((i, i, j, j), ()))), 1)]
    once, twice = (i, j) if fields[0] == FACTOR else (j, i)
    return [((*rest, Node("kappa3", ((once, twice, twice), ()))), 1)]


def _block(covariance: Covariance, left: str, right: str) -> TensorExpression:
    """A_(left, right): component of `left` first."""
    if (left, right) in covariance:
        return covariance[left, right]
    swapped = covariance.get((right, left), TensorExpression())
    return TensorExpression.collect([(relabel(g, dict(zip(FREE, FREE[::-1], strict=True))), c) for g, c in swapped])


def _leading(block: TensorExpression) -> tuple[Graph, sp.Expr]:
    """(φ, r) with φ_i φ_j r² Σ_ij the block's lowest power of η; φ is a product of componentwise nodes."""
    candidates = []
    for graph, coefficient in block:
        rest = tuple(node for node in graph if node != _SIGMA)
        left, right = (tuple(n for n in rest if set(labels((n,))) == {free}) for free in FREE)
        if len(rest) == len(graph) - 1 == len(left) + len(right) and canonical(relabel(right, {-2: -1})) == left:
            power = coefficient.expand().leadterm(LEARNING_RATE)
            candidates.append((power[1], left, sp.factor(power[0] * LEARNING_RATE ** power[1])))
    if not candidates:
        raise NoFactor("its leading part is not a multiple of Σ")
    _, scale, square = min(candidates, key=lambda found: found[0])
    return scale, _positive_root(square)


def _positive_root(square: sp.Expr) -> sp.Expr:
    """√ of a square, with the sign that is positive for hyperparameters in (0, 1); the sign of B is free."""
    at_half = lambda e: e.subs({symbol: sp.Rational(1, 2) for symbol in e.free_symbols})
    parts = [part if at_half(part) > 0 else sp.expand(-part) for part in sp.fraction(sp.factor(square))]
    root = sp.sqrt(parts[0]) / sp.sqrt(parts[1])
    root = root.replace(sp.Abs, lambda argument: argument)
    return -root if at_half(root) < 0 else root


def _leading_block(scale: Graph, root: sp.Expr) -> TensorExpression:
    """φ_i φ_j r² Σ_ij."""
    mirrored = relabel(scale, {FREE[0]: FREE[1]})
    return TensorExpression.collect([((*scale, *mirrored, _SIGMA), root**2)])


def _absorbed(matrix: TensorExpression, *, symmetric: bool, scale: Graph) -> TensorExpression:
    """The C with C (φS)ᵀ (+ its mirror image when `symmetric`) = matrix."""
    pairs = []
    mirrored = relabel(scale, {FREE[0]: FREE[1]})
    for graph, coefficient in matrix:
        inner = _without(graph, mirrored)
        position = None if inner is None else _right_factor(inner, symmetric)
        if inner is not None and position is not None:
            # T_ik Σ_kj φ_j = (T S)_ia (φS)_ja; in a symmetric block its mirror image is the other half.
            pairs.append((_with_column(inner, position), coefficient))
        elif symmetric and not scale and any(_left_factor(node) for node in graph):
            continue
        else:
            found = None if scale else _derivative_of_sigma(graph)
            if found is None:
                raise NoFactor("a correction is not absorbed by a factor of Σ")
            pairs.append((found, coefficient))
    return TensorExpression.collect(pairs)


def _without(graph: Graph, nodes: Graph) -> Graph | None:
    """The graph with `nodes` taken out, or None where one of them is missing."""
    rest = list(graph)
    for node in nodes:
        if node not in rest:
            return None
        rest.remove(node)
    return tuple(rest)


def _right_factor(graph: Graph, symmetric: bool) -> int | None:
    """Position of a Σ with the second free index and no derivative; in a symmetric block Σ_ij itself does not count.

    A κ₃ that holds the second free index once and another one twice counts as well: it is S Rᵀ.
    """
    for position, node in enumerate(graph):
        if not symmetric and node.field == "kappa3" and not node.slots[1]:
            base = node.slots[0]
            if base.count(FREE[1]) == 1 and len(set(base)) == 2:
                return position
        if (
            node.field == "Sigma"
            and not node.slots[1]
            and FREE[1] in node.slots[0]
            and not (symmetric and node == _SIGMA)
        ):
            return position
    return None


def _left_factor(node: Node) -> bool:
    return node.field == "Sigma" and not node.slots[1] and FREE[0] in node.slots[0] and node != _SIGMA


def _with_column(graph: Graph, position: int) -> Graph:
    node = graph[position]
    inner = next(label for label in node.slots[0] if label != FREE[1])
    field = FACTOR if node.field == "Sigma" else SQUARES_FACTOR
    return (*graph[:position], *graph[position + 1 :], Node(field, ((inner,), (FREE[1],), ())))


def _derivative_of_sigma(graph: Graph) -> Graph | None:
    """∂_kΣ_ij v_k = (∂_kS_ia v_k) S_ja + mirror image: replace Σ by S, column −2; None if the shape differs."""
    for position, node in enumerate(graph):
        if node.field == "Sigma" and set(node.slots[0]) == set(FREE) and len(node.slots[1]) == 1:
            rest = (*graph[:position], *graph[position + 1 :])
            if not any(label < 0 for label in labels(rest)):
                return (*rest, Node(FACTOR, ((FREE[0],), (FREE[1],), node.slots[1])))
    return None
