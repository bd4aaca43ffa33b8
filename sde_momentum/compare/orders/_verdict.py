"""What may be said about a claimed order."""

from enum import Enum

import numpy as np

from sde_momentum.compare.orders._order_profile import HIGHEST_ORDER

# Fraction of the grading's step within which two orders are the same one.
SAME_ORDER = 0.05
# Ratio of error and standard error from which on what separates an order from the grading is no noise.
NEARLY_EXACT = 1e3
# Change of the local order, in steps of the grading, below which it may change as it likes.
_SETTLED = 0.25
# Change of an order, in the same steps, that rounding may bring about.
_ROUNDING = 0.004


class Verdict(Enum):
    """The five things a study of an order can end with; each knows what it means and what to do next.

    Example:
        >>> print(Verdict.MONTE_CARLO_FLOOR)
        Monte-Carlo floor
        >>> Verdict.SOLVER_BIAS.remedy
        'take smaller solver steps (`substeps`), or a solver of higher weak order'
    """

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    MONTE_CARLO_FLOOR = "Monte-Carlo floor"
    SOLVER_BIAS = "solver bias"
    NOT_ASYMPTOTIC = "not asymptotic yet"

    @property
    def explanation(self):
        """One sentence: what was found."""
        return _EXPLANATION[self]

    @property
    def remedy(self):
        """One sentence: what would change it."""
        return _REMEDY[self]

    @property
    def is_answer(self):
        """Whether the question was decided, one way or the other."""
        return self in (Verdict.CONFIRMED, Verdict.REFUTED)

    def __str__(self):
        return self.value


_EXPLANATION = {
    Verdict.CONFIRMED: "the interval of the measured order reaches the claimed order and excludes the next lower one",
    Verdict.REFUTED: "the whole interval of the measured order lies below the claimed order",
    Verdict.MONTE_CARLO_FLOOR: "the errors are zero, or too near their standard errors to tell order from remainders",
    Verdict.SOLVER_BIAS: "the discretization of the limit contributes more than a tenth of some measured error",
    Verdict.NOT_ASYMPTOTIC: "at these learning rates the leading power does not yet dominate the error",
}
_REMEDY = {
    Verdict.CONFIRMED: "none needed",
    Verdict.REFUTED: "check the drift correction, the noise factor, the clock and the initial shift of the limit",
    Verdict.MONTE_CARLO_FLOOR: "take more paths, coupled paths, or larger learning rates; exact zeros have no order",
    Verdict.SOLVER_BIAS: "take smaller solver steps (`substeps`), or a solver of higher weak order",
    Verdict.NOT_ASYMPTOTIC: "take smaller learning rates (a study says which), a shorter horizon, or state the unit",
}


def judge(fit, claimed_order):
    r"""Say what a fitted order means for the claim "the weak order is $p$".

    The claim is an upper bound, $|e(\eta)| \le C\eta^p$ for **every** observable. A particular observable may converge
    faster (a symmetry may kill its leading term), so an interval above $p$ does not refute; an interval entirely
    below $p$ does. To confirm, the interval must reach $p$ *and* exclude the next lower order $p - r$ of the
    grading: an interval wide enough to hold both confirms nothing. With confidence 95 % a true claim
    is refuted by one observable in at most 2.5 % of studies; for a statement on several lower the level of each.

    An error that follows an expansion has its order on the grading: $p + kr$ or, where the claim is a bound that the
    theorem does not call sharp, $kr$. Without noise to blame (SNR from a thousand on), an interval between two such
    orders, or a local order that changes faster the smaller the learning rate, says that the error is on its way
    through a zero, or that a lower order is about to show; and an interval as wide as a whole power of the learning
    rate says that the learning rates are those of the natural unit. They confirm nothing: it is not asymptotic yet.

    Args:
        fit: an `OrderFit`, or a sequence of them (one per observable; the worst verdict counts).
        claimed_order: $p$.

    Returns:
        A `Verdict`. An obstacle found by the fit (noise, solver bias, no asymptotics) takes precedence.

    Raises:
        TypeError: `fit` is no `OrderFit`, or `claimed_order` no number.
        ValueError: an empty sequence of fits, or a claimed order that is not finite.

    Example:
        >>> import numpy as np
        >>> from sde_momentum.compare import fit_order
        >>> eta = np.array([0.1, 0.05, 0.025, 0.0125])
        >>> fit = fit_order(eta, eta * (1 + 0.5 * eta), 0.0)
        >>> print(judge(fit, 1), "/", judge(fit, 2))
        confirmed / refuted
    """
    if isinstance(fit, (tuple, list)):
        return _worst([judge(one, claimed_order) for one in fit])
    if not hasattr(fit, "obstacle"):
        raise TypeError(f"fit must be an OrderFit, or a sequence of them, got {type(fit).__name__}: use fit_order")
    claimed_order = checked_order(claimed_order)
    if fit.obstacle is not None:
        return fit.obstacle
    low, high = fit.interval
    if high < claimed_order - SAME_ORDER * fit.remainder_exponent:
        return Verdict.REFUTED if _has_lower_order(fit, claimed_order) else Verdict.NOT_ASYMPTOTIC
    # An interval without an upper end holds every higher order too: the remainders explain whatever is seen.
    if low > claimed_order - fit.remainder_exponent and high < HIGHEST_ORDER:
        return Verdict.CONFIRMED if _is_asymptotic(fit, claimed_order) else Verdict.NOT_ASYMPTOTIC
    return Verdict.MONTE_CARLO_FLOOR if fit.snr < NEARLY_EXACT else Verdict.NOT_ASYMPTOTIC


def checked_order(claimed_order):
    """A claimed order as a float.

    Raises:
        TypeError: it is no real number.
        ValueError: it is not finite.
    """
    if isinstance(claimed_order, (str, bool)) or np.ndim(claimed_order) or np.iscomplexobj(claimed_order):
        raise TypeError(f"claimed_order must be a real number, got {claimed_order!r}")
    order = float(claimed_order)
    if not np.isfinite(order):
        raise ValueError(f"claimed_order must be finite, got {order}: leave it out where nothing is claimed")
    return order


def _is_asymptotic(fit, claimed_order):
    """Whether errors without noise have an order of the grading, and a local order that comes to rest."""
    if fit.snr < NEARLY_EXACT:
        return True
    if fit.interval[1] - fit.interval[0] >= 1:
        return False
    # A lower order that is about to show gives itself away twice: beside the grading, and by running away.
    running = _SETTLED if _is_on_grading(fit, claimed_order, _ROUNDING) else _ROUNDING
    return _is_on_grading(fit, claimed_order, SAME_ORDER) and _is_settling(fit, running)


def _has_lower_order(fit, claimed_order):
    """Whether errors without noise have an order of the grading, or a local order that has come to rest elsewhere.

    Between the orders of the grading a local order is on its way, or turns round: that refutes nothing.
    """
    if fit.snr < NEARLY_EXACT or _is_on_grading(fit, claimed_order, SAME_ORDER):
        return True
    errors, rates = np.asarray(fit.errors[-3:]), np.asarray(fit.learning_rates[-3:])
    if np.any(errors * errors[-1] <= 0):
        return False
    before, last = np.diff(np.log(np.abs(errors))) / np.diff(np.log(rates))
    return bool(abs(last - before) <= _ROUNDING * fit.remainder_exponent)


def _is_on_grading(fit, claimed_order, tolerance):
    """Whether the interval holds an order of the grading, up to a tolerance in its steps."""
    low, high = (edge / fit.remainder_exponent for edge in fit.interval)
    shifts = (0.0, claimed_order / fit.remainder_exponent)
    return any(np.floor(high + tolerance - shift) >= low - tolerance - shift for shift in shifts)


def _is_settling(fit, tolerance):
    """Whether the local orders log|e_i/e_j| / log(η_i/η_j) of the smallest learning rates come closer together.

    What the next power changes in them halves with the learning rate, what a lower one changes doubles.
    """
    errors = np.asarray(fit.errors[-4:])
    if np.any(errors * errors[-1] <= 0):
        return True  # The zero lies at larger learning rates: it is behind.
    local = np.diff(np.log(np.abs(errors))) / np.diff(np.log(fit.learning_rates[-4:]))
    before, after = np.abs(np.diff(local))
    return bool(after <= max(before, tolerance * fit.remainder_exponent))


def judge_observables(fits, claimed_order=None):
    """Say what the fits of all observables of one study mean for a claim on all of them.

    The worst counts, as in `judge`. Only an observable whose error is below the noise, or exactly zero, is set aside as
    long as another one shows its error: it proves nothing either way, and nothing speaks against it.

    Args:
        fits: `OrderFit`s, one per observable.
        claimed_order: $p$; by default each fit's own claim.
    """
    verdicts = [judge(fit, fit.claimed_order if claimed_order is None else claimed_order) for fit in fits]
    return _worst([verdict for verdict in verdicts if verdict is not Verdict.MONTE_CARLO_FLOOR] or verdicts)


def _worst(verdicts):
    """One refuted observable refutes the claim; one undecided observable leaves it undecided."""
    if not verdicts:
        raise ValueError("judge got no fits: pass at least one OrderFit")
    ranking = (
        Verdict.REFUTED,
        Verdict.SOLVER_BIAS,
        Verdict.MONTE_CARLO_FLOOR,
        Verdict.NOT_ASYMPTOTIC,
        Verdict.CONFIRMED,
    )
    return min(verdicts, key=ranking.index)
