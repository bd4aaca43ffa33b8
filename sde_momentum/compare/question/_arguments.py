"""Checks of single arguments, one sentence each, that all studies share."""

import math
import operator
from collections.abc import Collection
from numbers import Real
from typing import Any

import jax
import numpy as np

# From so many paths on a standard error is known well enough for intervals to cover what they say.
FEWEST_PATHS = 8


def whole_number(value: Any, name: str, least: int = 1, why: str = "") -> int:
    """A whole number of at least `least`.

    Args:
        value: what was given.
        name: of the argument.
        least: the smallest that will do.
        why: what more it is needed for.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is too small.

    Example:
        >>> whole_number(0, "saves")
        Traceback (most recent call last):
        ...
        ValueError: `saves` must be at least 1, got 0.
    """
    try:
        count = operator.index(value)
    except TypeError:
        count = None
    if count is None or isinstance(value, bool | np.bool_):
        raise TypeError(f"`{name}` must be a whole number, got {value!r}.")
    if count < least:
        raise ValueError(f"`{name}` must be at least {least}{why}, got {value!r}.")
    return count


def enough_paths(value: Any, name: str = "num_paths") -> int:
    """A number of paths from which a standard error can be told.

    Raises:
        TypeError: it is no whole number.
        ValueError: there are too few.
    """
    return whole_number(value, name, FEWEST_PATHS, ", for a standard error")


def real_number(value: Any, name: str) -> float:
    """A number, or an array without dimension, that is not NaN.

    Raises:
        TypeError: it is no real number.
        ValueError: it is NaN.
    """
    given = isinstance(value, Real | np.ndarray | jax.Array) and not np.ndim(value)
    if not given or isinstance(value, bool) or np.asarray(value).dtype.kind not in "iuf":
        raise TypeError(f"`{name}` must be a number, got {value!r}.")
    number = float(value)  # pyright: ignore[reportArgumentType]
    if math.isnan(number):
        raise ValueError(f"`{name}` must be a number, got {value!r}.")
    return number


def positive_number(value: Any, name: str, *, infinite: bool = False) -> float:
    """A number above zero.

    Args:
        value: what was given.
        name: of the argument.
        infinite: whether infinity is one.

    Raises:
        TypeError: it is no real number.
        ValueError: it is zero, negative or NaN, or infinite where that is none.
    """
    number = real_number(value, name)
    if not number > 0 or (math.isinf(number) and not infinite):
        raise ValueError(f"`{name}` must be positive{'' if infinite else ' and finite'}, got {value!r}.")
    return number


def finite_number(value: Any, name: str, *, negative: bool = True) -> float:
    """A number that is neither NaN nor infinite.

    Args:
        value: what was given.
        name: of the argument.
        negative: whether it may be below zero.

    Raises:
        TypeError: it is no real number.
        ValueError: it is not finite, or negative where it may not be.
    """
    number = value if isinstance(value, float) else real_number(value, name)
    if not math.isfinite(number) or (number < 0 and not negative):
        raise ValueError(f"`{name}` must be finite{'' if negative else ' and not negative'}, got {value!r}.")
    return float(number)


def checked_function(function: Any, name: str) -> Any:
    """The function itself.

    Raises:
        TypeError: it is none.
    """
    if not callable(function):
        raise TypeError(f"`{name}` must be a function, got {function!r}.")
    return function


def probability(value: Any, name: str) -> float:
    """A number strictly between zero and one.

    Raises:
        TypeError: it is no real number.
        ValueError: it is not between them.
    """
    number = real_number(value, name)
    if not 0 < number < 1:
        raise ValueError(f"`{name}` must lie strictly between 0 and 1, got {value!r}.")
    return number


def known_name(value: Any, known: Collection[str], name: str) -> str:
    """One of the names that there are.

    Raises:
        ValueError: it is none of them.
    """
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"`{name}` must be one of {', '.join(map(str, known))}, got {value!r}.")
    return value
