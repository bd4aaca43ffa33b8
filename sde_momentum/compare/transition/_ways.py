"""The ways to an expectation and to a difference of two: moving frames, and a box where they do not converge."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from sde_momentum.compare.transition._box import box_chain_expectation, box_sde_expectation, box_serves
from sde_momentum.compare.transition._expectation import Expectation
from sde_momentum.compare.transition._frame_levels import FramedLevels, refined
from sde_momentum.compare.transition._framed_chain import FramedChain, Step
from sde_momentum.compare.transition._framed_sde import FramedSDE
from sde_momentum.compare.transition._frames import FrameLost
from sde_momentum.compare.transition._noise import NoiseLaw

# Half of what a weak error, a difference of two expectations, is to meet.
_TOLERANCE = {1: 5e-11, 2: 5e-9}

Observed = Sequence[Callable[[np.ndarray], np.ndarray]]


class Ways:
    """How expected observables of one process may be found; nothing is found twice.

    Args:
        framed: in moving frames.
        boxed: on a box, None where it cannot serve.
        tolerance: of the residual.
        box_first: whether the box is tried first.
        only_box: whether the box alone is to serve.
    """

    def __init__(
        self,
        framed: FramedLevels,
        boxed: Callable[[], Expectation] | None,
        tolerance: float,
        *,
        box_first: bool = False,
        only_box: bool = False,
    ):
        self.framed, self.boxed, self.tolerance = framed, boxed, tolerance
        self.box_first, self.only_box = box_first, only_box

    @cached_property
    def expectation(self) -> Expectation:
        """That of the first way that converges, or of the one with the smallest residual."""
        by_frames = lambda: refined([self.framed], self.tolerance)
        boxed = [] if self.boxed is None else [self.boxed]
        ways = boxed if self.only_box else [*boxed, by_frames] if self.box_first else [by_frames, *boxed]
        found = []
        for way in ways:
            found.append(way())
            if found[-1].converged:
                return found[-1]
        return min(found, key=lambda one: one.residuals.max())

    @property
    def escapes(self) -> bool:
        """Whether neither frame nor box holds the process; what finds out soonest is asked first."""
        if not self.box_first and self.framed.levels:
            try:
                return not np.all(np.isfinite(self.framed.values(0)))
            except FrameLost:
                pass
        return not np.all(np.isfinite(self.expectation.values))


def difference(left: Ways, right: Ways) -> Expectation:
    """What expected observables of two processes differ by.

    In frames of as many components the two sides are refined together, and the residual is that of the difference;
    elsewhere the residuals of both are added.
    """
    sides = [left.framed, right.framed]
    together = not left.box_first and left.framed.levels and left.framed.levels == right.framed.levels
    if together:
        found = refined(sides, left.tolerance + right.tolerance)
        if found.converged or (left.boxed is None and right.boxed is None and found.nodes):
            return found
    a, b = left.expectation, right.expectation
    nodes, converged = max(a.nodes, b.nodes), a.converged and b.converged
    return Expectation(a.values - b.values, a.residuals + b.residuals, None, nodes, converged)


def ways_of_chain(
    moves: Step,
    observables: Observed,
    start: np.ndarray,
    steps: int,
    noise: NoiseLaw,
    *,
    domain: np.ndarray | None = None,
    tolerance: float | None = None,
    box: bool = True,
) -> Ways:
    """Ways to expected observables of a chain that moves many states by many draws at once.

    Args:
        moves: `moves(k, x, draws, which)`, the next states of x, shape `(d, N)`, each by the draw that `which`, which
            does not decrease, numbers.
        observables: functions of states of shape `(d, N)`.
        start: shape `(d,)`.
        steps: number of steps.
        noise: a `NoiseLaw`.
        domain: as in `chain_expectation`.
        tolerance: as in `chain_expectation`.
        box: whether a box may serve: not where steps differ from each other.

    Raises:
        ValueError: a box is asked for, and cannot sum over so many normals.
    """
    serves = box and box_serves(len(start), noise)
    if domain is not None and not serves:
        raise ValueError(
            f"a box cannot sum over {noise.gaussian_dimension} normals in {len(start)} components: leave `domain` out."
        )
    accuracy = _TOLERANCE[min(len(start), 2)] if tolerance is None else tolerance
    move = lambda x, point: moves(0, x, np.asarray(point)[None], np.zeros(x.shape[1], int))
    boxed = lambda: box_chain_expectation(move, observables, start, steps, noise, domain, accuracy)
    return Ways(
        FramedLevels(lambda: FramedChain(moves, start, steps, noise), observables),
        boxed if serves else None,
        accuracy,
        # On a line a box is one small matrix for all steps; beyond, frames need far fewer numbers.
        box_first=len(start) == 1,
        only_box=domain is not None,
    )


def ways_of_sde(
    coefficients: Callable[..., tuple[np.ndarray, np.ndarray]],
    observables: Observed,
    start: np.ndarray,
    time: float,
    *,
    domain: np.ndarray | None = None,
    tolerance: float | None = None,
    box: bool = True,
) -> Ways:
    """Ways to expected observables of an equation whose coefficients may depend on time.

    Args:
        coefficients: `coefficients(t, x)`, drift of shape `(d, N)` and noise factor of shape `(d, noises, N)`.
        observables: functions of states of shape `(d, N)`.
        start: shape `(d,)`.
        time: duration.
        domain: as in `sde_expectation`.
        tolerance: as in `sde_expectation`.
        box: whether a box may serve: not where coefficients depend on time.
    """
    accuracy = _TOLERANCE[min(len(start), 2)] if tolerance is None else tolerance
    still = (lambda x: coefficients(0.0, x)[0]), (lambda x: coefficients(0.0, x)[1])
    boxed = lambda: box_sde_expectation(*still, observables, start, time, domain, accuracy)
    return Ways(
        FramedLevels(lambda: FramedSDE(coefficients, start, time), observables),
        boxed if box and len(start) <= 2 else None,
        accuracy,
        only_box=domain is not None,
    )
