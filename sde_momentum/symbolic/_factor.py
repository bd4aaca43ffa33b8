r"""The diffusion's factor: B with B Bᵀ = A to the order, in terms of a factor S of Σ.

Written with S (Σ = S Sᵀ, one column a noise component) because that is what a matrix-free simulation has. The leading
part is proportional to S; a correction M of the covariance is matched term by term, using
$\partial\Sigma = \partial S\,S^\top + S\,\partial S^\top$.
"""

from collections.abc import Mapping

import sympy as sp

from ._graph import FREE, Graph, Node, labels, relabel
from ._symbols import LEARNING_RATE
from ._tensor_expression import TensorExpression

FACTOR = "S"
_SIGMA: Graph = (Node("Sigma", (FREE[::-1], ())),)


def factor_of(
    covariance: Mapping[tuple[str, str], TensorExpression], variables: tuple[str, ...]
) -> dict[str, TensorExpression]:
    """Find B, variable → vector expression with the noise column as second free index.

    Args:
        covariance: ordered pairs of variables → matrix expressions, as `covariance_of` gives them.
        variables: the state variables of the limit.

    Returns:
        The factor; empty when there is no noise.

    Raises:
        NotImplementedError: the covariance is not of the form (multiple of Σ) + corrections that a factor absorbs.
    """
    if not covariance:
        return {}
    pivot = next((v for v in variables if _leading(covariance.get((v, v))) != 0), None)
    if pivot is None:
        raise NotImplementedError("the leading covariance is not a multiple of Σ in any variable.")
    root = _positive_root(_leading(covariance[pivot, pivot]))
    leading = {v: _leading(covariance.get(_pair(covariance, v, pivot))) / root for v in variables}
    factor = {v: TensorExpression.collect([(_column(), leading[v])]) for v in variables if leading[v] != 0}
    for variable in (pivot, *(v for v in variables if v != pivot)):
        rest = covariance.get(_pair(covariance, variable, pivot), TensorExpression()) - _product(
            leading[variable], leading[pivot]
        )
        correction = _absorbed(rest, symmetric=variable == pivot)
        if correction:
            factor[variable] = factor.get(variable, TensorExpression()) + correction * (1 / leading[pivot])
    return factor


def _pair(covariance, left: str, right: str) -> tuple[str, str]:
    return (left, right) if (left, right) in covariance else (right, left)


def _leading(block: TensorExpression | None) -> sp.Expr:
    """The coefficient of Σ at its lowest power of η; zero when Σ does not occur."""
    coefficient = next((c for graph, c in block or () if graph == _SIGMA), sp.S.Zero)
    return coefficient and sp.factor(
        coefficient.expand().leadterm(LEARNING_RATE)[0]
        * LEARNING_RATE ** (coefficient.expand().leadterm(LEARNING_RATE)[1])
    )


def _positive_root(square: sp.Expr) -> sp.Expr:
    """√ of a square, with the sign that is positive for hyperparameters in (0, 1); the sign of B is free."""
    root = sp.sqrt(sp.factor(square)).replace(sp.Abs, lambda argument: argument)
    sample = root.subs({symbol: sp.Rational(1, 2) for symbol in root.free_symbols})
    return -root if sample.is_negative else root


def _product(left: sp.Expr, right: sp.Expr) -> TensorExpression:
    return TensorExpression.collect([(_SIGMA, left * right)])


def _column() -> Graph:
    return (Node(FACTOR, ((FREE[0],), (FREE[1],), ())),)


def _absorbed(matrix: TensorExpression, symmetric: bool) -> TensorExpression:
    """The C with C Sᵀ (+ S Cᵀ when `symmetric`) = matrix."""
    pairs = []
    for graph, coefficient in matrix:
        position = next((p for p, node in enumerate(graph) if _right_factor(node)), None)
        if position is not None:
            # T_ik Σ_kj = (T S)_ia S_ja; in a symmetric block its mirror image T_jk Σ_ki is the other half.
            pairs.append((_with_column(graph, position), coefficient))
        elif not any(_mirror(node) for node in graph) or not symmetric:
            found = _derivative_of_sigma(graph)
            if found is None:
                raise NotImplementedError("a covariance correction is not absorbed by a factor of Σ.")
            pairs.append((found, coefficient))
    if symmetric and not matrix:
        return TensorExpression()
    return TensorExpression.collect(pairs)


def _right_factor(node: Node) -> bool:
    return node.field == "Sigma" and not node.slots[1] and FREE[1] in node.slots[0] and FREE[0] not in node.slots[0]


def _mirror(node: Node) -> bool:
    return node.field == "Sigma" and not node.slots[1] and FREE[0] in node.slots[0] and FREE[1] not in node.slots[0]


def _with_column(graph: Graph, position: int) -> Graph:
    node = graph[position]
    inner = next(label for label in node.slots[0] if label != FREE[1])
    return (*graph[:position], *graph[position + 1 :], Node(FACTOR, ((inner,), (FREE[1],), ())))


def _derivative_of_sigma(graph: Graph) -> Graph | None:
    """∂_kΣ_ij v_k = (∂_kS_ia v_k) S_ja + mirror image: replace Σ by S, column −2; None if the shape differs."""
    for position, node in enumerate(graph):
        if node.field == "Sigma" and set(node.slots[0]) == set(FREE) and len(node.slots[1]) == 1:
            rest = (*graph[:position], *graph[position + 1 :])
            if not any(label < 0 for label in labels(rest)):
                return (*relabel(rest, {}), Node(FACTOR, ((FREE[0],), (FREE[1],), node.slots[1])))
    return None
