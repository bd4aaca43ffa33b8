"""Levels of refinement in moving frames, until successive values agree."""

from collections.abc import Callable, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from sde_momentum.compare.transition._expectation import Expectation
from sde_momentum.compare.transition._framed_chain import FramedChain
from sde_momentum.compare.transition._framed_sde import FramedSDE
from sde_momentum.compare.transition._frames import FrameLevel, FrameLost

# Degree, points of a Gaussian rule of the noise, points in time: successive levels change all three, so that their
# difference sees every approximation.
_FEW = {
    1: ((6, 6, 24), (10, 8, 32), (15, 11, 44), (22, 14, 60), (32, 18, 80)),
    2: ((5, 6, 24), (8, 8, 32), (12, 10, 44), (17, 12, 60), (24, 15, 80)),
    3: ((4, 5, 22), (6, 6, 28), (8, 8, 36), (11, 10, 48)),
    4: ((3, 4, 20), (5, 5, 26), (7, 6, 34)),
}
# From so many variables on fewer degrees are to be had, and integrating in time as finely as doubles allow would cost
# more than it gains: the last number is the tolerance.
_MORE = {
    5: ((2, 4, 14, 1e-8), (3, 5, 24, 1e-10), (4, 5, 40, 1e-12)),
    9: ((2, 4, 12, 1e-6), (3, 5, 18, 1e-7), (4, 5, 26, 1e-8)),
    13: ((2, 4, 12, 1e-6), (3, 5, 20, 1e-8)),
}
# A level that does not shrink the residual by this factor says that the next one will not do either.
_PROGRESS = 0.5


class FramedLevels:
    """Expected observables of a process in moving frames, at one level after another, each found when first wanted.

    Args:
        make: the process; made when first wanted, for its pilot run may overflow.
        observables: functions of states of shape `(d, N)`.
    """

    def __init__(
        self,
        make: Callable[[], FramedChain | FramedSDE],
        observables: Sequence[Callable[[np.ndarray], np.ndarray]],
    ):
        self.observables = observables
        self._make = make
        self._process: FramedChain | FramedSDE | None = None
        self._lost: FrameLost | None = None
        self._found: list[np.ndarray] = []

    @property
    def levels(self) -> tuple[FrameLevel, ...]:
        """The levels that there are for so many components that scatter; none where no frame holds the process."""
        if self._process is None and self._lost is None:
            self._attempt(self._begin)
        return () if self._process is None else _levels(len(self._process.active))

    def values(self, number: int) -> np.ndarray:
        """Values at a level, shape `(observables,)`.

        Raises:
            FrameLost: no frame holds the process at this level.
        """
        while len(self._found) <= number and self._lost is None:
            self._attempt(lambda: self._solve(self.levels[len(self._found)]))
        if self._lost is not None and number >= len(self._found):
            raise self._lost
        return self._found[number]

    def _begin(self) -> None:
        self._process = self._make()

    def _solve(self, level: FrameLevel) -> None:
        assert self._process is not None
        # Matrices of few variables are too small to be shared among threads, which then wait for each other.
        with threadpool_limits(1 if len(self._process.active) <= max(_FEW) else None, "blas"):
            self._found.append(self._process.expectations(self.observables, level))

    def _attempt(self, task: Callable[[], None]) -> None:
        try:
            with np.errstate(all="ignore"):
                task()
        except FrameLost as lost:
            self._lost = lost


def refined(sides: Sequence[FramedLevels], tolerance: float) -> Expectation:
    """Expected observables of one process, or what they differ by from those of a second, level by level.

    What both sides are off by in the same way is no error of the difference: where two laws are close, their
    polynomials leave out nearly the same, and the residual of the difference says so.

    Args:
        sides: one, or two with as many levels as each other.
        tolerance: of the residual, at which refinement ends.

    Returns:
        The last level's `Expectation`; NaN where no frame holds a process.
    """
    count = len(sides[0].observables)
    best = Expectation(np.full(count, np.nan), np.full(count, np.inf), None, 0, False)
    for number, level in enumerate(sides[0].levels):
        try:
            values = sides[0].values(number) - (sides[1].values(number) if len(sides) > 1 else 0.0)
            best = _compared(values, best, level.degree, tolerance)
        except FrameLost:
            break
        if best.converged:
            break
    return best


def _levels(dimension: int) -> tuple[FrameLevel, ...]:
    found = _FEW[max(dimension, 1)] if dimension <= max(_FEW) else _MORE[max(k for k in _MORE if k <= dimension)]
    return tuple(FrameLevel(*level) for level in found)


def _compared(values: np.ndarray, before: Expectation, degree: int, tolerance: float) -> Expectation:
    if before.nodes == 0:
        return Expectation(values, before.residuals, None, degree, False)
    residuals = np.abs(values - before.values)
    if not np.all(np.isfinite(residuals)) or residuals.max() > _PROGRESS * before.residuals.max():
        raise FrameLost("more polynomials do not help")
    converged = bool(np.all(residuals <= tolerance * np.maximum(1, np.abs(values))))
    return Expectation(values, residuals, None, degree, converged)
