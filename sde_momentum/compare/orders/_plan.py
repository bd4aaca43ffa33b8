"""How many paths a study needs, from a small pilot run."""

from dataclasses import dataclass

import numpy as np

from sde_momentum.compare.orders._order_fit import real_array, spread
from sde_momentum.compare.question._arguments import finite_number, positive_number


@dataclass(frozen=True)
class SamplePlan:
    """Paths per learning rate for a target signal-to-noise ratio within a time budget.

    Attributes:
        learning_rates: as given.
        paths: planned number of paths at each learning rate.
        expected_snr: signal-to-noise ratio expected at each, if the pilot's errors are right.
        seconds: expected time at each.
        target_snr: what was asked for.
        budget_seconds: what was allowed.
    """

    learning_rates: tuple[float, ...]
    paths: tuple[int, ...]
    expected_snr: tuple[float, ...]
    seconds: tuple[float, ...]
    target_snr: float
    budget_seconds: float

    @property
    def reaches_target(self):
        """Whether the target is expected to be met at every learning rate within the budget."""
        return min(self.expected_snr) >= 0.999 * self.target_snr

    def __str__(self):
        lines = ["learning rate       paths   SNR   seconds"]
        for eta, paths, snr, seconds in zip(
            self.learning_rates, self.paths, self.expected_snr, self.seconds, strict=True
        ):
            lines.append(f"{eta:13.5g} {paths:11d} {snr:5.1f} {seconds:9.2f}")
        lines.append(f"total {sum(self.seconds):.1f} s of {self.budget_seconds:g} s, target SNR {self.target_snr:g}")
        if not self.reaches_target:
            lines[-1] += " not reached: allow more time, couple the paths, or take larger learning rates"
        return "\n".join(lines)


def plan_samples(
    learning_rates,
    errors,
    standard_errors,
    paths,
    seconds,
    *,
    target_snr=20.0,
    budget_seconds=60.0,
    minimum_paths=1024,
):
    r"""Plan the sample sizes of a weak-error study from a pilot run.

    The standard error falls as the root of the number of paths, the time grows with it, so that the target needs
    $n_i = n_i^{\text{pilot}}\,(\mathrm{SNR}\,\mathrm{se}_i/|e_i|)^2$. A pilot error lost in its noise cannot be divided
    by: the error is then taken from the pilot's own power law, fitted by weights to the errors that are significant,
    and at worst from two standard errors. If the budget does not suffice, all sample sizes shrink by the same factor.

    Args:
        learning_rates: shape `(n,)`.
        errors: signed pilot errors, shape `(n,)` or `(n, observables)`; the hardest observable counts.
        standard_errors: of the pilot errors, positive; same shape.
        paths: pilot paths, a number or one per learning rate.
        seconds: time the pilot took at each learning rate, shape `(n,)`.
        target_snr: wanted ratio of error and standard error at every learning rate.
        budget_seconds: time that may be spent.
        minimum_paths: no learning rate gets fewer.

    Returns:
        A `SamplePlan`; printing it gives the table.

    Raises:
        TypeError: an argument that is no number.
        ValueError: shapes that do not match, or numbers that are not positive and finite; an infinite budget is one.

    Example:
        >>> eta = np.array([0.2, 0.1])
        >>> print(plan_samples(eta, eta**2, 0.001, 10_000, [0.1, 0.2], target_snr=50))
        learning rate       paths   SNR   seconds
                  0.2       15625  50.0      0.16
                  0.1      250000  50.0      5.00
        total 5.2 s of 60 s, target SNR 50
    """
    target_snr = positive_number(target_snr, "target_snr")
    budget_seconds = positive_number(budget_seconds, "budget_seconds", infinite=True)
    minimum_paths = finite_number(minimum_paths, "minimum_paths", negative=False)
    eta, values = real_array(learning_rates, "learning_rates"), real_array(errors, "errors")
    deviations = spread(real_array(standard_errors, "standard_errors"), values.shape, "standard_errors")
    pilot, spent = (
        spread(real_array(x, name), eta.shape, name) for name, x in (("paths", paths), ("seconds", seconds))
    )
    _check(eta, values, deviations, pilot, spent)
    columns = zip(values.reshape(len(eta), -1).T, deviations.reshape(len(eta), -1).T, strict=True)
    ratio = np.min([_expected_size(eta, e, s) / s for e, s in columns], axis=0)
    wanted = np.maximum(pilot * (target_snr / ratio) ** 2, minimum_paths)
    cost = spent / pilot
    wanted = np.ceil(wanted * min(1.0, budget_seconds / float(wanted @ cost)))
    return SamplePlan(
        learning_rates=tuple(eta.tolist()),
        paths=tuple(int(n) for n in wanted),
        expected_snr=tuple((ratio * np.sqrt(wanted / pilot)).tolist()),
        seconds=tuple((wanted * cost).tolist()),
        target_snr=target_snr,
        budget_seconds=budget_seconds,
    )


def _expected_size(eta, errors, deviations):
    """|e| where the pilot sees it; elsewhere the power law of what it sees, and never above what it rules out."""
    size = np.abs(errors)
    seen = size > 4 * deviations
    if not seen.any():
        return 2 * deviations
    weight = size[seen] / deviations[seen]
    if seen.sum() >= 2:
        slope, level = np.polyfit(np.log(eta[seen]), np.log(size[seen]), 1, w=weight)
    else:
        slope, level = 1.0, np.log(size[seen][0]) - np.log(eta[seen][0])
    law = np.exp(level + slope * np.log(eta))
    return np.where(seen, size, np.minimum(law, size + 2 * deviations))


def _check(eta, values, deviations, pilot, spent):
    if eta.ndim != 1 or values.ndim not in (1, 2) or len(values) != len(eta):
        raise ValueError(f"errors must have one row per learning rate, got {values.shape} for {eta.shape}")
    for name, array in (("learning_rates", eta), ("standard_errors", deviations), ("paths", pilot), ("seconds", spent)):
        if not (np.all(np.isfinite(array)) and np.all(array > 0)):
            raise ValueError(f"{name} must be positive and finite, got {array.tolist()}: exact errors need no plan")
    if not np.all(np.isfinite(values)):
        raise ValueError("errors of the pilot must be finite: choose an observable that is finite on every path")
