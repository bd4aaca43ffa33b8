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


def framed_expectation(
    make: Callable[[], FramedChain | FramedSDE],
    observables: Sequence[Callable[[np.ndarray], np.ndarray]],
    tolerance: float,
) -> Expectation:
    """Expected observables in moving frames.

    Args:
        make: the process; made here, for its pilot run may overflow.
        observables: functions of states of shape `(d, N)`.
        tolerance: of the residual.

    Returns:
        The last level's `Expectation`; NaN where no frame holds the process.
    """
    unknown = np.full(len(observables), np.nan)
    best = Expectation(unknown, np.full(len(unknown), np.inf), None, 0, False)
    with np.errstate(all="ignore"):
        try:
            process = make()
            # Matrices of few variables are too small to be shared among threads, which then wait for each other.
            with threadpool_limits(1 if len(process.active) <= max(_FEW) else None, "blas"):
                for level in _levels(len(process.active)):
                    values = process.expectations(observables, FrameLevel(*level))
                    best = _compared(values, best, level[0], tolerance)
                    if best.converged:
                        break
        except FrameLost:
            return best
    return best


def _levels(dimension: int) -> tuple[tuple, ...]:
    if dimension <= max(_FEW):
        return _FEW[max(dimension, 1)]
    return _MORE[max(least for least in _MORE if least <= dimension)]


def _compared(values: np.ndarray, before: Expectation, degree: int, tolerance: float) -> Expectation:
    if before.nodes == 0:
        return Expectation(values, before.residuals, None, degree, False)
    residuals = np.abs(values - before.values)
    if not np.all(np.isfinite(residuals)) or residuals.max() > _PROGRESS * before.residuals.max():
        raise FrameLost("more polynomials do not help")
    converged = bool(np.all(residuals <= tolerance * np.maximum(1, np.abs(values))))
    return Expectation(values, residuals, None, degree, converged)
