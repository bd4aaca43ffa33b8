"""Updates that are not polynomial in the gradient: what a user may write, and which law averages it."""

import sympy as sp

from sde_momentum.symbolic.rules._noise_law import GENERAL, INDEPENDENT, ISOTROPIC
from sde_momentum.symbolic.symbols._symbols import GRADIENT

GRADIENT_SQUARE = sp.Symbol("squared_norm_of_g", positive=True)


class squared_norm(sp.Function):
    r"""$|g|^2 = \sum_i g_i^2$ of the stochastic gradient, for update rules that normalize it.

    Args:
        g: the gradient, or a multiple of it.

    Example:
        >>> import sympy as sp
        >>> from sde_momentum.symbolic import Regime, modified_equation, update_rule
        >>> @update_rule(state=("x",))
        ... def normalized(x, g, *, learning_rate):
        ...     return x - learning_rate * g / sp.sqrt(squared_norm(g))
        >>> print(modified_equation(normalized, Regime.noiseless()).drift["x"])
        -1/|∇L|·∇L
    """

    nargs = 1
    is_real = True
    is_nonnegative = True


def with_squares(expression: sp.Expr, owner: str = "the update") -> sp.Expr:
    """Write |c g|² as c² times one symbol.

    Raises:
        ValueError: the norm of something else is taken.
    """

    def square(argument: sp.Expr) -> sp.Expr:
        factor = sp.cancel(argument / GRADIENT)
        if factor.has(GRADIENT) or any(not s.is_positive for s in factor.free_symbols):
            raise ValueError(f"{owner} takes the norm of {argument}: `squared_norm` is of the gradient `g` alone.")
        return factor**2 * GRADIENT_SQUARE

    return expression.replace(squared_norm, square) if expression.has(squared_norm) else expression


def is_function_of_gradient(function: sp.Expr) -> bool:
    """Whether a factor of an update depends on the gradient."""
    return function.has(GRADIENT) or function.has(GRADIENT_SQUARE)


def require_law(function: sp.Expr, law: str, noisy: bool) -> None:
    """Refuse a function of the gradient whose average the regime does not determine.

    Raises:
        ValueError: the noise has no law, or one that is not symmetric enough.
    """
    if not noisy:
        return
    shown = function.subs(GRADIENT_SQUARE, sp.Function("squared_norm")(GRADIENT))
    if law == GENERAL:
        alone = function.free_symbols <= {GRADIENT, GRADIENT_SQUARE}
        slower = "" if alone else "; averages of g may be slowed by `scalings`"
        raise ValueError(
            f"the update is not polynomial in the gradient ({_shortened(shown)}), so that its average depends on the "
            f"whole law of the noise: give the regime `noise_law={INDEPENDENT!r}` (or {ISOTROPIC!r}), or no noise"
            f"{slower}."
        )
    if function.has(GRADIENT_SQUARE) and law != ISOTROPIC:
        raise ValueError(
            f"the update uses the norm of the gradient ({shown}): its average is known for `noise_law={ISOTROPIC!r}` "
            f"only, and the regime says {law!r}."
        )


def _shortened(function: sp.Expr, length: int = 100) -> str:
    text = str(function)
    return text if len(text) <= length else f"{text[:length]} …"
