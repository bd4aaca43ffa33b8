"""What every route to the weak errors hands over: numbers, and what must be said about them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Route = Literal["auto", "exact", "transition", "coupled", "multilevel"]


class NotApplicable(ValueError):
    """A route does not serve this question; the message says why, and what does."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Signed errors over learning rates, observables and times.

    Attributes:
        errors: shape `(rates, observables, times)`.
        deviations: standard errors, or residuals where nothing is sampled; same shape.
        method: how they were found, in words.
        bias: of the limit's discretization; same shape, None where there is none.
        bias_deviations: its standard errors.
        converged: whether each learning rate met its tolerance, shape `(rates,)`.
        correlation: between learning rates, at the last time: shape `(observables, rates, rates)`, None for none.
        plan: table of the planned sample sizes, empty where nothing was planned.
        jump: a time inside a step at which the limit's coefficients jump or are singular, None without.
    """

    errors: np.ndarray
    deviations: np.ndarray
    method: str
    bias: np.ndarray | None = None
    bias_deviations: np.ndarray | None = None
    converged: np.ndarray | None = None
    correlation: np.ndarray | None = None
    plan: str = ""
    jump: float | None = None
