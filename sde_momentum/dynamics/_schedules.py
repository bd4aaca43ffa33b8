"""Hyperparameters as functions of time: schedules on the way from a regime to numbers."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp

from sde_momentum.dynamics._expressions import compiled
from sde_momentum.dynamics._hyperparameters import require_range
from sde_momentum.symbolic import Regime, TensorExpression

Schedule = Callable[[Any], Any]
# Times at which the range of a schedule is looked at.
_TRIED = 64


def schedule_names(regime: Regime) -> dict[str, str]:
    """What a schedule is called by users → what it multiplies or replaces: `schedule` → `learning_rate`."""
    return {"schedule" if name == "learning_rate" else name: name for name in regime.schedules}


def split_schedules(regime: Regime, given: Mapping[str, Any], owner: str) -> tuple[dict[str, Schedule], dict[str, Any]]:
    """Separate the functions of time from the numbers.

    Raises:
        TypeError: what the regime schedules is no function of t, or a function is given for what it does not schedule.
        ValueError: a schedule does not return one number, or starts out of range.
    """
    names = schedule_names(regime)
    for name, value in given.items():
        if callable(value) and name not in names:
            raise TypeError(_misplaced(name, names, regime))
    functions = {}
    for name in names:
        value = given.get(name, None if name != "schedule" else _constant)
        if not callable(value):
            received = f"got {value!r}" if name in given else "but it is missing"
            raise TypeError(f"{owner} needs `{name}` as a function of the time t, {received}.")
        _require_traceable(value, name)
        require_range(name, float(_scalar(value(0.0), name)))
        functions[name] = value
    return functions, {name: value for name, value in given.items() if name not in names}


def require_schedules_until(regime: Regime, given: Mapping[str, Any], end: float) -> None:
    """Refuse schedules that leave their range, or are no finite numbers, at some time before an end.

    Raises:
        ValueError: one does; the message says when.
    """
    functions = {name: given[name] for name in schedule_names(regime) if callable(given.get(name))}
    for name, function in functions.items():
        for t in np.linspace(0.0, end, _TRIED, endpoint=False):
            try:
                require_range(name, float(_scalar(function(float(t)), name)))
            except (ValueError, ArithmeticError) as error:
                raise ValueError(f"at t = {t:.4g}, {error}") from None


def _misplaced(name: str, names: Mapping[str, str], regime: Regime) -> str:
    """What to do about a function of time under a name that is not scheduled."""
    near = difflib.get_close_matches(name, names, 1)
    if name == "learning_rate" and "schedule" in names:
        return "`learning_rate` must be the number η of the scheduled η φ(t): pass the function φ as `schedule`."
    if near:
        return f"a function of time was given as `{name}`; did you mean `{near[0]}`?"
    return (
        f"`{name}` must be a number, because the regime `{regime.name}` schedules {', '.join(names) or 'nothing'}: "
        f'use, in the derivation too, `regime.scheduled("{name}")` for a hyperparameter that is a function of time, or '
        "`regime.scheduled()` for a learning rate η φ(t), whose φ is the argument `schedule`."
    )


def _require_traceable(function: Schedule, name: str) -> None:
    """Refuse a schedule in plain Python or NumPy, which cannot be compiled; its other errors are left to its value."""
    try:
        jax.eval_shape(lambda t: function(t), jax.ShapeDtypeStruct((), jnp.result_type(float)))
    except jax.errors.JAXTypeError:
        raise TypeError(
            f"the schedule of `{name}` cannot be compiled: write it with jax.numpy in place of numpy or math, and "
            "jnp.where(t < 1, a, b) in place of `if`."
        ) from None


def _constant(t: Any) -> Any:
    return jnp.ones_like(jnp.asarray(t, float))


def symbol_value(functions: Mapping[str, Schedule], name: str, t: Any) -> Any:
    """The value at time t of a scheduled symbol, derivatives by the number of primes."""
    base = name.rstrip("'")
    function = lambda s: _scalar(functions[base](s), base)
    for _ in range(len(name) - len(base)):
        function = jax.grad(function)
    return function(jnp.asarray(t, jnp.result_type(float)))


def _scalar(value: Any, name: str) -> Any:
    if jnp.shape(value) != ():
        raise ValueError(f"the schedule of `{name}` must return one number, but returned shape {jnp.shape(value)}.")
    return jnp.asarray(value, jnp.result_type(float))


def value_at(expression: sp.Expr, constants: Mapping[str, float], functions: Mapping[str, Schedule], t: Any) -> Any:
    """An expression in hyperparameters at time t; a number where it holds no schedule."""
    fixed = sp.sympify(expression).subs({s: constants[str(s)] for s in expression.free_symbols if str(s) in constants})
    symbols = tuple(sorted(fixed.free_symbols, key=str))
    if not symbols:
        return float(fixed)
    return compiled(fixed, symbols)(*(symbol_value(functions, str(symbol), t) for symbol in symbols))


def coefficients_at(
    expressions: Mapping[str, TensorExpression],
    constants: Mapping[str, float],
    functions: Mapping[str, Schedule],
    t: Any,
) -> dict[str, Any]:
    """Variable → coefficients of its terms at time t."""
    return {
        name: np.asarray([float(c) for c in values])
        if all(isinstance(c, float) for c in values)
        else jnp.stack([jnp.asarray(c, jnp.result_type(float)) for c in values])
        for name, expression in expressions.items()
        for values in [[value_at(sp.sympify(c), constants, functions, t) for _, c in expression.terms]]
    }
