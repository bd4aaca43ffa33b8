"""Statements about one measured number: is it nil, is it below a bound, or can the data not tell?"""

from dataclasses import dataclass
from enum import Enum

from scipy.stats import norm

from sde_momentum.compare.question._arguments import finite_number, positive_number, probability, real_number


class Outcome(Enum):
    """How a measured statement ends; undecided is an answer too, and asks for more samples.

    Example:
        >>> print(Outcome.UNDECIDED)
        undecided
    """

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    UNDECIDED = "undecided"

    def __str__(self):
        return self.value


@dataclass(frozen=True)
class Comparison:
    """A number with its interval, the region it was claimed to lie in, and the outcome.

    Attributes:
        value: the estimate.
        standard_error: of the estimate.
        interval: confidence interval; two-sided for `equivalence`, and the same two ends for `compare_to_bound`.
        region: closed region of the claim, possibly with an infinite end.
        outcome: whether the claim holds.
        confidence: of each one-sided statement.
    """

    value: float
    standard_error: float
    interval: tuple[float, float]
    region: tuple[float, float]
    outcome: Outcome
    confidence: float

    def __str__(self):
        low, high = self.interval
        return (
            f"{self.value:.4g} [{low:.4g}, {high:.4g}] in [{self.region[0]:.4g}, {self.region[1]:.4g}]: {self.outcome}"
        )


def equivalence(difference, standard_error, margin, *, confidence=0.95):
    r"""Are two quantities equal up to a margin? Two one-sided tests.

    $$|\delta| < m \iff \hat\delta \pm z_{c}\,\mathrm{se} \subset (-m, m).$$

    Not finding a difference is not finding none: *supported* needs the whole interval inside the margin, and
    *not supported* the whole interval outside; anything else is *undecided*. Each of the two false
    statements has probability at most one minus the confidence.

    Args:
        difference: estimate of the difference.
        standard_error: its standard error, zero for exact numbers; unit of the difference.
        margin: the largest difference that still counts as equal, positive; unit of the difference.
        confidence: of each one-sided test; the interval is the two-sided one of level 2 · confidence − 1.

    Returns:
        A `Comparison`.

    Raises:
        TypeError: an argument that is no number, such as an array.
        ValueError: margin not positive, difference or standard error not finite, standard error negative, confidence
            outside (½, 1).

    Example:
        >>> print(equivalence(0.002, 0.001, margin=0.01))
        0.002 [0.0003551, 0.003645] in [-0.01, 0.01]: supported
        >>> equivalence(0.002, 0.02, margin=0.01).outcome
        <Outcome.UNDECIDED: 'undecided'>

    References:
        Schuirmann, *Journal of Pharmacokinetics and Biopharmaceutics* 15 (1987), two one-sided tests.
    """
    margin = positive_number(margin, "margin", infinite=True)
    return _compare(finite_number(difference, "difference"), standard_error, (-margin, margin), confidence)


def compare_to_bound(value, standard_error, *, below=None, above=None, confidence=0.95):
    """Is a measured number below (or above, or between) given bounds?

    Args:
        value: the estimate.
        standard_error: its standard error, zero for exact numbers.
        below: claim value < below.
        above: claim value > above; together with `below` the claim is the interval between.
        confidence: of each one-sided statement.

    Returns:
        A `Comparison`.

    Raises:
        TypeError: as `equivalence`.
        ValueError: no bound, a bound that no number meets, or bounds in the wrong order, or what `equivalence` refuses.

    Example:
        >>> print(compare_to_bound(1.7, 0.1, below=2.0))
        1.7 [1.536, 1.864] in [-inf, 2]: supported
    """
    if below is None and above is None:
        raise ValueError("compare_to_bound needs a bound: pass below=, above= or both")
    region = (
        float("-inf") if above is None else real_number(above, "above"),
        float("inf") if below is None else real_number(below, "below"),
    )
    if region[0] == float("inf") or region[1] == float("-inf"):
        raise ValueError(f"no number meets above={above} and below={below}: pass a finite bound")
    if not region[0] < region[1]:
        raise ValueError(f"above must be less than below, got above={above} and below={below}")
    return _compare(finite_number(value, "value"), standard_error, region, confidence)


def _compare(value, standard_error, region, confidence):
    error = finite_number(standard_error, "standard_error", negative=False)
    confidence = probability(confidence, "confidence")
    if not confidence > 0.5:
        raise ValueError(f"confidence must lie strictly between 0.5 and 1, got {confidence}")
    half = float(norm.ppf(confidence) * error)
    low, high = value - half, value + half
    outcome = Outcome.UNDECIDED
    if region[0] < low and high < region[1]:
        outcome = Outcome.SUPPORTED
    elif high <= region[0] or low >= region[1]:
        outcome = Outcome.NOT_SUPPORTED
    return Comparison(value, error, (low, high), region, outcome, confidence)
