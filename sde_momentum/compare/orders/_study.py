"""The result of a comparison over learning rates: labelled numbers, fitted orders, a verdict, a figure."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sde_momentum.compare.orders._labelled import fits
from sde_momentum.compare.orders._order_fit import OrderFit
from sde_momentum.compare.orders._suggestion import sufficient_learning_rate
from sde_momentum.compare.orders._verdict import Verdict, judge_observables
from sde_momentum.compare.question._arguments import real_number


@dataclass(frozen=True)
class WeakError:
    """Signed weak errors over learning rates, observables and times.

    Attributes:
        dataset: xarray over `learning_rate`, `observable` and `time` with `error`, `standard_error` (the residual where
            nothing is sampled), `solver_bias` and `solver_bias_standard_error`, and `converged` over `learning_rate`;
            attributes say what was compared and how.
        orders: observable → `OrderFit` at the last time, in powers of the learning rate.
        claimed_order: the power of the learning rate that the limit promises.
        learning_rate_unit: natural unit of the learning rate in which the prior on the remainder holds.
    """

    dataset: xr.Dataset
    orders: dict[str, OrderFit]
    claimed_order: float
    learning_rate_unit: float = 1.0

    @property
    def order(self) -> OrderFit:
        """The fit of the observable that converges slowest: weak order is a statement on all of them."""
        answered = [fit for fit in self.orders.values() if fit.obstacle is None]
        return min(answered or list(self.orders.values()), key=lambda fit: fit.order)

    @property
    def verdict(self) -> Verdict:
        """What the observables together say of the claimed order.

        The worst counts, as in `judge`; one whose error is below the noise, or exactly zero, is set aside as long as
        another shows its error.
        """
        return judge_observables(self.orders.values(), self.claimed_order)

    @property
    def sufficient_learning_rate(self) -> float | None:
        """The largest learning rate of a study that would be answered if the claim holds, where this one is not.

        All learning rates are meant to be taken smaller by the same factor. None where the verdict is an answer, where
        noise alone is in the way, and where no learning rate would do: then a shorter horizon may.
        """
        verdict = self.verdict
        if verdict not in (Verdict.NOT_ASYMPTOTIC, Verdict.MONTE_CARLO_FLOOR):
            return None
        open_fits = [fit for fit in self.orders.values() if fit.verdict is verdict]
        found = [sufficient_learning_rate(fit, self.learning_rate_unit) for fit in open_fits]
        rates = [rate for rate in found if rate is not None]
        return min(rates) if len(rates) == len(found) else None

    @property
    def converged(self) -> bool:
        """Whether every learning rate met the tolerance of its route; True where there is none to meet."""
        return bool(self.dataset["converged"].all())

    @property
    def largest(self) -> xr.DataArray:
        """The largest |error| over the times, max_k |E f(x_k) − E f(X)|, over `learning_rate` and `observable`."""
        return np.abs(self.dataset["error"]).max("time")

    def at(self, time: float) -> "WeakError":
        """The study at one of its times: the orders and the verdict are those of the errors there.

        Args:
            time: one of the data set's times, in units of the regime's clock.

        Raises:
            TypeError: no number.
            KeyError: the errors were not measured at that time.
        """
        times = self.dataset["time"].values
        place = int(np.argmin(np.abs(times - real_number(time, "time"))))
        if abs(times[place] - time) > 1e-9 * max(abs(time), 1.0):
            raise KeyError(f"`time` must be one of {', '.join(f'{t:g}' for t in times)}, got {time!r}.")
        part = self.dataset.isel(time=[place]).assign_attrs(t1=float(time))
        unit = self.learning_rate_unit
        return WeakError(part, fits(part, unit, self.order.confidence), self.claimed_order, unit)

    def __str__(self) -> str:
        attributes = self.dataset.attrs
        lines = [f"weak error of {attributes['rule']} against its limit: {self.verdict}"]
        numbers = "".join(f", {name} = {value}" for name, value in json.loads(attributes["hyperparameters"]).items())
        lines.append(f"  (at t = {attributes['t1']:g}; {attributes['regime']}{numbers})")
        lines += [f"  {name}: {fit}" for name, fit in self.orders.items()]
        unit = f"terms of one size at a learning rate of {self.learning_rate_unit:.3g}"
        lines.append(f"  ({attributes['method']}; {self._bias()}{unit})")
        if not self.verdict.is_answer:
            lines.append(f"  remedy: {self._remedy()}")
        if not self.converged:
            missed = self.dataset["learning_rate"].values[~self.dataset["converged"].values]
            lines.append(
                f"  residuals above the tolerance at learning rates {missed.tolist()}: they count as standard errors"
            )
        if "jump" in attributes:
            lines.append(
                f"  note: the limit's coefficients jump, or are singular, inside a step, at {attributes['jump']:.4g}: "
                "errors need not follow a power"
            )
        if attributes["caveats"]:
            lines.append(f"  note: {attributes['caveats']}")
        if attributes["plan"]:
            lines += ["  " + line for line in attributes["plan"].splitlines()]
        return "\n".join(lines)

    def _bias(self) -> str:
        told = [fit for fit in self.orders.values() if fit.obstacle is not Verdict.MONTE_CARLO_FLOOR]
        share = max((fit.bias_fraction for fit in told), default=0.0)
        return f"solver bias at most {100 * share:.2g} % of an error; " if share > 0 else ""

    def _remedy(self) -> str:
        attributes, verdict = self.dataset.attrs, self.verdict
        if "jump" in attributes:
            return "schedules whose kinks and jumps lie between the steps of every learning rate, or smooth ones"
        if attributes["rounded"] and verdict in (Verdict.MONTE_CARLO_FLOOR, Verdict.SOLVER_BIAS):
            return "double precision, jax.config.update('jax_enable_x64', True): some errors are but rounding"
        rate, shorter = self.sufficient_learning_rate, not np.isinf(attributes["t1"])
        if rate is None and verdict is Verdict.NOT_ASYMPTOTIC:
            return f"{'a shorter horizon; ' if shorter else ''}no learning rates would do before rounding takes over"
        if rate is None and verdict is Verdict.MONTE_CARLO_FLOOR and not attributes["sampled"]:
            return "a shorter horizon, or larger learning rates: errors are zero, or no larger than their residuals"
        if rate is None:
            return verdict.remedy
        horizon = ", or a shorter horizon," if shorter else ""
        return f"learning rates from {rate:.3g} down{horizon} would show the order if the claim holds"

    def plot(self, axes: Any = None) -> Any:
        """Draw |error| over the learning rate, log–log, with error bars, noise floor, fitted curves and slopes.

        Args:
            axes: matplotlib axes; new ones when omitted.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not installed; it comes with the extra `claims`.
        """
        from sde_momentum.compare.orders._plot import plot_study

        return plot_study(self.dataset, self.orders, axes, claimed_order=self.claimed_order)


def plain_number(value: Any) -> float | str:
    """A number, or the name of a schedule."""
    return getattr(value, "__qualname__", type(value).__name__) if callable(value) else float(value)
