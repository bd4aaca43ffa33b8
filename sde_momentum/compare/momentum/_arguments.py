"""Which momentum indices and schedules can be asked about: refused in one sentence before anything runs."""

import math
from collections.abc import Sequence
from fractions import Fraction
from numbers import Real
from typing import Any

import jax
import numpy as np

_FINEST = 64  # Powers of η^α and η mix on the grid of the index's denominator.


def momentum_index(index: Any) -> Fraction:
    """α as a fraction, from one, a number or a text such as "1/4".

    Raises:
        TypeError: it is no number.
        ValueError: it is NaN, infinite, or no number's name.

    Example:
        >>> momentum_index(0.1), momentum_index("3/4")
        (Fraction(1, 10), Fraction(3, 4))
    """
    scalar = isinstance(index, np.ndarray | jax.Array) and not np.ndim(index)
    given = float(index) if scalar else index
    if isinstance(given, bool) or not isinstance(given, Real | str):
        raise TypeError(f"`indices` must be numbers or fractions, got {index!r}.")
    if isinstance(given, Real) and not math.isfinite(given):
        raise ValueError(f"`indices` must be finite, got {index!r}.")
    try:
        return Fraction(given).limit_denominator(_FINEST)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, ZeroDivisionError):
        raise ValueError(f"`indices` must be numbers or fractions, got {index!r}.") from None


def checked_indices(indices: Any) -> list[Fraction]:
    """Momentum indices of at least zero, each once.

    Raises:
        TypeError: no sequence, or not of numbers.
        ValueError: none, or one that is negative, NaN or infinite.
    """
    array = isinstance(indices, np.ndarray | jax.Array) and indices.ndim == 1
    if not array and (isinstance(indices, str) or not isinstance(indices, Sequence)):
        raise TypeError(f"`indices` must be a sequence of numbers, such as (0, 0.5, 1), got {indices!r}.")
    powers = [momentum_index(index) for index in indices]
    if not powers or min(powers) < 0:
        raise ValueError(f"`indices` must be at least 0, one or more of them, got {tuple(indices)}.")
    return list(dict.fromkeys(powers))


def checked_multiplier(multiplier: Any, name: str) -> None:
    """Refuse a number where a function of the steps is needed.

    Raises:
        TypeError: it is no function.
    """
    if multiplier is not None and not callable(multiplier):
        raise TypeError(
            f"`{name}` must be a function of the numbers of the steps, such as lambda k: 1 + 0.5 * (k < 100), got "
            f"{multiplier!r}."
        )


def bound_of(index: Fraction) -> float:
    """The order (1 − α)/2 of the bound of Wang et al. for α < 1; zero from α = 1 on."""
    return max((1 - float(index)) / 2, 0.0)
