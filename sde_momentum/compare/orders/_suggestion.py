"""Which learning rates would do where those of a study are not small enough."""

import numpy as np

from sde_momentum.compare.orders._order_fit import MINIMUM_SNR, OrderFit, fit_order
from sde_momentum.compare.orders._verdict import NEARLY_EXACT, Verdict, judge

# Part of the natural unit at which an expansion is told from what it leaves out.
_WELL_BELOW = 4.0
# Halvings after which smaller learning rates are no remedy: rounding takes over.
_HALVINGS = 16


def sufficient_learning_rate(fit: OrderFit, unit: float) -> float | None:
    r"""The largest learning rate of a study that would be answered, if the claim holds.

    The series $e(\eta) = \eta^p(c_0 + c_1\eta^r + \dots)$ of the claimed order through the errors at the smallest
    learning rates foretells those at smaller ones. All learning rates are halved until the errors foretold would be
    answered. Errors at the natural unit foretell nothing: there, a part of the unit comes first.

    Args:
        fit: one that carries a claim.
        unit: natural unit of the learning rate.

    Returns:
        A learning rate, by halvings of the largest one of the fit, so that times in whole steps stay so; None where
        the fit has its answer, where noise is in the way, or where no learning rate would do.
    """
    verdict, rates = fit.verdict, np.array(fit.learning_rates)
    # An order lost although the errors are far above the noise is lost in what the prior leaves open near the unit.
    lost = verdict is Verdict.MONTE_CARLO_FLOOR and fit.snr >= MINIMUM_SNR
    if fit.claimed_order is None or not (lost or verdict is Verdict.NOT_ASYMPTOTIC):
        return None
    if 2 * rates[0] > unit:
        return float(rates[0] / 2 ** int(np.ceil(np.log2(_WELL_BELOW * rates[0] / unit))))
    if lost:
        return None
    series = _claimed_series(fit)
    # Residuals of operators do not shrink with the learning rate; what is sampled may take more paths.
    residual = fit.standard_errors[-1] if fit.snr >= NEARLY_EXACT else 0.0
    for halvings in range(1, _HALVINGS + 1):
        smaller = rates / 2**halvings
        foretold = fit_order(
            smaller,
            smaller**fit.claimed_order * np.polynomial.polynomial.polyval(smaller**fit.remainder_exponent, series),
            residual,
            remainder_exponent=fit.remainder_exponent,
            confidence=fit.confidence,
            learning_rate_unit=unit,
        )
        if judge(foretold, fit.claimed_order).is_answer:
            return float(smaller[0])
    return None


def _claimed_series(fit: OrderFit) -> np.ndarray:
    """Coefficients c_k of the claimed order: through exact errors, and two of them where noise would be followed."""
    rates, errors = (np.array(values[-4:]) for values in (fit.learning_rates, fit.errors))
    degree = 3 if fit.snr > NEARLY_EXACT else 1
    powers = np.vander(rates**fit.remainder_exponent, degree + 1, increasing=True)
    scale = np.maximum(np.abs(errors), np.finfo(float).tiny) if degree == 3 else np.array(fit.standard_errors[-4:])
    weight = rates**fit.claimed_order / scale
    return np.linalg.lstsq(weight[:, None] * powers, errors / scale, rcond=None)[0]
