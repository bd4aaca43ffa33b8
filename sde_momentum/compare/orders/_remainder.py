"""What is assumed about the part of a weak error that lies beyond its leading power."""

from dataclasses import dataclass
from numbers import Rational
from typing import Any

import numpy as np

from sde_momentum.compare.question._arguments import finite_number, positive_number


def positive_power(value: Any, name: str) -> float:
    """A power of the learning rate above zero; fractions serve too.

    Raises:
        TypeError: it is no real number.
        ValueError: it is not positive and finite.
    """
    fraction = isinstance(value, Rational) and not isinstance(value, bool)
    return positive_number(float(value) if fraction else value, name)


@dataclass(frozen=True)
class RemainderPrior:
    r"""Prior on the series $e(\eta) = \eta^p c_0 (1 + b_1\eta^r + b_2\eta^{2r} + \dots)$ behind an order fit.

    Relative to the leading coefficient, $b_1 \sim N(0, \mathtt{first}^2)$ and $b_k \sim N(0, \mathtt{second}^2)$ for
    $k \ge 2$, with $\eta$ measured in `unit`. The wide prior on $b_1$ is what separates an order $p$ from its twin
    $p - r$: the curve $c_0\eta^p$ is also $c_1\eta^{(p-r)+r}$ with a leading coefficient of zero, and only a bound on
    $b_1 = c_1/c_0$ tells the two apart.

    Args:
        exponent: $r$, the step of the regime's grading in powers of the learning rate (1; ½ for half-integer powers).
        first: standard deviation of $b_1$.
        second: standard deviation of $b_2, b_3, \dots$; zero leaves the series with two terms.
        unit: natural unit of the learning rate, for instance $1/\lambda_{\max}(H)$; dimension of a learning rate.

    Raises:
        TypeError: one that is no number.
        ValueError: an exponent or unit that is not positive, a standard deviation that is negative, or any not finite.

    Example:
        >>> RemainderPrior(exponent=1.0).features(np.array([0.5, 0.25]))[:, :2]
        array([[5.    , 0.75  ],
               [2.5   , 0.1875]])
    """

    exponent: float = 1.0
    first: float = 10.0
    second: float = 3.0
    unit: float = 1.0

    def __post_init__(self):
        positive_power(self.exponent, "exponent")
        positive_number(self.unit, "unit")
        for name in ("first", "second"):
            finite_number(getattr(self, name), name, negative=False)

    def features(self, learning_rates):
        r"""Columns $\mathrm{sd}(b_k)\,\eta^{kr}$, so that the remainder's prior covariance is $c_0^2\eta^{2p} F F^T$.

        As many terms as learning rates are kept: with exact errors they are what stands for the uncertainty.

        Args:
            learning_rates: shape `(n,)`.

        Returns:
            Array of shape `(n, n + 1)`, or `(n, 1)` without second remainder.
        """
        count = len(learning_rates) + 1 if self.second > 0 else 1
        power = np.arange(1, count + 1)
        deviation = np.where(power == 1, self.first, self.second)
        return deviation * (np.asarray(learning_rates)[:, None] / self.unit) ** (power * self.exponent)
