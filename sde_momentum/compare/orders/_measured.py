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
        nested: whether the noise of each error is that of the next smaller learning rate and some more.
        plan: table of the planned sample sizes, empty where nothing was planned.
        sampled: whether paths were sampled, so that more of them would tell more.
        rounded: whether rounding in single precision is all that some errors show.
        jump: a time inside a step at which the limit's coefficients jump or are singular, None without.
    """

    errors: np.ndarray
    deviations: np.ndarray
    method: str
    bias: np.ndarray | None = None
    bias_deviations: np.ndarray | None = None
    converged: np.ndarray | None = None
    nested: bool = False
    plan: str = ""
    sampled: bool = False
    rounded: bool = False
    jump: float | None = None
