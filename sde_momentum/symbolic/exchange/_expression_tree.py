"""Sympy expressions as trees of plain data, exactly, so that reading one never evaluates text.

A rational number is a string `"-1/2"`; everything else an object: a symbol, a float, a constant, or an operation with
its arguments in sympy's own order, which makes the reading identical and not only equal in value.
"""

from fractions import Fraction
from typing import Any

import sympy as sp

from sde_momentum.symbolic.rules._gradient_functions import squared_norm
from sde_momentum.symbolic.symbols._kummer import Kummer
from sde_momentum.symbolic.symbols._symbols import hyperparameter, variable

_FUNCTIONS = {
    function.__name__: function
    for function in (
        *(sp.Abs, sp.sign, sp.exp, sp.log, sp.erf, sp.erfc, sp.gamma, sp.loggamma, sp.Max, sp.Min),
        *(Kummer, squared_norm),
        *(sp.sin, sp.cos, sp.tan, sp.atan, sp.sinh, sp.cosh, sp.tanh, sp.Heaviside),
    )
}
_OPERATIONS = {"add": sp.Add, "mul": sp.Mul, "pow": sp.Pow, **_FUNCTIONS}
_NAMES = {operation: name for name, operation in _OPERATIONS.items()}
_CONSTANTS = {"pi": sp.pi, "e": sp.E, "infinity": sp.oo, "i": sp.I}


def encode(expression: sp.Expr) -> Any:
    """Turn an expression into plain data.

    Raises:
        ValueError: the expression holds something else than exact numbers, floats, symbols, sums, products, powers and
            elementary functions.
    """
    if expression.is_Rational:
        return str(expression)
    if expression.is_Symbol:
        return _encode_symbol(expression)
    if expression.is_Float and expression == sp.Float(float(expression)) and expression._prec == 53:
        return {"float": float(expression).hex()}
    for name, constant in _CONSTANTS.items():
        if expression == constant:
            return {"constant": name}
    if expression.func in _NAMES:
        return {"op": _NAMES[expression.func], "args": [encode(argument) for argument in expression.args]}
    raise ValueError(f"{expression} cannot be written as JSON: no form is defined for `{expression.func.__name__}`.")


def decode(tree: Any) -> sp.Expr:
    """Rebuild an expression from plain data, without evaluating anything.

    Raises:
        ValueError: the data is not a tree that `encode` writes.
    """
    if isinstance(tree, str):
        value = _fraction(tree)
        return sp.Rational(value.numerator, value.denominator)
    if not isinstance(tree, dict):
        raise ValueError(f"expected an expression, got {tree!r}.")
    if "symbol" in tree:
        return _decode_symbol(tree)
    if isinstance(tree.get("float"), str):
        return sp.Float(float.fromhex(tree["float"]))
    if tree.get("constant") in _CONSTANTS:
        return _CONSTANTS[tree["constant"]]
    if tree.get("op") in _OPERATIONS and isinstance(tree.get("args"), list):
        return _OPERATIONS[tree["op"]](*map(decode, tree["args"]), evaluate=False)
    raise ValueError(f"expected an expression, got an object with {sorted(map(str, tree))}.")


def _fraction(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"expected a rational number such as '-1/2', got {text!r}.") from error


def _encode_symbol(symbol: sp.Symbol) -> dict[str, Any]:
    name = symbol.name
    for kind, make in _KINDS.items():
        if make(name) == symbol:
            return {"symbol": name, "kind": kind}
    return {"symbol": name, "kind": "other", "assumptions": dict(sorted(symbol.assumptions0.items()))}


def _decode_symbol(tree: dict[str, Any]) -> sp.Symbol:
    name, kind, assumptions = tree["symbol"], tree.get("kind"), tree.get("assumptions", {})
    if not isinstance(name, str) or not name:
        raise ValueError(f"expected the name of a symbol, got {name!r}.")
    if kind in _KINDS:
        return _KINDS[kind](name)
    known = isinstance(assumptions, dict) and all(
        str(key).isidentifier() and isinstance(value, bool) for key, value in assumptions.items()
    )
    if kind != "other" or not known:
        raise ValueError(f"symbol `{name}`: expected one of the kinds {', '.join(_KINDS)}, other; got {kind!r}.")
    return sp.Symbol(name, **assumptions)


_KINDS = {
    "hyperparameter": hyperparameter,
    "variable": variable,
    "dimension": lambda name: sp.Symbol(name, positive=True, integer=True),
}
