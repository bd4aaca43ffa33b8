"""The result of comparing optimizers with their slow equation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sde_momentum.compare.orders._equivalence import Comparison, equivalence
from sde_momentum.compare.orders._order_fit import OrderFit
from sde_momentum.compare.orders._verdict import Verdict, judge_observables


@dataclass(frozen=True)
class SlowWeakError:
    """Signed errors E f(Φ(x_k)) − E f(Y_τ) over rules, learning rates, observables and slow times.

    Attributes:
        dataset: xarray over `rule`, `learning_rate`, `observable`, `time` with `error`, `standard_error`,
            `solver_bias`, `discrete` and `slow` (the two expectations), and `start` over `observable`; along the path
            `distance` |x − Φ(x)| and the `spectrum` of normal eigenvalues, means over the ensemble.
        orders: (rule, observable) → `OrderFit` at the last time, with the order that is claimed for the rule.
    """

    dataset: xr.Dataset
    orders: dict[tuple[str, str], OrderFit]

    @property
    def verdict(self) -> Verdict:
        """What all rules and observables say together: the worst, but for those lost in the noise if another is not."""
        return judge_observables(self.orders.values())

    def agreement(self, first: str, second: str, observable: str, *, margin: float = 0.05) -> Comparison:
        """Do two rules agree at the smallest learning rate and the last time, up to a part of what the flow does?

        Args:
            first: name of a rule.
            second: name of another.
            observable: name of the observable.
            margin: largest difference, as a part of the change of the observable along the slow equation.

        Raises:
            ValueError: the observable does not change along the slow equation.
        """
        at = self.dataset.isel(learning_rate=-1, time=-1).sel(observable=observable)
        change = float(at["slow"].mean() - at["start"])
        if change == 0:
            raise ValueError(f"observable `{observable}` does not change along the slow equation; compare another one")
        difference = float(at["discrete"].sel(rule=second) - at["discrete"].sel(rule=first)) / abs(change)
        error = float(np.hypot(*(at["discrete_standard_error"].sel(rule=name) for name in (first, second))))
        return equivalence(difference, error / abs(change), margin)

    def __str__(self) -> str:
        lines = [f"weak error of {', '.join(self.dataset['rule'].values)} against the slow equation: {self.verdict}"]
        lines += [f"  {rule}, {name}: {fit}" for (rule, name), fit in self.orders.items()]
        return "\n".join([*lines, f"  ({self.dataset.attrs['method']})"])

    def plot(self, observable: str | None = None, axes: Any = None) -> Any:
        """Draw E f over slow time with the slow equation, and |error| over the learning rate.

        Args:
            observable: which; the first when omitted.
            axes: two matplotlib axes; new ones when omitted.

        Returns:
            The axes.
        """
        import matplotlib.pyplot as plt

        if axes is None:
            axes = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")[1]
        name = str(self.dataset["observable"].values[0]) if observable is None else observable
        data = self.dataset.sel(observable=name)
        _over_time(axes[0], data, name)
        _over_rates(axes[1], data, name, {rule: self.orders[rule, name] for rule in data["rule"].values})
        return axes


def _over_time(axes: Any, data: xr.Dataset, name: str) -> None:
    times = np.concatenate([[0.0], data["time"].values])
    slow = data["slow"].isel(rule=0, learning_rate=-1).values
    axes.plot(times, np.concatenate([[float(data["start"])], slow]), "k-", lw=1, label="slow equation")
    for number, rule in enumerate(data["rule"].values):
        shades = np.linspace(0.3, 1.0, len(data["learning_rate"]))
        for shade, rate in zip(shades, data["learning_rate"].values, strict=True):
            part = data.sel(rule=rule, learning_rate=rate)
            style = {"fmt": "os^v"[number % 4], "ms": 3, "color": f"C{number}", "alpha": shade, "capsize": 2}
            label = f"{rule}, η = {rate:g}" if shade == 1.0 else None
            axes.errorbar(times[1:], part["discrete"], 2 * part["discrete_standard_error"], label=label, **style)
    axes.set(xlabel="τ = kη²", ylabel=f"E {name}")
    axes.legend(fontsize="small")


def _over_rates(axes: Any, data: xr.Dataset, name: str, fits: dict[str, OrderFit]) -> None:
    from matplotlib.ticker import NullLocator

    rates = data["learning_rate"].values
    for number, (rule, fit) in enumerate(fits.items()):
        last = data.sel(rule=rule).isel(time=-1)
        order = "" if np.isnan(fit.order) else f": order {fit.order:.2f} [{fit.interval[0]:.2f}, {fit.interval[1]:.2f}]"
        style = {"fmt": "os^v"[number % 4], "ms": 4, "capsize": 2, "color": f"C{number}"}
        axes.errorbar(rates, np.abs(last["error"]), 2 * last["standard_error"], label=f"{rule}{order}", **style)
        if not np.isnan(fit.order):
            axes.plot(rates, np.abs(fit.predict(rates)), color=f"C{number}", lw=0.8)
    axes.set(xscale="log", yscale="log", xlabel="learning rate η", ylabel=f"|error of E {name}|")
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(fontsize="small")
