"""What a claim is: a statement of a source, an experiment that can contradict it, and the evidence it leaves."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import xarray as xr

from sde_momentum.compare import SAME_ORDER, Outcome


@dataclass(frozen=True)
class Settings:
    """How an experiment is run.

    Args:
        seed: integer in [0, 2⁶⁴).
        effort: multiplies the numbers of samples; 1 is the budget of `sde-momentum validate`.
        progress: show bars while sampling.
    """

    seed: int = 2024
    effort: float = 1.0
    progress: bool = True

    def samples(self, number: int, multiple: int = 1) -> int:
        """Scale a number of samples by the effort, at least `multiple`, and a multiple of it."""
        return max(multiple, round(number * self.effort / multiple) * multiple)


@dataclass(frozen=True)
class Measurement:
    """One number of an experiment with its interval, and what it says of the claim.

    Args:
        label: what was measured, in words.
        value: the estimate; NaN where none could be given.
        interval: confidence interval of the estimate.
        expected: what the claim requires, in words.
        outcome: what this measurement alone says of the claim.
    """

    label: str
    value: float
    interval: tuple[float, float]
    expected: str
    outcome: Outcome

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.label}: {self.value:.4g} [{low:.4g}, {high:.4g}] (claim: {self.expected}): {self.outcome}"


@dataclass(frozen=True)
class Evidence:
    """What an experiment leaves: measurements, labelled data, a figure, and the equations used.

    Args:
        measurements: numbers with intervals and outcomes; together they decide the claim.
        dataset: all numbers behind the figure.
        equations: LaTeX of the limits that were derived and integrated.
        remarks: sentences on what the experiment does not cover.
    """

    measurements: tuple[Measurement, ...]
    dataset: xr.Dataset
    equations: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Not supported if one measurement contradicts the claim, supported if all support it, else undecided."""
        found = {measurement.outcome for measurement in self.measurements}
        if Outcome.NOT_SUPPORTED in found:
            return Outcome.NOT_SUPPORTED
        return Outcome.SUPPORTED if found == {Outcome.SUPPORTED} else Outcome.UNDECIDED


@dataclass(frozen=True)
class Claim:
    """A statement of the sources together with the experiment that tests it.

    Args:
        name: on the command line.
        title: a few words.
        statement: the claim, in full.
        source: where it is made.
        experiment: `Settings` → `Evidence`.
        figure: data set of the evidence → matplotlib figure.
        theme: heading of the report under which the claim stands.
    """

    name: str
    title: str
    statement: str
    source: str
    experiment: Callable[[Settings], Evidence] = field(compare=False)
    figure: Callable[[xr.Dataset], Any] = field(compare=False)
    theme: str = ""


def measured(label: str, comparison: Any, expected: str) -> Measurement:
    """Turn a `Comparison` of the compare room into a measurement."""
    return Measurement(label, float(comparison.value), tuple(comparison.interval), expected, comparison.outcome)


def measured_order(label: str, fit: Any, verdict: Any, claimed: float) -> Measurement:
    """Turn an order fit and its verdict into a measurement."""
    if not verdict.is_answer:
        outcome = Outcome.UNDECIDED
    else:
        outcome = Outcome.SUPPORTED if str(verdict) == "confirmed" else Outcome.NOT_SUPPORTED
    # `judge` refutes only below the claim by a twentieth of the spacing of powers; the reader has to see that.
    expected = f"order {claimed:g} or higher, to within {SAME_ORDER * fit.remainder_exponent:g}"
    return Measurement(label, float(fit.order), tuple(fit.interval), expected, outcome)


def expected_to_fail(measurement: Measurement, expected: str) -> Measurement:
    """Turn a test of something wrong into a negative control: the claim's own test has to refute it.

    Args:
        measurement: the test of the claim, applied to the wrong thing.
        expected: what is wrong with it, in words.
    """
    flipped = {Outcome.SUPPORTED: Outcome.NOT_SUPPORTED, Outcome.NOT_SUPPORTED: Outcome.SUPPORTED}
    outcome = flipped.get(measurement.outcome, Outcome.UNDECIDED)
    return replace(measurement, expected=f"{expected} (control)", outcome=outcome)
