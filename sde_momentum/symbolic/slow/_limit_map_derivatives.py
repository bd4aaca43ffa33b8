r"""Derivatives of the limit map Φ of gradient flow on the manifold of minimizers, from two identities.

Φ is constant along gradient flow, ∂Φ ∇L = 0 everywhere, and the identity on Γ. Differentiated once and twice, by the
rule of Leibniz on contracted graphs, they are linear equations for ∂Φ and ∂²Φ, in every dimension at once. They
decouple in the eigenbasis of H, where an index is tangent (h = 0) or normal (h ≠ 0).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import sympy as sp

from sde_momentum.symbolic.graphs._algebra import Algebra
from sde_momentum.symbolic.graphs._fields import Tensor
from sde_momentum.symbolic.graphs._graph import Graph, Label, Node, labels, next_label, relabel
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression

Kind = Literal["tangent", "normal"]
Block = tuple[Kind, Kind, Kind]

OUTPUT_EIGENVALUE, LEFT_EIGENVALUE, RIGHT_EIGENVALUE = sp.symbols("h_a h_i h_j", positive=True)
_LIMIT, _VELOCITY, _ACCELERATION = "Φ", "velocity", "acceleration"
_OUT, _LEFT, _RIGHT = -1, -2, -3
_EIGENVALUES = {_OUT: OUTPUT_EIGENVALUE, _LEFT: LEFT_EIGENVALUE, _RIGHT: RIGHT_EIGENVALUE}


@dataclass(frozen=True)
class LimitMapDerivatives:
    r"""∂Φ and ∂²Φ on Γ, in the eigenbasis of H.

    Args:
        first: kind of index → its eigenvalue of ∂Φ: one for tangent, zero for normal indices, so ∂Φ = P.
        second: kinds of (a, i, j) → the coefficient of ∂³L_aij in ∂²Φ^a_ij, in the eigenvalues h_a, h_i, h_j.
        invariance: ∂_j and ∂_jk of Φ^a_i L_i on Γ, which vanish.
        identity: first and second derivative of Φ^a(c(s)) for a curve c in Γ, which are those of c itself.
    """

    first: dict[Kind, sp.Expr]
    second: dict[Block, sp.Expr]
    invariance: tuple[TensorExpression, TensorExpression]
    identity: tuple[TensorExpression, TensorExpression]


def limit_map_derivatives() -> LimitMapDerivatives:
    r"""Solve the identities ∂Φ ∇L = 0 and Φ(c(s)) = c(s) for the first two derivatives of Φ on Γ.

        ∂²Φ[Hu, v] + ∂²Φ[u, Hv] = −P D3[u, v],   ∂²Φ[t, t] = −H⁺ D3[t, t]

    Returns:
        A `LimitMapDerivatives`; a block it leaves out is zero.

    Example:
        >>> from sde_momentum.symbolic import limit_map_derivatives
        >>> found = limit_map_derivatives()
        >>> found.first["tangent"], found.first["normal"]
        (1, 0)
        >>> print(found.second["tangent", "normal", "normal"])
        -1/(h_i + h_j)
        >>> print(found.second["normal", "tangent", "tangent"])
        -1/h_a

    References:
        Li, Wang, Arora (2022), section 4 (the same blocks, by hand).
    """
    algebra = Algebra(("x",))
    algebra.fields[_LIMIT] = Tensor(_LIMIT, 1, "x")
    product = TensorExpression.collect([((Node(_LIMIT, ((_OUT,), (0,))), Node("L", ((0,),))), 1)])
    once = _differentiated(algebra, product, _LEFT)
    twice = _differentiated(algebra, once, _RIGHT)
    invariance = (_stationary(once), _stationary(twice))
    limit = TensorExpression.collect([((Node(_LIMIT, ((_OUT,), ())),), 1)])
    gradient = TensorExpression.collect([((Node("L", ((_OUT,),)),), 1)])
    along = _along_curve(algebra, limit)
    identity = (along, _along_curve(algebra, along))
    stationary = _along_curve(algebra, _along_curve(algebra, gradient))
    first = _first(invariance[0], identity[0])
    return LimitMapDerivatives(first, _second(first, invariance[1], identity[1], stationary), invariance, identity)


def _differentiated(algebra: Algebra, expression: TensorExpression, label: Label) -> TensorExpression:
    """∂_label, by Leibniz' rule."""
    return TensorExpression.collect(
        (graph, coefficient * algebra.to_sympy(times))
        for target, coefficient in expression
        for times, graph in algebra.apply_derivatives((), target, [("x", label)])
    )


def _stationary(expression: TensorExpression) -> TensorExpression:
    """On Γ: without the graphs that contain ∇L itself."""
    vanishes = lambda graph: any(node.field == "L" and len(labels([node])) == 1 for node in graph)
    return TensorExpression(tuple((graph, c) for graph, c in expression if not vanishes(graph)))


def _along_curve(algebra: Algebra, expression: TensorExpression) -> TensorExpression:
    """d/ds at x = c(s): the chain rule on the fields, and c' ↦ c''."""
    return TensorExpression.collect(
        (graph, coefficient * times) for target, coefficient in expression for times, graph in _chain(algebra, target)
    )


def _chain(algebra: Algebra, graph: Graph) -> Iterable[tuple[sp.Expr, Graph]]:
    own = next_label(graph)
    moving = [node for node in graph if node.field == _VELOCITY]
    fields = tuple(node for node in graph if node.field not in (_VELOCITY, _ACCELERATION))
    rest = tuple(node for node in graph if node not in fields)
    prefix = (*rest, Node(_VELOCITY, ((own,),)))
    for times, found in algebra.apply_derivatives(prefix, fields, [("x", own)]):
        yield algebra.to_sympy(times), found
    for node in moving:
        others = list(rest)
        others.remove(node)
        yield sp.S.One, (*fields, *others, Node(_ACCELERATION, node.slots))


def _diagonal(expression: TensorExpression, first: dict[Kind, sp.Expr] | None, out: Kind) -> dict[Graph, sp.Expr]:
    """In the eigenbasis: a contracted Hessian is its eigenvalue, a contracted ∂Φ that of the output's kind."""
    total: dict[Graph, sp.Expr] = {}
    for graph, coefficient in expression:
        nodes = list(graph)
        for node in graph:
            if len(graph) == 1 or len(node.slots[-1]) != (2 if node.field == "L" else 1):
                continue
            if node.field == "L":
                inner, outer = sorted(node.slots[0], reverse=True)
                coefficient = coefficient * _EIGENVALUES[outer]
            elif node.field == _LIMIT and first is not None:
                inner, outer = node.slots[1][0], _OUT
                coefficient = coefficient * first[out]
            else:
                continue
            nodes.remove(node)
            nodes = list(relabel(nodes, {inner: outer}))
        key = tuple(sorted(Node(f, tuple(tuple(sorted(g, reverse=True)) for g in s)) for f, s in nodes))
        total[key] = total.get(key, sp.S.Zero) + coefficient
    return total


def _first(invariance: TensorExpression, identity: TensorExpression) -> dict[Kind, sp.Expr]:
    """h_i ∂Φ_ai = 0 leaves nothing of a normal index; ∂Φ_ai c'_i = c'_a says one of a tangent one."""
    ((_, eigenvalue),) = _diagonal(invariance, None, "normal").items()
    unknown = sp.Symbol("unknown")
    ((_, times),) = identity
    return {
        "normal": sp.solve(eigenvalue * unknown, unknown)[0],
        "tangent": sp.solve(times * unknown - 1, unknown)[0],
    }


def _second(first, invariance, identity, stationary) -> dict[Block, sp.Expr]:
    second: dict[Block, sp.Expr] = {}
    unknown = sp.Symbol("unknown")
    kinds: tuple[Kind, Kind] = ("tangent", "normal")
    for out in kinds:
        equation = sp.S.Zero
        for graph, coefficient in _diagonal(invariance, first, out).items():
            equation += coefficient * (unknown if graph[0].field == _LIMIT else 1)
        for left, right in (("normal", "normal"), ("normal", "tangent"), ("tangent", "normal")):
            zero = {h: 0 for h, k in ((LEFT_EIGENVALUE, left), (RIGHT_EIGENVALUE, right)) if k == "tangent"}
            second[out, left, right] = sp.factor(sp.solve(equation.subs(zero), unknown)[0])
        second[out, "tangent", "tangent"] = _tangent_pair(first, identity, stationary, out)
    return {block: value for block, value in second.items() if value != 0}


def _tangent_pair(first, identity: TensorExpression, stationary: TensorExpression, out: Kind) -> sp.Expr:
    """∂²Φ[c', c'] = (1 − ∂Φ) c'' with H c'' = −D3[c', c'] from the second derivative of ∇L(c(s)) = 0."""
    curved = {graph: c for graph, c in identity if any(node.field == _VELOCITY for node in graph)}
    ((_, weight),) = curved.items()
    bend = {any(n.field == _VELOCITY for n in graph): c for graph, c in stationary}
    if out == "tangent":  # H c'' has no tangent component, and there ∂Φ is one
        return (1 - first[out]) / weight
    return (1 - first[out]) * sp.factor(-bend[True] / (bend[False] * OUTPUT_EIGENVALUE)) / weight
