"""The elementwise primitives of JAX in sympy, and what is said about the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp

from sde_momentum.dynamics._optax_compare import Facts, decide, only_at_zero


@dataclass(frozen=True)
class Unreadable:
    """A value that has no expression for one generic component.

    Args:
        primitive: the primitive that made it.
        reason: why it cannot be read.
        counter: for a comparison, the counter whose value 0 it asks for.
    """

    primitive: str
    reason: str
    counter: sp.Symbol | None = None


Value = sp.Expr | bool | Unreadable

INLINED = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "checkpoint", "remat2")
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
# These hand on their operand; shapes are checked for every equation.
PASSED_ON = ("broadcast_in_dim", "copy", "copy_p", "reshape", "squeeze", "stop_gradient")

ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "add_any": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": lambda a, b: a**b,
    "square": lambda a: a**2,
    "sqrt": sp.sqrt,
    "rsqrt": lambda a: 1 / sp.sqrt(a),
    "cbrt": lambda a: sp.sign(a) * sp.Abs(a) ** sp.Rational(1, 3),
    "exp": sp.exp,
    "exp2": lambda a: sp.Integer(2) ** a,
    "expm1": lambda a: sp.exp(a) - 1,
    "log": sp.log,
    "log1p": lambda a: sp.log(1 + a),
    "logistic": lambda a: 1 / (1 + sp.exp(-a)),
    "sin": sp.sin,
    "cos": sp.cos,
    "tanh": sp.tanh,
    "atan": sp.atan,
    "erf": sp.erf,
    "sign": sp.sign,
    "abs": sp.Abs,
}


def apply_primitive(name: str, arguments: list[Value], parameters: dict[str, Any], aval: Any, facts: Facts) -> Value:
    """Value of one equation of a jaxpr.

    Args:
        name: the primitive.
        arguments: values of its operands.
        parameters: its static parameters.
        aval: shape and dtype of the result.
        facts: what is known about state leaves.
    """
    if name == "select_n":
        return _select(arguments)
    for argument in arguments:
        if isinstance(argument, Unreadable):
            return argument
    if name in COMPARISONS:
        return _compare(name, arguments, facts)
    if name in ("and", "or", "not") and all(isinstance(a, bool) for a in arguments):
        return {"and": all(arguments), "or": any(arguments), "not": not arguments[0]}[name]
    if name == "convert_element_type":
        return _convert(arguments[0], aval, facts)
    if name in PASSED_ON:
        return arguments[0]
    if name == "integer_pow":
        return sp.sympify(arguments[0]) ** parameters["y"]
    if name in ("max", "min"):
        return _extreme(name, *map(sp.sympify, arguments), facts)
    if name == "clamp":
        low, value, high = map(sp.sympify, arguments)
        return _extreme("min", _extreme("max", low, value, facts), high, facts)
    if name not in ELEMENTWISE:
        return Unreadable(name, "it has no reading for one component")
    if name == "div" and aval.dtype.kind in "iu":
        return Unreadable(name, "division of integers rounds")
    return ELEMENTWISE[name](*arguments)


def _select(arguments: list[Value]) -> Value:
    which, *cases = arguments
    if isinstance(which, bool):
        return cases[int(which)]
    if not isinstance(which, Unreadable) and getattr(which, "is_Integer", False):
        return cases[int(which)]  # pyright: ignore[reportArgumentType]
    if all(case == cases[0] for case in cases):
        return cases[0]
    if isinstance(which, Unreadable) and which.counter is not None and len(cases) == 2:
        usual, first = cases
        agree = isinstance(usual, sp.Expr) and isinstance(first, sp.Expr) and _same_at(which.counter, usual, first)
        return usual if agree else which
    return which if isinstance(which, Unreadable) else Unreadable("select_n", f"the outcome depends on {which}")


def _compare(name: str, arguments: list[Value], facts: Facts) -> Value:
    left, right = (sp.Integer(int(a)) if isinstance(a, bool) else a for a in arguments)
    operands = (sp.sympify(left), sp.sympify(right), facts)
    outcome = decide(name, *operands)
    if outcome is None:
        reason = f"whether {left} is {_WORDS[name]} {right} depends on numbers"
        return Unreadable(name, reason, only_at_zero(name, *operands))
    return outcome


_WORDS = {"lt": "<", "le": "≤", "gt": ">", "ge": "≥", "eq": "=", "ne": "≠"}


def _extreme(name: str, left: sp.Expr, right: sp.Expr, facts: Facts) -> sp.Expr:
    """The larger or the smaller of two values, the one that it always is where that is known."""
    greater = decide("ge", left, right, facts)
    if greater is None:
        return sp.Max(left, right) if name == "max" else sp.Min(left, right)
    return left if greater == (name == "max") else right


def _same_at(counter: sp.Symbol, usual: sp.Expr, first: sp.Expr) -> bool:
    """Whether a special value for the first step is what the formula gives there anyway, as in schedules."""
    return sp.expand((usual - first).subs(counter, 0)) == 0


def _convert(value: Value, aval: Any, facts: Facts) -> Value:
    kind, size = aval.dtype.kind, aval.dtype.itemsize
    if isinstance(value, bool):
        return value if kind == "b" else sp.Integer(int(value))
    if (kind == "f" and size >= 4) or (kind in "iu" and value.xreplace(dict(facts)).is_integer):  # pyright: ignore
        return value
    return Unreadable("convert_element_type", f"a conversion to {aval.dtype} rounds")
