r"""Roots of the covariances that a Gaussian law of the noise leads to.

Independent components give $A_{ij} = D_i\delta_{ij}$, and with $\Sigma = SS^\top$ diagonal
$B_{ia} = \sqrt{D_i/\Sigma_{ii}}\,S_{ia}$. Isotropic noise gives $A = a I + c\,\nabla L\nabla L^\top$, whose root is
$\sqrt a\,I + \gamma\,\nabla L\nabla L^\top$ with $\gamma = (\sqrt{a + c|\nabla L|^2} - \sqrt a)/|\nabla L|^2$; it is
applied to $S/s$.
"""

import sympy as sp

from ._factor import Covariance, NoFactor
from ._field_functions import (
    NOISE_DEVIATION,
    NOISE_VARIANCE,
    SQUARED_GRADIENT,
    ComponentwiseName,
    ScalarName,
    componentwise_nodes,
    scalar_nodes,
)
from ._function_merging import factor_at
from ._graph import FREE, Graph, Node
from ._noise_law import GENERAL, ISOTROPIC
from ._tensor_expression import TensorExpression

_DELTA = Node("delta", (tuple(sorted(FREE)),))
_COLUMN = Node("S", ((FREE[0],), (FREE[1],), ()))
_SLOPES = (Node("L", ((FREE[1],),)), Node("L", ((FREE[0],),)))


def gaussian_factor(covariance: Covariance, law: str) -> dict[str, TensorExpression]:
    """Find B, variable → vector expression with the noise column as second free index.

    Raises:
        NoFactor: more than one variable is noisy, or the covariance has another shape than the law gives it.
    """
    noisy = {name for pair in covariance for name in pair}
    if len(noisy) != 1:
        raise NoFactor(f"the noises of {' and '.join(sorted(noisy))} are different functions of one gradient noise")
    (name,) = noisy
    if law == GENERAL:
        raise NoFactor("its leading part is not a multiple of Σ")
    # Isotropic noise has independent components too: an update without norms is averaged over them.
    scalars = any(isinstance(node.field, ScalarName) for graph, _ in covariance[name, name] for node in graph)
    coupled = any(_DELTA not in graph for graph, _ in covariance[name, name])
    root = _isotropic if law == ISOTROPIC and (scalars or coupled or not _has_functions(covariance)) else _of_components
    return {name: TensorExpression.collect(root(covariance[name, name]))}


def _has_functions(covariance: Covariance) -> bool:
    nodes = (node for block in covariance.values() for graph, _ in block for node in graph)
    return any(isinstance(node.field, ComponentwiseName) for node in nodes)


def _of_components(block: TensorExpression) -> list[tuple[Graph, sp.Expr]]:
    diagonal = sp.S.Zero
    for graph, coefficient in block:
        factors = [factor_at(node, FREE[0]) for node in graph if node != _DELTA]
        if _DELTA not in graph or None in factors:
            raise NoFactor("a correction couples components whose noise is independent")
        diagonal += coefficient * sp.Mul(*factors)
    constant, function = _square_roots(diagonal, positive={NOISE_VARIANCE})
    return [((*componentwise_nodes(function / sp.sqrt(NOISE_VARIANCE), FREE[0]), _COLUMN), constant)]


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
