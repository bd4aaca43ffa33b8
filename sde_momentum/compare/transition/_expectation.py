"""What transition operators hand over: expected observables with the residual of their own refinement."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Expectation:
    """Expected observables with the residual of their own refinement.

    Attributes:
        values: shape `(observables,)`; NaN where the process left every box.
        residuals: change at the last refinement, an estimate of the error of the level before; shape `(observables,)`.
        domain: box of the grid, shape `(d, 2)`; None where moving frames served, and when the process diverged.
        nodes: nodes per axis of the last level, or the degree in moving frames.
        converged: whether all residuals are within the tolerance, relative to max(1, |value|).
    """

    values: np.ndarray
    residuals: np.ndarray
    domain: np.ndarray | None
    nodes: int
    converged: bool
