"""Tuning a learning rate on a grid that grows until its best point lies inside."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_EXTENSIONS = 6


def learning_rate(half_octave: int) -> float:
    """Grid points are $2^{j/2}$ with integer j: equal numbers for equal j.

    Example:
        >>> learning_rate(-2)
        0.5
    """
    return 2.0 ** (half_octave / 2)


@dataclass(frozen=True)
class TuningCurve:
    """Final losses over a grid of learning rates.

    Args:
        half_octaves: grid, increasing by one; see `learning_rate`.
        log_losses: log of the final training loss, infinite where it diverged.
        added: how many grid points were added because the best one was at the edge.
    """

    half_octaves: tuple[int, ...]
    log_losses: Float[np.ndarray, "rates seeds"]
    added: int

    @property
    def best(self) -> int:
        """Grid point with the smallest mean of the log loss over the seeds."""
        return self.half_octaves[int(np.argmin(self.log_losses.mean(axis=1)))]

    @property
    def at_edge(self) -> bool:
        """Whether the best grid point is still the first or the last: then the rate is not tuned."""
        return self.best in (self.half_octaves[0], self.half_octaves[-1])

    @property
    def rate(self) -> float:
        """The tuned learning rate."""
        return learning_rate(self.best)


def resampled_rates(
    rates: Float[np.ndarray, " rates"], log_losses: Float[np.ndarray, "rates seeds"], seed: int, number: int = 1000
) -> Float[np.ndarray, " number"]:
    """Tuned rates that other seeds could have given: the seeds are resampled, the same for all rates."""
    seeds = log_losses.shape[1]
    chosen = np.random.default_rng(seed).integers(seeds, size=(number, seeds))
    return rates[np.argmin(log_losses[:, chosen].mean(axis=-1), axis=0)]


def tune(log_losses: Callable[[float], np.ndarray], half_octaves: Sequence[int]) -> TuningCurve:
    """Evaluate a grid of learning rates; while the best one is at an edge, add a point there, at most six times.

    Args:
        log_losses: learning rate → log of the final loss for every seed; what is not finite counts as diverged.
        half_octaves: the grid to begin with, integers increasing by one.

    Returns:
        The curve, over the whole grid that was evaluated.

    Raises:
        ValueError: fewer than three grid points, or not increasing by one.

    Example:
        >>> tune(lambda rate: np.array([(rate - 1.0) ** 2]), range(1, 4)).rate
        1.0
    """
    grid = list(half_octaves)
    if len(grid) < 3 or any(b - a != 1 for a, b in itertools.pairwise(grid)):
        raise ValueError(f"half_octaves must be three or more integers increasing by one, got {grid}")
    rows = [_diverged_is_infinite(log_losses(learning_rate(j))) for j in grid]
    for added in range(_EXTENSIONS + 1):
        curve = TuningCurve(tuple(grid), np.stack(rows), added)
        if not curve.at_edge or added == _EXTENSIONS:
            break
        first = curve.best == grid[0]
        new = grid[0] - 1 if first else grid[-1] + 1
        place = 0 if first else len(grid)
        grid.insert(place, new)
        rows.insert(place, _diverged_is_infinite(log_losses(learning_rate(new))))
    return curve


def _diverged_is_infinite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    return np.where(np.isfinite(values), values, np.inf)
