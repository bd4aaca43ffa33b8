"""Learning rates and momenta that change in time, and the schedule of SGD that follows them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Multiplier = Callable[[np.ndarray], np.ndarray]


class MomentumSchedule(NamedTuple):
    """What each step of SGDM and of SGD uses.

    Attributes:
        learning_rates: η_k of SGDM, shape `(steps,)`.
        momenta: β_k of SGDM, shape `(steps,)`.
        followed: learning rates of SGD, shape `(steps,)`.
    """

    learning_rates: np.ndarray
    momenta: np.ndarray
    followed: np.ndarray


def averaged_learning_rates(learning_rates, momenta):
    r"""The schedule with which SGD follows SGDM: $\bar\eta_k = \sum_{s\ge k}\eta_s(1-\beta_k)\prod_{r=k+1}^s\beta_r$.

    It is the weight with which the gradient of step k enters the parameters in the end. After the last step given,
    both schedules are taken to stay as they are.

    Args:
        learning_rates: $\eta_k$, shape `(steps,)`.
        momenta: $\beta_k$ in [0, 1), shape `(steps,)` or one number.

    Returns:
        $\bar\eta_k$, shape `(steps,)`; equal to $\eta$ where both are constant.

    Raises:
        ValueError: shapes that do not match, or momenta outside [0, 1).

    Example:
        >>> averaged_learning_rates([0.2, 0.1, 0.1], 0.5)
        array([0.15, 0.1 , 0.1 ])

    References:
        Wang, Malladi, Wang, Lyu, Li (2024), Theorem 3.5.
    """
    rates = np.atleast_1d(np.asarray(learning_rates, dtype=float))
    betas = np.asarray(momenta, dtype=float)
    if rates.ndim != 1 or betas.shape not in ((), rates.shape):
        raise ValueError(f"learning_rates and momenta must have one shape, got {rates.shape} and {betas.shape}")
    betas = np.broadcast_to(betas, rates.shape)
    if not np.all((betas >= 0) & (betas < 1)):
        raise ValueError(f"momenta must lie in [0, 1), got values from {betas.min()} to {betas.max()}")
    reach = rates[-1] / (1 - betas[-1])
    result = np.empty_like(rates)
    for k in range(len(rates) - 1, -1, -1):
        reach = rates[k] + (betas[k + 1] if k + 1 < len(rates) else betas[-1]) * reach
        result[k] = (1 - betas[k]) * reach
    return result


def momentum_schedule(
    learning_rate: float,
    momentum: float,
    steps: int,
    *,
    rate_multiplier: Multiplier | None = None,
    relaxation_multiplier: Multiplier | None = None,
    averaged: bool = True,
) -> MomentumSchedule:
    """Schedules of SGDM, and the one of SGD.

    Args:
        learning_rate: base η.
        momentum: base β.
        steps: how many.
        rate_multiplier: function of the number of the step, shape `(steps,)`, to factors of η.
        relaxation_multiplier: the same for factors of 1 − β.
        averaged: whether SGD runs the averaged schedule, or SGDM's own.

    Raises:
        ValueError: a multiplier of another shape, or one that leaves the range of η or β.
    """
    number = np.arange(steps)
    rates = learning_rate * _factors(rate_multiplier, number, "rate_multiplier")
    momenta = 1 - (1 - momentum) * _factors(relaxation_multiplier, number, "relaxation_multiplier")
    if np.any(rates <= 0) or np.any((momenta < 0) | (momenta >= 1)):
        raise ValueError(
            f"the multipliers give learning rates from {rates.min():g} and momenta from {momenta.min():g} to "
            f"{momenta.max():g}: keep the former positive and the latter in [0, 1)"
        )
    followed = averaged_learning_rates(rates, momenta) if averaged else rates
    return MomentumSchedule(rates, momenta, followed)


def _factors(multiplier: Multiplier | None, number: np.ndarray, name: str) -> np.ndarray:
    values = np.ones(len(number)) if multiplier is None else np.asarray(multiplier(number), dtype=float)
    if values.shape != number.shape or not np.all(np.isfinite(values)):
        raise ValueError(f"{name} must return one finite number a step, shape {number.shape}, got {values.shape}")
    return values
