"""Whether second-order terms can be the covariance of anything, to the order that is known."""

from collections.abc import Mapping
from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic.graphs._graph import Node
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE

Covariance = Mapping[tuple[str, str], TensorExpression]


def indefinite_block(covariance: Covariance, below: Fraction) -> dict[tuple[str, str], TensorExpression]:
    """A block between two variables that outweighs their own: |A_vw|² ≤ A_vv A_ww fails as the learning rate vanishes.

    Blocks that the order drops are at least of the size of what it drops; only where even that is too small is there no
    factor whose square agrees to the order. Blocks of balanced powers are compared where all three are multiples of Σ.

    Args:
        covariance: pairs of variables → matrix expressions.
        below: the power of the learning rate below which the blocks are known.

    Returns:
        The leading part of such a block by its pair of variables; empty where there is none.
    """
    for (left, right), block in covariance.items():
        if left == right:
            continue
        own = [lowest_power(covariance.get((name, name)), below) for name in (left, right)]
        cross = lowest_power(block, below)
        if cross >= below or sum(own) < 2 * cross:
            continue
        blocks = [leading_part(covariance.get((name, name), TensorExpression())) for name in (left, right)]
        if sum(own) > 2 * cross or (max(own) < below and _outweighs(leading_part(block), *blocks)):
            return {(left, right): leading_part(block)}
    return {}


def _outweighs(cross: TensorExpression, first: TensorExpression, second: TensorExpression) -> bool:
    """Whether c² > ab for blocks cΣ, aΣ and bΣ, whatever the hyperparameters in (0, 1) are."""
    c, a, b = (_multiple_of_covariance(block) for block in (cross, first, second))
    if a is None or b is None or c is None:
        return False
    inside = {s: 1 / (1 + sp.Symbol(f"odds_{s}", positive=True)) for s in (a * b).free_symbols | c.free_symbols}
    return bool(sp.factor(sp.together((a * b - c**2).xreplace(inside))).is_negative)


def _multiple_of_covariance(block: TensorExpression) -> sp.Expr | None:
    if len(block.terms) != 1 or block.terms[0][0] != (Node("Sigma", ((-2, -1), ())),):
        return None
    return block.terms[0][1].subs(LEARNING_RATE, 1)


def leading_part(block: TensorExpression) -> TensorExpression:
    """The terms with the lowest power of the learning rate."""
    lowest = lowest_power(block, Fraction(0))
    power = LEARNING_RATE ** sp.Rational(lowest.numerator, lowest.denominator)
    found = ((graph, sp.expand(sp.expand(sp.sympify(c)) / power).subs(LEARNING_RATE, 0) * power) for graph, c in block)
    return TensorExpression.collect(found)


def lowest_power(block: TensorExpression | None, otherwise: Fraction) -> Fraction:
    """The lowest power of the learning rate in an expression."""
    powers = [sp.sympify(c).expand().leadterm(LEARNING_RATE)[1] for _, c in block or ()]
    return min((Fraction(int(p.p), int(p.q)) for p in powers), default=otherwise)
