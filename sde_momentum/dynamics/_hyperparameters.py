"""Checking the numbers that turn a rule or a limit into a process."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence

import jax
import numpy as np
import sympy as sp

from sde_momentum.problems import AbstractProblem
from sde_momentum.symbolic import Regime


def checked(given: Mapping[str, object], wanted: tuple[str, ...], owner: str) -> dict[str, float]:
    """Return the hyperparameters as floats.

    Args:
        given: name → number.
        wanted: names that are needed, `learning_rate` among them.
        owner: what needs them, for the message.

    Raises:
        ValueError: one is missing, unknown or out of range.
        TypeError: one is not a real number.
    """
    require_known(given, wanted, owner)
    missing = [name for name in wanted if name not in given]
    if missing:
        raise ValueError(f"{owner} needs a number for `{missing[0]}`; it takes {', '.join(wanted)}.")
    values = {}
    for name in wanted:
        values[name] = _real(given[name], name)
        require_range(name, values[name])
    return values


def require_known(given: Iterable[str], known: Sequence[str], owner: str) -> None:
    """Refuse a misspelled name, and say which one is near.

    Raises:
        ValueError: a name is not among the known ones.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"it takes {', '.join(known)}."
            raise ValueError(f"{owner} has no hyperparameter `{name}`; {hint}")


def _real(value: object, name: str) -> float:
    """A number, or an array without dimension, as a float."""
    if isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"`{name}` is traced, but the numbers of a process are checked before it runs: make the process outside "
            "`jit` and pass it in, as every equinox module."
        )
    if getattr(value, "shape", ()) != () or np.asarray(value).dtype.kind not in "iuf":
        raise TypeError(f"`{name}` must be a real number, got {value!r}.")
    return float(value)  # pyright: ignore[reportArgumentType]


def require_problem(problem: object) -> None:
    """Refuse a loss where a problem is needed.

    Raises:
        TypeError: it is no problem.
    """
    if not isinstance(problem, AbstractProblem):
        raise TypeError(
            "`problem` must be a loss with its noise, such as sde_momentum.problems.minibatch(loss, data, batch_size), "
            f"got {type(problem).__name__}."
        )


def require_range(name: str, value: float) -> None:
    """Refuse what no rule can run with.

    Raises:
        ValueError: the number is not finite, or out of the range that its name implies.
    """
    if not math.isfinite(value):
        raise ValueError(f"`{name}` must be finite, got {value}.")
    if name == "learning_rate" and value <= 0:
        raise ValueError(f"`learning_rate` must be positive, got {value}.")
    if name == "schedule" and value < 0:
        raise ValueError(f"`schedule` must not be negative, for it multiplies the learning rate, got {value}.")
    if name == "amplification" and value < 1:
        raise ValueError(f"`amplification` must be at least 1, got {value}.")
    if name in ("momentum", "decay") and not 0 <= value < 1:
        raise ValueError(f"`{name}` must lie in [0, 1), got {value}.")


def regime_values(regime: Regime, values: Mapping[str, float]) -> dict[str, float]:
    """Evaluate the regime's scalings, such as momentum = 1 − λ η^α, and check the results.

    Raises:
        ValueError: a scaled hyperparameter leaves its range, so that the learning rate is too large for this regime.
    """
    scaled = {name: number(expression, values) for name, expression in regime.scalings.items()}
    for name, value in scaled.items():
        try:
            require_range(name, value)
        except ValueError as error:
            raise ValueError(f"{error} It comes from the scaling {regime.scalings[name]} of the regime.") from None
    return scaled


def number(expression: sp.Expr, values: Mapping[str, float]) -> float:
    """Evaluate a sympy expression of hyperparameters."""
    return float(expression.subs({symbol: values[str(symbol)] for symbol in expression.free_symbols}))


def names_in(*expressions: sp.Expr) -> set[str]:
    """Names of the symbols in expressions."""
    return {str(symbol) for expression in expressions for symbol in expression.free_symbols}
