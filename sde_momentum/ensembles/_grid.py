"""The grid of steps and the times at which moments are saved."""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np

_MAX_STEPS = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class TimeGrid:
    """Equal steps from 0 to t1, and the steps after which moments are saved.

    Attributes:
        dt: Time per step, exactly `t1 / steps`.
        steps: Number of steps.
        save_steps: Ascending step numbers, 0 being the start.
        times: The same as times, as the caller wrote them where the caller wrote them: results of different steps then
            carry equal coordinates.
    """

    dt: float
    steps: int
    save_steps: tuple[int, ...]
    times: tuple[float, ...]

    @property
    def t1(self) -> float:
        """End of the run."""
        return self.dt * self.steps


def time_grid(t1: float, dt: float, saves: int | Sequence[float] | None, step_name: str = "dt") -> TimeGrid:
    """Check the times of a run and put them on one grid of steps.

    Args:
        t1: End of the run, units of time.
        dt: Step, units of time.
        saves: `None` for the end only; a number n for the times t1 j/n, j = 1 … n; or the times themselves.
        step_name: What the caller calls the step.

    Raises:
        ValueError: If a time is not a whole number of steps, not positive, or out of order.
    """
    t1, dt = _positive(t1, "t1"), _positive(dt, step_name)
    steps = _whole(t1 / dt)
    if steps is None:
        low = math.floor(t1 / dt)
        nearest = " and ".join(f"t1={n * dt:.10g}" for n in (low, low + 1) if n > 0)
        raise ValueError(
            f"t1={t1:g} is not a whole number of steps of {step_name}={dt:g}; the nearest are {nearest}, "
            f"or {step_name}={t1 / max(1, round(t1 / dt)):.10g} for the same t1"
        )
    if steps > _MAX_STEPS:
        raise ValueError(f"t1={t1:g} with {step_name}={dt:g} makes {steps} steps; the step counter holds {_MAX_STEPS}")
    save_steps, times = _saves(saves, t1, steps)
    return TimeGrid(t1 / steps, steps, save_steps, times)


def _positive(value: float, name: str) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be a positive finite number, got {value!r}")
    return number


def _whole(ratio: float) -> int | None:
    """The integer a ratio of times stands for: a step that came through float32 is still that step."""
    nearest = round(ratio)
    tolerance = min(1e-2, 1e-9 + 2e-7 * nearest)
    return nearest if nearest >= 1 and abs(ratio - nearest) <= tolerance else None


def _saves(saves: int | Sequence[float] | None, t1: float, steps: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    if saves is None:
        return (steps,), (t1,)
    if isinstance(saves, (int, np.integer)) and not isinstance(saves, bool):
        return _equal_saves(int(saves), t1, steps)
    times = np.asarray(saves, dtype=np.float64)
    if times.ndim != 1 or times.size == 0 or isinstance(saves, bool):
        raise ValueError(f"saves must be a number of saves or a list of times, got {saves!r}")
    indices = tuple(_save_step(time, t1, steps) for time in times.tolist())
    if indices[-1] == 0:
        raise ValueError(f"saves must hold a time after the start, got {saves!r}")
    if any(later <= earlier for earlier, later in itertools.pairwise(indices)):
        raise ValueError(f"saves must be increasing times on different steps, got {saves!r}")
    return indices, tuple(times.tolist())


def _equal_saves(number: int, t1: float, steps: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    if number < 1 or steps % number:
        divisors = [n for n in range(1, min(steps, 100_000) + 1) if steps % n == 0]
        nearest = min(divisors, key=lambda n: abs(n - number))
        raise ValueError(
            f"saves={number} does not divide the {steps} steps of the run; the nearest number is {nearest}"
        )
    stride = steps // number
    indices = tuple(range(stride, steps + 1, stride))
    return indices, tuple(t1 * j / number for j in range(1, number + 1))


def _save_step(time: float, t1: float, steps: int) -> int:
    ratio = time / t1 * steps
    index = 0 if time == 0 else _whole(ratio)
    if index is None or not 0 <= index <= steps:
        nearest = min(max(round(ratio), 0), steps) if math.isfinite(ratio) else steps
        raise ValueError(
            f"saves holds {time!r}, which is not a time of the grid of {steps} steps on [0, {t1:g}]; "
            f"the nearest is {nearest * t1 / steps:.10g}"
        )
    return index
