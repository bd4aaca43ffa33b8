"""How functions of fields are written: erf(∂_iL/√(2·Σ_ii)), Γ((1 + d)/2), 1/|∇L|."""

from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic.graphs._field_functions import NOISE_VARIANCE, SQUARED_GRADIENT, scalar_expression
from sde_momentum.symbolic.graphs._graph import Graph
from sde_momentum.symbolic.presentation._style import Factor, Style
from sde_momentum.symbolic.symbols._kummer import Kummer

GRADIENT_NORM = sp.Symbol("gradient_norm", positive=True)
_TWICE_VARIANCE = "twice_noise_variance"
_WRITTEN = "written:"
_NAMES = {sp.gamma: ("Γ", r"\Gamma"), Kummer: ("M", "M")}


def function_phrase(style: Style, function: sp.Expr) -> str | None:
    """Write a function with the arguments in the style's own letters; None for what is not a function."""
    from sde_momentum.symbolic.presentation._coefficient_form import expression

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
    return sp.Symbol(symbol.name.replace(NOISE_VARIANCE.name, _TWICE_VARIANCE), positive=True) / 2


def field_symbol(style: Style, name: str, index: str) -> str | None:
    """Write the reserved symbols of functions of fields; None for any other name."""
    if name.startswith(_WRITTEN):
        return name.removeprefix(_WRITTEN)
    if name == "loss_slope":
        return style.partial(index, style.loss) if index else style.gradient(style.loss)
    if name in (NOISE_VARIANCE.name, _TWICE_VARIANCE):
        covariance = style.noise_covariance
        written = style.indexed(covariance, 2 * index) if index else style.function("diag", covariance)
        twice = style.scaled("2", written)
        return written if name == NOISE_VARIANCE.name else style.greek(style.parenthesized(twice), twice)
    if name == GRADIENT_NORM.name:
        return style.norm(style.gradient(style.loss))
    return {"noise_deviation": "s"}.get(name)


def inert(function: sp.Expr) -> sp.Expr:
    """The same with error functions that sympy does not turn round, erf(−u) = −erf(u), when letters change."""
    return function.replace(sp.erf, sp.Function("erf"))


def with_written_roots(style: Style, function: sp.Expr) -> sp.Expr:
    """Roots of sums as symbols that hold what is written for them: factoring would tear 1 − erf² apart."""
    from sde_momentum.symbolic.presentation._coefficient_form import expression

    def root(power: sp.Expr) -> sp.Symbol:
        exponent = Fraction(int(power.exp.p), int(power.exp.q))
        body = style.power(Factor(expression(style, power.base), abs(exponent), is_sum=True))
        return sp.Symbol(f"{_WRITTEN}{body}", positive=True) ** (1 if exponent > 0 else -1)

    is_root = lambda e: e.is_Pow and e.base.is_Add and e.exp.is_Rational and not e.exp.is_Integer
    return function.replace(is_root, root)


def without_scalars(graph: Graph, weight: sp.Expr) -> tuple[Graph, sp.Expr]:
    """Move functions of scalars from the graph to its coefficient, with |∇L| as a symbol."""
    scalars = [scalar_expression(node) for node in graph]
    factor = sp.Mul(*(s for s in scalars if s is not None)).subs(SQUARED_GRADIENT, GRADIENT_NORM**2)
    return tuple(n for n, s in zip(graph, scalars, strict=True) if s is None), weight * factor
