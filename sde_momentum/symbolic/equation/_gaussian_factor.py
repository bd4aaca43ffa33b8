r"""Roots of the covariances that a Gaussian law of the noise leads to.

Independent components give $A_{ij} = D_i\delta_{ij}$, and with $\Sigma = SS^\top$ diagonal
$B_{ia} = \sqrt{D_i/\Sigma_{ii}}\,S_{ia}$. Isotropic noise gives $A = a I + c\,\nabla L\nabla L^\top$, whose root is
$\sqrt a\,I + \gamma\,\nabla L\nabla L^\top$ with $\gamma = (\sqrt{a + c|\nabla L|^2} - \sqrt a)/|\nabla L|^2$; it is
applied to $S/s$.
"""

import sympy as sp

from sde_momentum.symbolic.equation._factor import SQUARES_FACTOR, Covariance, NoFactor
from sde_momentum.symbolic.graphs._field_functions import (
    NOISE_DEVIATION,
    NOISE_VARIANCE,
    SQUARED_GRADIENT,
    ComponentwiseName,
    ScalarName,
    componentwise_nodes,
    scalar_nodes,
)
from sde_momentum.symbolic.graphs._function_merging import factor_at
from sde_momentum.symbolic.graphs._graph import FREE, Graph, Node
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.rules._noise_law import GENERAL, ISOTROPIC

_DELTA = Node("delta", (tuple(sorted(FREE)),))
_COLUMN = Node("S", ((FREE[0],), (FREE[1],), ()))
_SQUARES_COLUMN = Node(SQUARES_FACTOR, ((FREE[0],), (FREE[1],), ()))
_SLOPES = (Node("L", ((FREE[1],),)), Node("L", ((FREE[0],),)))


def gaussian_factor(covariance: Covariance, law: str) -> dict[str, TensorExpression]:
    """Find B, variable → vector expression with the noise column as second free index.

    Raises:
        NoFactor: more than one variable is noisy, or the covariance has another shape than the law gives it.
    """
    noisy = sorted({name for pair in covariance for name in pair})
    if law == GENERAL:
        raise NoFactor("its leading part is not a multiple of Σ")
    if len(noisy) == 2:
        return _of_two(covariance, noisy)
    if len(noisy) != 1:
        raise NoFactor(
            f"the noises of {', '.join(noisy)} are {len(noisy)} different functions of one gradient noise, for which "
            "two independent ones do not suffice"
        )
    (name,) = noisy
    # Isotropic noise has independent components too: an update without norms is averaged over them.
    scalars = any(isinstance(node.field, ScalarName) for graph, _ in covariance[name, name] for node in graph)
    coupled = any(_DELTA not in graph for graph, _ in covariance[name, name])
    root = _isotropic if law == ISOTROPIC and (scalars or coupled or not _has_functions(covariance)) else _of_components
    return {name: TensorExpression.collect(root(covariance[name, name]))}


def _has_functions(covariance: Covariance) -> bool:
    nodes = (node for block in covariance.values() for graph, _ in block for node in graph)
    return any(isinstance(node.field, ComponentwiseName) for node in nodes)


def _of_two(covariance: Covariance, noisy: list[str]) -> dict[str, TensorExpression]:
    """Cholesky's root, component by component, of two variables that read one component of the noise differently.

    Its second column is R: for Gaussian noise with independent components S Rᵀ = 0 and R Rᵀ = 2Σ².
    """
    own = {name: _diagonal(covariance[name, name]) for name in noisy if (name, name) in covariance}
    if len(own) < 2:
        raise NoFactor("no variable has a covariance of its own")
    pivot, other = sorted(noisy, key=lambda name: (own[name].count_ops(), name))
    cross = next((_diagonal(block) for (left, right), block in covariance.items() if left != right), sp.S.Zero)
    constant, function = _square_roots(own[pivot], positive={NOISE_VARIANCE})
    shared = _as_columns(cross / (constant * function * sp.sqrt(NOISE_VARIANCE)), _COLUMN)
    # In one order of η: what is left of the other noise has a root where its leading part has one.
    # Exponentials stay as they are: taken out of the root, they would outgrow any float.
    over = own[pivot] if own[pivot].is_Add else sp.S.One
    rest = sp.expand(own[other] * over - sp.expand(cross**2) * over / own[pivot]) / over
    left = _square_roots(rest, positive={NOISE_VARIANCE}) if rest != 0 else None
    remainder = []
    if left is not None:
        graph = (*componentwise_nodes(left[1] / NOISE_VARIANCE, FREE[0]), _SQUARES_COLUMN)
        remainder = [(graph, left[0] / sp.sqrt(2))]
    column = ((*componentwise_nodes(function / sp.sqrt(NOISE_VARIANCE), FREE[0]), _COLUMN), constant)
    return {pivot: TensorExpression.collect([column]), other: TensorExpression.collect([*shared, *remainder])}


def _as_columns(expression: sp.Expr, column: Node) -> list[tuple[Graph, sp.Expr]]:
    """Functions of components before a column, one term of a sum after the other."""
    found = []
    for term in sp.Add.make_args(sp.expand(expression)):
        fields = [s for s in term.free_symbols if s == NOISE_VARIANCE or not s.is_nonnegative]
        constant, function = term.as_independent(*fields, as_Add=False) if fields else (term, sp.S.One)
        if constant != 0:
            found.append(((*componentwise_nodes(function, FREE[0]), column), constant))
    return found


def _of_components(block: TensorExpression) -> list[tuple[Graph, sp.Expr]]:
    constant, function = _square_roots(_diagonal(block), positive={NOISE_VARIANCE})
    return [((*componentwise_nodes(function / sp.sqrt(NOISE_VARIANCE), FREE[0]), _COLUMN), constant)]


def _diagonal(block: TensorExpression) -> sp.Expr:
    """D_i of a covariance D_i δ_ij."""
    diagonal = sp.S.Zero
    for graph, coefficient in block:
        factors = [factor_at(node, FREE[0]) for node in graph if node != _DELTA]
        if _DELTA not in graph or None in factors:
            raise NoFactor("a correction couples components whose noise is independent")
        diagonal += coefficient * sp.Mul(*factors)
    return diagonal


def _isotropic(block: TensorExpression) -> list[tuple[Graph, sp.Expr]]:
    across, along = sp.S.Zero, sp.S.Zero
    for graph, coefficient in block:
        rest = tuple(node for node in graph if not isinstance(node.field, ScalarName))
        value = coefficient * sp.Mul(*(node.field.expression for node in graph if isinstance(node.field, ScalarName)))
        if rest == (_DELTA,):
            across += value
        elif sorted(rest) == sorted(_SLOPES):
            along += value
        else:
            raise NoFactor("a correction is not made of the identity and of ∇L∇Lᵀ")
    constant, function = _square_roots(across, positive={SQUARED_GRADIENT, NOISE_DEVIATION})
    found = [((*scalar_nodes(function / NOISE_DEVIATION), _COLUMN), constant)]
    if along != 0:
        total, whole = _square_roots(across + along * SQUARED_GRADIENT, positive={SQUARED_GRADIENT, NOISE_DEVIATION})
        excess = (total / constant * whole - function) / (SQUARED_GRADIENT * NOISE_DEVIATION)
        column = Node("S", ((0,), (FREE[1],), ()))
        found.append(((*scalar_nodes(excess), _SLOPES[1], Node("L", ((0,),)), column), constant))
    return found


def _square_roots(square: sp.Expr, positive: set[sp.Symbol]) -> tuple[sp.Expr, sp.Expr]:
    """√ of the constant factor, and √ of the function of fields."""
    fields = [s for s in square.free_symbols if s in positive or not s.is_positive]
    factored = sp.factor_terms(square)
    constant, function = factored.as_independent(*fields, as_Add=False) if fields else (factored, sp.S.One)
    if constant.could_extract_minus_sign():
        constant, function = -constant, sp.expand(-function)
    return sp.sqrt(constant), sp.sqrt(function)
