"""Numbers and formulas that a user hands over, read without ever evaluating text as a program."""

import ast
import operator
from collections.abc import Callable
from typing import Any

import sympy as sp

_OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS = {"sqrt": sp.sqrt, "exp": sp.exp, "log": sp.log}


def read_expression(value: Any, symbol: Callable[[str], sp.Symbol], what: str) -> sp.Expr:
    """Read a number, a sympy expression or a formula such as `"learning_rate**(1/2)"`, decimals exactly.

    Args:
        value: what was given.
        symbol: name → the symbol that stands for it, in formulas and in place of symbols of other assumptions.
        what: what it was given for, to be named in errors.

    Raises:
        ValueError: a formula that cannot be read, or that calls for more than arithmetic.
        TypeError: `value` is neither number, expression nor formula.
    """
    expression = _read(value, symbol, what) if isinstance(value, str) else exact(value, what)
    return expression.xreplace({s: symbol(s.name) for s in expression.free_symbols})


def exact(value: Any, what: str) -> sp.Expr:
    """Return a number or a sympy expression with every decimal as the fraction that it is written as, 0.9 as 9/10.

    Raises:
        TypeError: `value` is neither; text is not read here.
    """
    try:
        expression = sp.sympify(value, strict=True)
    except sp.SympifyError:
        expression = None
    if not isinstance(expression, sp.Expr):
        raise TypeError(f"{what} must be a number or a sympy expression, got {value!r}.")
    return expression.xreplace({number: sp.Rational(str(number)) for number in expression.atoms(sp.Float)})


def _read(text: str, symbol: Callable[[str], sp.Symbol], what: str) -> sp.Expr:
    try:
        return _value(ast.parse(text.strip(), mode="eval").body, text, symbol)
    except (SyntaxError, ValueError, RecursionError):
        raise ValueError(
            f"{what}: the formula {text!r} cannot be read; write numbers and names with + - * / ** and parentheses, "
            f"or {', '.join(_FUNCTIONS)}."
        ) from None


def _value(node: ast.expr, text: str, symbol: Callable[[str], sp.Symbol]) -> sp.Expr:
    inner = lambda part: _value(part, text, symbol)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return sp.Rational(ast.get_source_segment(text.strip(), node))
    if isinstance(node, ast.Name):
        return symbol(node.id)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](inner(node.left), inner(node.right))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](inner(node.operand))
    match node:
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](inner(argument))
    raise ValueError
