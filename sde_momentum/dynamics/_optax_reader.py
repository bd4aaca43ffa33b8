"""A jaxpr, evaluated on sympy expressions of one generic component."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sde_momentum.dynamics._optax_compare import Facts
from sde_momentum.dynamics._optax_numbers import exact_number
from sde_momentum.dynamics._optax_primitives import INLINED, Unreadable, Value, apply_primitive
from sde_momentum.dynamics._optax_sums import total


def read_jaxpr(
    jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Value], shape: tuple[int, ...], facts: Facts
) -> list[Value]:
    """Evaluate a jaxpr for one component of arrays of one shape.

    What cannot be read travels on as `Unreadable`, so that it matters only where the result needs it.

    Args:
        jaxpr: an open jaxpr.
        constants: its constants, arrays or values read before.
        arguments: values of its inputs.
        shape: shape of the parameters; scalars are the only others with a meaning for one component.
        facts: what is known about state leaves.
    """
    known: dict[Any, Value] = {}
    known.update(zip(jaxpr.constvars, [_constant(c, shape) for c in constants], strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def value(atom: Any) -> Value:
        return _constant(atom.val, shape) if hasattr(atom, "val") else known[atom]

    for equation in jaxpr.eqns:
        results = _equation(equation, [value(atom) for atom in equation.invars], shape, facts)
        known.update(zip(equation.outvars, results, strict=True))
    return [value(atom) for atom in jaxpr.outvars]


def _equation(equation: Any, arguments: list[Value], shape: tuple[int, ...], facts: Facts) -> list[Value]:
    name = equation.primitive.name
    if name in INLINED:
        inner = next(equation.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in equation.params)
        return read_jaxpr(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), arguments, shape, facts)
    arguments = [_named(argument, name) for argument in arguments]
    if not all(_has_component(atom.aval, shape) for atom in (*equation.invars, *equation.outvars)):
        earlier = next((a for a in arguments if isinstance(a, Unreadable)), None)
        return [earlier or Unreadable(name, "its operands have no single component")] * len(equation.outvars)
    if len(equation.outvars) != 1:
        return [Unreadable(name, "it has no reading for one component")] * len(equation.outvars)
    if name == "reduce_sum":
        return [total(arguments[0], equation.invars[0].aval, equation.outvars[0].aval, shape)]
    return [apply_primitive(name, arguments, equation.params, equation.outvars[0].aval, facts)]


def _named(argument: Value, primitive: str) -> Value:
    """An unreadable state leaf is reported with the primitive that uses it."""
    if isinstance(argument, Unreadable) and argument.primitive == "state":
        return Unreadable(primitive, argument.reason)
    return argument


def _has_component(aval: Any, shape: tuple[int, ...]) -> bool:
    own = getattr(aval, "shape", ())
    return own == shape or all(n == 1 for n in own)


def _constant(constant: Any, shape: tuple[int, ...]) -> Value:
    if not hasattr(constant, "dtype") and not np.isscalar(constant):
        return constant
    if getattr(constant, "dtype", np.dtype(float)).kind not in "fiub":
        return Unreadable("constant", f"a constant of type {constant.dtype} is not a number")
    array = np.asarray(constant)
    if array.size == 0 or not _has_component(array, shape) or np.any(array != array.flat[0]):
        return Unreadable("constant", "a constant array has different entries, so no component is generic")
    first = array.flat[0]
    if array.dtype.kind == "b":
        return bool(first)
    if not np.isfinite(first):
        return Unreadable("constant", f"the constant {first} is not finite")
    return exact_number(first)
