"""Times and learning rates of a comparison: what is a whole number of steps, and what an order is fitted over."""

import math
from collections.abc import Sequence
from numbers import Integral

import numpy as np

from sde_momentum.compare.question._arguments import positive_number


def whole_steps(time: float, step_time: float, name: str = "t1") -> int:
    """A time in steps; `name` says which time it is.

    Raises:
        ValueError: it is not a whole number of them.
    """
    count = time / step_time
    if round(count) < 1 or abs(count - round(count)) > 1e-6 * max(count, 1):
        near = max(round(count), 1) * step_time
        raise ValueError(
            f"{name} = {time:.6g} is {count:.6g} steps of length {step_time:.6g}; choose learning rates that divide t1 "
            f"and every time of `saves`, or {name} = {near:.6g}."
        )
    return round(count)


def checked_times(t1: float, saves: int | Sequence[float] | None) -> tuple[float, ...]:
    """Increasing times, the last of them t1."""
    t1 = positive_number(t1, "t1", infinite=True)
    if saves is None:
        return (t1,)
    if math.isinf(t1):
        raise ValueError("the stationary law, t1 = inf, has no times before it: leave `saves` out")
    if isinstance(saves, bool | str) or not isinstance(saves, Integral | Sequence | np.ndarray):
        raise TypeError(f"saves must be None, a whole number or increasing times, got {saves!r}")
    times = [t1 * j / saves for j in range(1, saves + 1)] if isinstance(saves, Integral) else [float(s) for s in saves]
    if not times or not times[0] > 0 or not np.all(np.diff(times) > 0) or not math.isclose(times[-1], t1):
        raise ValueError(f"saves must be positive increasing times of which the last is t1 = {t1:g}, got {saves!r}")
    return tuple(times)


def checked_rates(learning_rates: Sequence[float]) -> np.ndarray:
    """Learning rates as an array, at least four and strictly decreasing."""
    given = np.asarray(learning_rates)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"`learning_rates` must be numbers, got {learning_rates!r}.")
    rates = given.astype(float)
    if rates.ndim != 1 or len(rates) < 4:
        raise ValueError(f"`learning_rates` needs at least four values to fit an order, got {learning_rates!r}.")
    if not (np.all(rates > 0) and np.all(np.diff(rates) < 0)):
        raise ValueError(f"`learning_rates` must be positive and strictly decreasing, got {learning_rates!r}.")
    return rates
