"""Limits, obstructions and expressions as MathML, which browsers show without scripts or fonts from elsewhere."""

from sde_momentum.symbolic.equation._limit import Limit, NoDiffusion
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.presentation._latex import to_latex


def to_mathml(statement: Limit | NoDiffusion | TensorExpression) -> str:
    """Write a limit, an obstruction or an expression as a MathML element, ready for an HTML page.

    Args:
        statement: what `modified_equation` returns, or a part of it.

    Returns:
        A `<math display="block">` element.

    Raises:
        ImportError: the optional package `latex2mathml` is missing; `pip install sde_momentum[claims]` brings it.
        TypeError: `statement` is something else.

    Example:
        >>> from sde_momentum.optimizers import sgd
        >>> from sde_momentum.symbolic import modified_equation, to_mathml
        >>> to_mathml(modified_equation(sgd()).covariance["x", "x"]).startswith("<math")
        True
    """
    try:
        from latex2mathml.converter import convert
    except ImportError as error:
        raise ImportError(
            "to_mathml needs the package `latex2mathml`, which is not installed: pip install sde_momentum[claims]"
        ) from error
    # The converter knows `split`, which is the same table, but not `aligned`.
    return convert(to_latex(statement).replace("{aligned}", "{split}"), display="block")
