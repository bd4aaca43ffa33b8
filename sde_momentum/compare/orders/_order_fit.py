"""The order of convergence with an interval that covers the truth as often as it says."""

import reprlib
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2

from sde_momentum.compare.orders._order_profile import OrderProfile
from sde_momentum.compare.orders._remainder import RemainderPrior, positive_power
from sde_momentum.compare.orders._verdict import NEARLY_EXACT, Verdict, checked_order, judge
from sde_momentum.compare.question._arguments import finite_number, positive_number, probability

MINIMUM_SNR = 10.0
MINIMUM_LEADING_RATIO = 3.0
MAXIMUM_BIAS_FRACTION = 0.1
FIT_TEST_LEVEL = 0.01
# How often the natural unit may be halved before exact errors count as not asymptotic.
_MAXIMUM_HALVINGS = 3
# Errors without standard error are trusted to seven digits; an exact study that knows better passes its residual.
_RELATIVE_FLOOR = 1e-7


@dataclass(frozen=True)
class OrderFit:
    r"""A fitted order: $e(\eta) = \eta^p(c_0 + c_1\eta^r + c_2\eta^{2r} + \dots)$.

    Attributes:
        order: $p$; NaN below the gates on SNR and leading coefficient, where no number is given.
        interval: profile interval of the order; NaN with it.
        confidence: of the interval, two-sided.
        snr: error at the smallest learning rate over its standard error; infinite for exact errors.
        coefficients: $(c_0, c_1, c_2, …)$; all but $c_0$ shrink to their prior where the data are silent.
        leading_ratio: $|c_0|$ over its standard error at the fitted order.
        remainder_fraction: share of the error at the smallest step that is not the leading term.
        chi2: misfit, penalty of the remainders included.
        prior_stretch: factor by which the remainders' prior was widened, one unless they alone make the misfit.
        learning_rate_unit: unit in which the prior holds; up to three times halved where the remainders of (nearly)
            exact errors ask for more than the largest stretch.
        degrees_of_freedom: of the misfit; the fit test is conservative, for the remainders are counted as noise.
        remainder_exponent: $r$.
        bias_fraction: largest ratio of a bound on the solver's bias to the measured error; zero when not given.
        learning_rates: $\eta$, strictly decreasing.
        errors: signed errors.
        standard_errors: their standard errors.
        claimed_order: the order to be judged, if any.
    """

    order: float
    interval: tuple[float, float]
    confidence: float
    snr: float
    coefficients: tuple[float, ...]
    leading_ratio: float
    remainder_fraction: float
    chi2: float
    prior_stretch: float
    degrees_of_freedom: int
    remainder_exponent: float
    bias_fraction: float
    learning_rates: tuple[float, ...]
    errors: tuple[float, ...]
    standard_errors: tuple[float, ...]
    claimed_order: float | None = None
    learning_rate_unit: float = 1.0

    @property
    def obstacle(self):
        """The `Verdict` that forbids any statement about the order, or None."""
        if self.snr < MINIMUM_SNR:
            return Verdict.MONTE_CARLO_FLOOR
        if self.leading_ratio < MINIMUM_LEADING_RATIO:
            return Verdict.MONTE_CARLO_FLOOR if self.snr < NEARLY_EXACT else Verdict.NOT_ASYMPTOTIC
        if self.bias_fraction > MAXIMUM_BIAS_FRACTION:
            return Verdict.SOLVER_BIAS
        if self.fit_probability < FIT_TEST_LEVEL or self.remainder_fraction > 0.5:
            return Verdict.NOT_ASYMPTOTIC
        return None

    @property
    def fit_probability(self):
        """Probability of a misfit at least this large if the model holds with its stretched prior."""
        return float(chi2.sf(self.chi2 / self.prior_stretch**2, self.degrees_of_freedom))

    @property
    def verdict(self):
        """The obstacle, or the verdict on the claimed order; None without either."""
        return self.obstacle if self.claimed_order is None else judge(self, self.claimed_order)

    def judged(self, claimed_order):
        """The same fit, carrying a claim and so its verdict."""
        return replace(self, claimed_order=claimed_order)

    def predict(self, learning_rates):
        """The fitted curve at the given learning rates, for figures; shape as `learning_rates`."""
        eta = np.asarray(learning_rates, dtype=float)
        series = sum(c * eta ** (k * self.remainder_exponent) for k, c in enumerate(self.coefficients))
        return eta**self.order * series

    def __str__(self):
        low, high = self.interval
        # A nearly exact fit would print as a point: show as many digits as the interval's width can fill.
        digits = 2 if not high > low else min(max(2, int(np.ceil(1 - np.log10(high - low)))), 6)
        signal = f"SNR {self.snr:.0f}" if np.isfinite(self.snr) else "exact errors"
        number = f"order {self.order:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}], {signal}"
        if self.snr < MINIMUM_SNR and not any((*self.errors[-1:], *self.standard_errors)):
            return "the error vanishes without standard error: nothing to fit"
        if self.snr < MINIMUM_SNR:
            return f"{self.obstacle}, {signal}"
        if self.leading_ratio < MINIMUM_LEADING_RATIO:
            return f"{self.obstacle}, {signal}, leading coefficient {self.leading_ratio:.1f} SE"
        if self.obstacle is not None:
            return f"{self.obstacle} ({number})"
        return number if self.claimed_order is None else f"{number}: order {self.claimed_order:g} {self.verdict}"


def fit_order(
    learning_rates,
    errors,
    standard_errors,
    *,
    remainder_exponent=1.0,
    second_remainder_prior=True,
    confidence=0.95,
    solver_bias=None,
    solver_bias_se=None,
    correlation=None,
    learning_rate_unit=1.0,
    claimed_order=None,
):
    r"""Fit the order of signed errors, with a calibrated interval.

    The model is $e(\eta) = \eta^p c_0(1 + b_1\eta^r + b_2\eta^{2r} + \dots)$; $p$ is profiled, the interval is where
    the misfit exceeds its minimum by less than the $\chi^2_1$ quantile. The priors on $b_1$ (wide) and on
    $b_2, \dots \sim N(0, 3^2)$ are those of `RemainderPrior`. Errors are *signed*: taking absolute values or logarithms
    first biases the slope whenever a remainder is present, and its interval then covers the truth almost never.

    **Exact errors** have standard error zero. Then the interval expresses the truncation of the series alone: as many
    remainder terms as there are learning rates are kept, each under the prior, and their spread is the uncertainty;
    remainders larger than the prior widen the interval (`prior_stretch`), and shorten the unit of the learning rate.
    Where a numerical residual of the errors is known, pass it as their standard error.

    Args:
        learning_rates: at least four, strictly decreasing, positive; shape `(n,)`.
        errors: signed, expectation under the rule minus under the limit; shape `(n,)` or `(n, observables)`.
        standard_errors: of the errors, zero or more; broadcast to the shape of `errors`.
        remainder_exponent: $r$, spacing of the powers in the regime's grading.
        second_remainder_prior: standard deviation of $b_2, b_3, …$; True means 3, False or 0 leaves them out.
        confidence: of the two-sided interval of each observable.
        solver_bias: measured bias of the limit's discretization, broadcast to `errors`; reported apart from the error.
        solver_bias_se: its standard error. The bound |bias| + 2 SE enters each error's uncertainty in quadrature, and
            a bound above a tenth of an error is the verdict *solver bias*.
        correlation: correlation matrix of the errors across learning rates, shape `(n, n)`; the identity by default.
        learning_rate_unit: natural unit of the learning rate in which the prior holds, for instance 1/λ_max(H).
        claimed_order: order to be judged, see `judge`.

    Returns:
        An `OrderFit`, or a tuple of them, one per observable, when `errors` has two axes.

    Raises:
        ValueError: fewer than four learning rates or not strictly decreasing; an error that is not finite; a negative
            standard error; shapes that do not match; a solver's bias that is not finite, or its standard error without
            it or negative; a remainder exponent or unit that is not positive, a negative prior, or either not finite; a
            confidence outside (0, 1); a correlation that is not positive semi-definite; a claimed order that is not
            finite.
        TypeError: complex errors, or an argument that is no number.

    Example:
        >>> eta = np.array([0.2, 0.1, 0.05, 0.025])
        >>> noise = np.array([0.4, -0.7, 0.2, -0.3])
        >>> print(fit_order(eta, eta**2 * (1 - 0.8 * eta) + 2e-5 * noise, 2e-5, claimed_order=2))
        order 2.00 [1.90, 2.12], SNR 30: order 2 confirmed

    References:
        Barndorff-Nielsen and Cox, *Inference and Asymptotics* (1994), section 3.4 (profile likelihood).
    """
    claimed_order = None if claimed_order is None else checked_order(claimed_order)
    eta = _checked_learning_rates(learning_rates)
    values, deviations = _checked_errors(eta, errors, standard_errors)
    bound = _bias_bound(values, solver_bias, solver_bias_se)
    confidence = probability(confidence, "confidence")
    second = 3.0 * second_remainder_prior if isinstance(second_remainder_prior, bool) else second_remainder_prior
    prior = RemainderPrior(
        exponent=positive_power(remainder_exponent, "remainder_exponent"),
        second=finite_number(second, "second_remainder_prior", negative=False),
        unit=positive_number(learning_rate_unit, "learning_rate_unit"),
    )
    correlation = np.eye(len(eta)) if correlation is None else _checked_correlation(correlation, len(eta))

    def fit(column):
        e, s, b = (array.reshape(len(eta), -1)[:, column] for array in (values, deviations, bound))
        return _fit_one(eta, e, s, b, correlation, prior, confidence, claimed_order)

    return fit(0) if values.ndim == 1 else tuple(fit(column) for column in range(values.shape[1]))


def _fit_one(eta, errors, deviations, bound, correlation, prior, confidence, claimed_order):
    snr = _ratio(abs(errors[-1]), deviations[-1])
    result = OrderFit(
        order=np.nan,
        interval=(np.nan, np.nan),
        confidence=confidence,
        snr=snr,
        coefficients=(),
        leading_ratio=0.0,
        remainder_fraction=np.nan,
        chi2=np.nan,
        prior_stretch=1.0,
        degrees_of_freedom=len(eta) - 2,
        remainder_exponent=prior.exponent,
        bias_fraction=max(_ratio(b, abs(e)) if b > 0 else 0.0 for b, e in zip(bound, errors, strict=True)),
        learning_rates=tuple(eta.tolist()),
        errors=tuple(errors.tolist()),
        standard_errors=tuple(deviations.tolist()),
        claimed_order=claimed_order,
        learning_rate_unit=prior.unit,
    )
    if snr < MINIMUM_SNR:
        return result
    floor = _RELATIVE_FLOOR * np.maximum(np.abs(errors), 1e-3 * np.abs(errors).min(initial=np.inf, where=errors != 0))
    covariance = np.outer(deviations, deviations) * correlation + np.diag(bound**2 + floor**2)
    for halvings in range(_MAXIMUM_HALVINGS + 1):
        scaled = replace(prior, unit=prior.unit / 2**halvings)
        profile = OrderProfile(eta, errors, covariance, scaled)
        order = profile.best()
        misfit, leading, leading_error = (float(part[0]) for part in profile(order))
        result = replace(result, leading_ratio=abs(leading) / leading_error, learning_rate_unit=scaled.unit)
        if result.leading_ratio < MINIMUM_LEADING_RATIO:
            return result
        remainders = profile.remainders(order, leading)
        stretch = _prior_stretch(misfit, remainders, result.degrees_of_freedom)
        # Without noise to blame, a misfit beyond the largest stretch says that the unit was too long a learning rate.
        explained = chi2.sf(misfit / stretch**2, result.degrees_of_freedom) >= FIT_TEST_LEVEL
        if explained or snr < NEARLY_EXACT:
            break
    return replace(
        result,
        order=order,
        interval=profile.interval(order, confidence, stretch**2),
        prior_stretch=stretch,
        coefficients=_coefficients(remainders, scaled, order, leading, eta[-1]),
        remainder_fraction=abs(errors[-1] - leading) / abs(leading),
        chi2=misfit,
    )


def _prior_stretch(misfit, remainders, degrees_of_freedom):
    """How much wider the prior must be for the remainders found, at most √10; one unless they fail the fit test.

    Exact errors see their remainders sharply, and the prior's scale is a guess: an observable whose leading
    coefficient is accidentally small has remainders that are large beside it. Up to a factor of √10 that widens the
    interval, as a Birge ratio does; beyond, the errors are not asymptotic. A misfit that noise has a part in, or that
    the prior explains, widens nothing: the interval is calibrated without.
    """
    if remainders @ remainders < 0.9 * misfit or chi2.sf(misfit, degrees_of_freedom) >= FIT_TEST_LEVEL:
        return 1.0
    return float(np.sqrt(np.clip(misfit / degrees_of_freedom, 1.0, 10.0)))


def _coefficients(remainders, prior, order, leading, smallest):
    """From unit-variance remainders at the scale of the smallest step to the c_k of the docstring."""
    power = np.arange(1, len(remainders) + 1)
    scale = np.where(power == 1, prior.first, prior.second) / prior.unit ** (power * prior.exponent)
    series = np.concatenate([[1.0], scale * remainders])
    return tuple((leading * smallest**-order * series).tolist())


def _ratio(numerator, denominator):
    """Numerator over denominator; zero over zero is zero: an error that is exactly nil shows no signal."""
    if numerator == 0:
        return 0.0
    return float("inf") if denominator == 0 else float(numerator / denominator)


def _checked_learning_rates(learning_rates):
    eta = real_array(learning_rates, "learning_rates")
    if eta.ndim != 1 or len(eta) < 4:
        raise ValueError(
            f"learning_rates must be at least four numbers, got shape {eta.shape}: fewer cannot tell an order "
            "from its remainder"
        )
    if not (np.all(np.isfinite(eta)) and np.all(eta > 0) and np.all(np.diff(eta) < 0)):
        raise ValueError(f"learning_rates must be positive and strictly decreasing, got {eta.tolist()}: sort them")
    return eta


def _checked_errors(eta, errors, standard_errors):
    values = real_array(errors, "errors")
    if values.ndim not in (1, 2) or len(values) != len(eta):
        raise ValueError(
            f"errors must have shape ({len(eta)},) or ({len(eta)}, observables), got {values.shape}: "
            "the first axis runs over learning_rates"
        )
    if not np.all(np.isfinite(values)):
        where = eta[np.argwhere(~np.isfinite(values))[0, 0]]
        raise ValueError(
            f"errors must be finite, got {values[~np.isfinite(values)][0]} at learning rate {where:g}: "
            "choose an observable that is finite on every path, or lower the learning rate"
        )
    deviations = real_array(standard_errors, "standard_errors")
    if values.ndim == 2 and deviations.ndim == 1 and len(deviations) == len(eta):
        deviations = deviations[:, None]
    deviations = spread(deviations, values.shape, "standard_errors")
    if not (np.all(np.isfinite(deviations)) and np.all(deviations >= 0)):
        raise ValueError("standard_errors must be finite and not negative: zero means an exact error")
    return values, deviations


def _bias_bound(values, solver_bias, solver_bias_se):
    if solver_bias is None and solver_bias_se is not None:
        raise ValueError("`solver_bias_se` is the standard error of `solver_bias`: pass that too, or neither.")
    given = {"solver_bias": solver_bias, "solver_bias_se": solver_bias_se}
    bias, deviation = (_finite_bias(values, 0.0 if part is None else part, name) for name, part in given.items())
    if np.any(deviation < 0):
        raise ValueError(f"`solver_bias_se` must not be negative, got {reprlib.repr(solver_bias_se)}.")
    return np.abs(bias) + 2 * deviation


def _finite_bias(values, part, name):
    array = real_array(part, name)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"`{name}` must be finite, got {reprlib.repr(part)}: leave it out where there is none.")
    return spread(array[:, None] if values.ndim == 2 and array.ndim == 1 else array, values.shape, name)


def _checked_correlation(correlation, size):
    matrix = real_array(correlation, "correlation")
    if matrix.shape != (size, size) or not np.allclose(np.diag(matrix), 1) or not np.allclose(matrix, matrix.T):
        raise ValueError(
            f"correlation must be a symmetric matrix of shape ({size}, {size}) with ones on its diagonal, "
            f"got shape {matrix.shape}: divide a covariance by the standard errors"
        )
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    if lowest < -1e-9:
        raise ValueError(
            f"correlation must be positive semi-definite, but its lowest eigenvalue is {lowest:.3g}: "
            "no errors are correlated like this"
        )
    return matrix


def spread(array, shape, name):
    """Numbers that belong to errors of a shape, repeated to that shape.

    Raises:
        ValueError: they do not belong to it.
    """
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"{name} of shape {array.shape} do not belong to errors of shape {shape}: "
            "give one number, one per learning rate, or one per error"
        ) from None


def real_array(values, name):
    """Numbers as an array of doubles.

    Raises:
        TypeError: they are complex, or no numbers.
    """
    array = np.asarray(values)
    if array.dtype.kind == "c":
        raise TypeError(f"{name} must be real numbers, got dtype {array.dtype}: fit real and imaginary part apart")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got {reprlib.repr(values)}")
    return array.astype(float)
