"""The result of comparing SGDM with SGD over the momentum index."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import xarray as xr

from sde_momentum.compare.momentum._arguments import bound_of, momentum_index
from sde_momentum.compare.orders._order_fit import OrderFit
from sde_momentum.compare.orders._verdict import Verdict, judge_observables

STRONG = "strong"
_RELAXATIONS = 5.0  # e^(−5) is what is left of the start


@dataclass(frozen=True, eq=False)
class MomentumIndexStudy:
    r"""Weak and strong distance of SGDM and SGD over the momentum index α, 1 − β = λ η^α.

    Attributes:
        dataset: xarray over `momentum_index`, `learning_rate` and `observable` with `weak`, `weak_standard_error`, and
            `strong`, `strong_standard_error` without the observables.
        orders: momentum index → (observable, or `"strong"`) → `OrderFit` in powers of the learning rate.
    """

    dataset: xr.Dataset
    orders: dict[Fraction, dict[str, OrderFit]]

    def _measured(self, index: Any) -> Fraction:
        """An index of the study, from a fraction or a number.

        Raises:
            ValueError: it was not run.
        """
        try:
            found = momentum_index(index)
        except (TypeError, ValueError):
            found = None
        if found not in self.orders:
            raise ValueError(f"`index` must be one of {', '.join(map(str, self.orders))}, got {index!r}.")
        return found

    def bound(self, index: Any) -> float:
        """The order (1 − α)/2 of the bound of Wang et al. for α < 1; zero, which says nothing, from α = 1 on."""
        return bound_of(self._measured(index))

    def relaxations(self, index: Any) -> float:
        """How many relaxation times of the momentum, η^(1−α)/λ, the run lasts at the largest learning rate."""
        rate, power = float(self.dataset["learning_rate"].max()), float(self._measured(index)) - 1
        return self.dataset.attrs["t1"] * self.dataset.attrs["relaxation_rate"] * rate**power

    def strong_order(self, index: Any) -> OrderFit:
        """The fit of the distance along paths at one momentum index."""
        return self.orders[self._measured(index)][STRONG]

    def weak_order(self, index: Any) -> OrderFit:
        """The fit of the observable whose expectations come together slowest at one momentum index."""
        fits = [fit for name, fit in self.orders[self._measured(index)].items() if name != STRONG]
        answered = [fit for fit in fits if fit.obstacle is None]
        return min(answered or fits, key=lambda fit: fit.order)

    def verdict(self, index: Any) -> Verdict:
        """Whether strong and weak distances keep the bound of Wang et al. at one momentum index below 1.

        From 1 on, whether SGDM and SGD come together at all: *refuted* says that they do not. A run of fewer than five
        relaxation times of the momentum still shows how it started, and answers neither: *not asymptotic yet*. An
        observable whose error is exactly zero, as by symmetry, or lost in noise is set aside while another shows its
        own.

        Raises:
            ValueError: the index was not run.
        """
        index = self._measured(index)
        fits = list(self.orders[index].values())
        if index < 1 and self.relaxations(index) < _RELAXATIONS:
            return Verdict.NOT_ASYMPTOTIC
        if index < 1:
            return judge_observables(fits, self.bound(index))
        return judge_observables(fits, 1 / index.denominator)

    def __str__(self) -> str:
        lines = ["α      bound  strong                          weak (slowest observable)       together?"]
        for index in self.orders:
            strong, weak = self.strong_order(index), self.weak_order(index)
            meet = {Verdict.CONFIRMED: "yes", Verdict.REFUTED: "no"}.get(self.verdict(index), str(self.verdict(index)))
            lines.append(f"{index!s:<6} {self.bound(index):<6g} {_short(strong):<31} {_short(weak):<31} {meet}")
        return "\n".join([*lines, f"({self.dataset.attrs['method']}, {self.dataset.attrs['schedule']})"])

    def plot(self, axes: Any = None) -> Any:
        """Draw the fitted orders over the momentum index, with intervals, beside the bound (1 − α)/2.

        Args:
            axes: matplotlib axes; new ones when omitted.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not installed; it comes with the extra `claims`.
        """
        from sde_momentum.compare.momentum._plot import plot_momentum_index

        return plot_momentum_index(self, axes)


def _short(fit: OrderFit) -> str:
    if fit.obstacle is not None:
        return f"{fit.order:.2f} {fit.obstacle}"
    return f"{fit.order:.3f} [{fit.interval[0]:.3f}, {fit.interval[1]:.3f}]"
