"""The result of comparing optimizers with their slow equation."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sde_momentum.compare.orders._equivalence import Comparison, equivalence
from sde_momentum.compare.orders._order_fit import OrderFit
from sde_momentum.compare.orders._verdict import Verdict, judge_observables
from sde_momentum.compare.question._arguments import known_name


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
            ValueError: the observable does not change along the slow equation; a rule or observable is none of these.
        """
        known_name(observable, list(map(str, self.dataset["observable"].values)), "observable")
        for name, rule in (("first", first), ("second", second)):
            known_name(rule, list(map(str, self.dataset["rule"].values)), name)
        at = self.dataset.isel(learning_rate=-1, time=-1).sel(observable=observable)
        change = float(at["slow"].mean() - at["start"])
        if change == 0:
            raise ValueError(f"observable `{observable}` does not change along the slow equation; compare another one")
        difference = float(at["discrete"].sel(rule=second) - at["discrete"].sel(rule=first)) / abs(change)
        error = float(np.hypot(*(at["discrete_standard_error"].sel(rule=name) for name in (first, second))))
        return equivalence(difference, error / abs(change), margin)

    def __str__(self) -> str:
        about = self.dataset.attrs
        lines = [f"weak error of {', '.join(self.dataset['rule'].values)} against the slow equation: {self.verdict}"]
        lines += [f"  {rule}, {name}: {fit}" for (rule, name), fit in self.orders.items()]
        regimes = ", ".join(f"{rule}: {name}" for rule, name in json.loads(about["regimes"]).items())
        numbers = [f"{name} = {value:g}" for name, value in json.loads(about["hyperparameters"]).items()]
        given = [] if about["limit"] == "that of each rule" else [f"against a limit that was {about['limit']}"]
        lines.append(f"  (τ = kη² up to t1 = {about['t1']:g}; codimension {about['codimension']}; {regimes})")
        return "\n".join([*lines, f"  ({'; '.join([*numbers, *given, about['method']])})"])

    def plot(self, observable: str | None = None, axes: Any = None) -> Any:
        """Draw E f over slow time with the slow equation, and |error| over the learning rate.

        Args:
            observable: which; the first when omitted.
            axes: two matplotlib axes; new ones when omitted.

        Returns:
            The axes.

        Raises:
            ValueError: the observable is none of the study's.
            ImportError: matplotlib is not installed; it comes with the extra `claims`.
        """
        from sde_momentum.compare.long_horizon._slow_plot import plot_slow_study

        names = list(map(str, self.dataset["observable"].values))
        return plot_slow_study(
            self, names[0] if observable is None else known_name(observable, names, "observable"), axes
        )
