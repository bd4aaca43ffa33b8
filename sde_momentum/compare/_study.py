"""The result of a comparison over learning rates: labelled numbers, fitted orders, a verdict, a figure."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sde_momentum.compare._order_fit import OrderFit, fit_order
from sde_momentum.compare._verdict import Verdict, judge


@dataclass(frozen=True)
class WeakError:
    """Signed weak errors over learning rates, one column an observable.

    Attributes:
        dataset: xarray over `learning_rate` and `observable` with `error`, `standard_error`, `solver_bias` and
            `solver_bias_standard_error`; attributes say what was compared and how.
        orders: observable → `OrderFit`, in powers of the learning rate.
        claimed_order: the power of the learning rate that the limit promises.
    """

    dataset: xr.Dataset
    orders: dict[str, OrderFit]
    claimed_order: float

    @property
    def order(self) -> OrderFit:
        """The fit of the observable that converges slowest: weak order is a statement on all of them."""
        answered = [fit for fit in self.orders.values() if fit.obstacle is None]
        return min(answered or list(self.orders.values()), key=lambda fit: fit.order)

    @property
    def verdict(self) -> Verdict:
        """What the observables together say of the claimed order.

        An observable whose error is below the noise proves nothing either way; it is set aside as long as another one
        is conclusive.
        """
        verdicts = [judge(fit, self.claimed_order) for fit in self.orders.values()]
        conclusive = [v for v in verdicts if v.is_answer]
        if Verdict.REFUTED in conclusive:
            return Verdict.REFUTED
        return conclusive[0] if conclusive else verdicts[0]

    def __str__(self) -> str:
        lines = [f"weak error of {self.dataset.attrs['rule']} against its limit: {self.verdict}"]
        lines += [f"  {name}: {fit}" for name, fit in self.orders.items()]
        lines.append(f"  ({self.dataset.attrs['method']})")
        return "\n".join(lines)

    def plot(self, axes: Any = None) -> Any:
        """Draw |error| over the learning rate, log–log, with error bars, fitted curves and the claimed slope.

        Args:
            axes: matplotlib axes; new ones when omitted.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not installed; it comes with the extra `claims`.
        """
        from sde_momentum.compare._plot import plot_study

        return plot_study(self, axes)


def make_study(
    setup: Any,
    rates: np.ndarray,
    errors: np.ndarray,
    deviations: np.ndarray,
    bias: np.ndarray,
    bias_deviations: np.ndarray,
    *,
    confidence: float,
    unit: float,
    method: str,
) -> WeakError:
    """Label the numbers and fit the orders."""
    names = list(setup.observables)
    grade = float(setup.limit.regime.grade)
    claimed = setup.limit.order * grade
    table = {
        "error": errors,
        "standard_error": deviations,
        "solver_bias": bias,
        "solver_bias_standard_error": bias_deviations,
    }
    attributes = {
        "rule": setup.rule.name,
        "limit": str(setup.limit),
        "regime": str(setup.limit.regime),
        "t1": setup.t1,
        "method": method,
        "claimed_order": claimed,
        "hyperparameters": json.dumps({k: float(v) for k, v in setup.hyperparameters.items()}),
    }
    dataset = xr.Dataset(
        {name: (("learning_rate", "observable"), values) for name, values in table.items()},
        coords={"learning_rate": rates, "observable": names},
        attrs=attributes,
    )
    orders = {}
    for column, name in enumerate(names):
        orders[name] = fit_order(
            rates,
            errors[:, column],
            deviations[:, column],
            remainder_exponent=grade,
            confidence=confidence,
            learning_rate_unit=unit,
            solver_bias=bias[:, column] if np.any(bias) else None,
            solver_bias_se=bias_deviations[:, column] if np.any(bias) else None,
            claimed_order=claimed,
        )
    return WeakError(dataset, orders, claimed)
