"""How functions of fields are written: erf(∂_iL/√(2·Σ_ii)), Γ((1 + d)/2), 1/|∇L|."""

from collections.abc import Callable
from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic.graphs._field_functions import NOISE_VARIANCE, SQUARED_GRADIENT, scalar_expression
from sde_momentum.symbolic.graphs._graph import Graph
from sde_momentum.symbolic.presentation._style import GRADIENT_NORM, TWICE_VARIANCE, WRITTEN, Factor, Style
from sde_momentum.symbolic.symbols._kummer import Kummer

Writer = Callable[[Style, sp.Expr], str]
_NAMES = {sp.gamma: ("Γ", r"\Gamma"), Kummer: ("M", "M")}


def function_phrase(style: Style, function: sp.Expr, expression: Writer) -> str | None:
    """Write a function, its arguments by `expression`; None for what is not a function."""
    if function == sp.pi:
        return style.greek("π", r"\pi")
    if not function.args or not (function.is_Function or isinstance(function, sp.exp)):
        return None
    name = style.greek(*_NAMES.get(function.func, (function.func.__name__,) * 2))
    arguments = function.args
    if function.func.__name__ in ("erf", "exp"):
        arguments = [argument.replace(_is_variance, _halved) for argument in arguments]
    return style.applied(name, ", ".join(expression(style, argument) for argument in arguments))


def _is_variance(expression: sp.Expr) -> bool:
    return expression.is_Symbol and expression.name.partition("@")[0] == NOISE_VARIANCE.name


def _halved(symbol: sp.Symbol) -> sp.Expr:
    """Σ_ii as half of 2Σ_ii, by which the error function and the normal density divide."""
    return sp.Symbol(symbol.name.replace(NOISE_VARIANCE.name, TWICE_VARIANCE), positive=True) / 2


def inert(function: sp.Expr) -> sp.Expr:
    """The same with error functions that sympy does not turn round, erf(−u) = −erf(u), when letters change."""
    return function.replace(sp.erf, sp.Function("erf"))


def with_written_roots(style: Style, function: sp.Expr, expression: Writer) -> sp.Expr:
    """Roots of sums as symbols that hold what is written for them: factoring would tear 1 − erf² apart."""

    def root(power: sp.Expr) -> sp.Symbol:
        exponent = Fraction(int(power.exp.p), int(power.exp.q))
        body = style.power(Factor(expression(style, power.base), abs(exponent), is_sum=True))
        return sp.Symbol(f"{WRITTEN}{body}", positive=True) ** (1 if exponent > 0 else -1)

    is_root = lambda e: e.is_Pow and e.base.is_Add and e.exp.is_Rational and not e.exp.is_Integer
    return function.replace(is_root, root)


def without_scalars(graph: Graph, weight: sp.Expr) -> tuple[Graph, sp.Expr]:
    """Move functions of scalars from the graph to its coefficient, with |∇L| as a symbol."""
    scalars = [scalar_expression(node) for node in graph]
    factor = sp.Mul(*(s for s in scalars if s is not None)).subs(SQUARED_GRADIENT, GRADIENT_NORM**2)
    return tuple(n for n, s in zip(graph, scalars, strict=True) if s is None), weight * factor
