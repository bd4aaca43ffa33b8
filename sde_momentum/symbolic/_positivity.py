"""Whether second-order terms can be the covariance of anything, to the order that is known."""

from collections.abc import Mapping
from fractions import Fraction

import sympy as sp

from ._symbols import LEARNING_RATE
from ._tensor_expression import TensorExpression

Covariance = Mapping[tuple[str, str], TensorExpression]


def indefinite_block(covariance: Covariance, below: Fraction) -> dict[tuple[str, str], TensorExpression]:
    """A block between two variables that outweighs their own: |A_vw|² ≤ A_vv A_ww fails as the learning rate vanishes.

    Blocks that the order drops are at least of the size of what it drops; only where even that is too small is there no
    factor whose square agrees to the order.

    Args:
        covariance: pairs of variables → matrix expressions.
        below: the power of the learning rate below which the blocks are known.
    """
    for (left, right), block in covariance.items():
        if left == right:
            continue
        own = [lowest_power(covariance.get((name, name)), below) for name in (left, right)]
        cross = lowest_power(block, below)
        if cross < below and sum(own) > 2 * cross:
            return {(left, right): block}
    return {}


def lowest_power(block: TensorExpression | None, otherwise: Fraction) -> Fraction:
    """The lowest power of the learning rate in an expression."""
    powers = [sp.sympify(c).expand().leadterm(LEARNING_RATE)[1] for _, c in block or ()]
    return min((Fraction(int(p.p), int(p.q)) for p in powers), default=otherwise)
