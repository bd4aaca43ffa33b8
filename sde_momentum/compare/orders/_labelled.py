"""What a route measured, labelled, and the orders that are fitted to it."""

import numpy as np
import xarray as xr

from sde_momentum.compare.orders._measured import Measured
from sde_momentum.compare.orders._order_fit import OrderFit, fit_order
from sde_momentum.compare.question._question import Question


def labelled(question: Question, rates: np.ndarray, measured: Measured) -> xr.Dataset:
    """What was measured with its coordinates, and the claim that it is fitted to."""
    zero = np.zeros_like(measured.errors)
    table = {
        "error": measured.errors,
        "standard_error": measured.deviations,
        "solver_bias": zero if measured.bias is None else measured.bias,
        "solver_bias_standard_error": zero if measured.bias_deviations is None else measured.bias_deviations,
    }
    converged = np.full(len(rates), True) if measured.converged is None else measured.converged
    return xr.Dataset(
        {name: (("learning_rate", "observable", "time"), values) for name, values in table.items()}
        | {"converged": ("learning_rate", converged)},
        coords={"learning_rate": rates, "observable": list(question.observables), "time": list(question.times)},
        attrs={
            "claimed_order": question.claimed_order,
            "remainder_exponent": float(question.limit.regime.grade),
            "nested": int(measured.nested),
        },
    )


def fits(dataset: xr.Dataset, unit: float, confidence: float) -> dict[str, OrderFit]:
    """One fit an observable, of the errors at the last time.

    Args:
        dataset: one of `labelled`.
        unit: natural unit of the learning rate.
        confidence: of the intervals.
    """
    last = dataset.isel(time=-1)
    sampled = bool(np.any(last["solver_bias"].values))
    orders = {}
    for column, name in enumerate(dataset["observable"].values):
        one = last.isel(observable=column)
        orders[str(name)] = fit_order(
            dataset["learning_rate"].values,
            one["error"].values,
            one["standard_error"].values,
            remainder_exponent=dataset.attrs["remainder_exponent"],
            confidence=confidence,
            learning_rate_unit=unit,
            solver_bias=one["solver_bias"].values if sampled else None,
            solver_bias_se=one["solver_bias_standard_error"].values if sampled else None,
            correlation=_nested(one["standard_error"].values) if dataset.attrs["nested"] else None,
            claimed_order=dataset.attrs["claimed_order"],
        )
    return orders


def measured_orders(
    question: Question, rates: np.ndarray, measured: Measured, *, confidence: float, unit: float
) -> dict[str, OrderFit]:
    """The orders of `make_study` alone, without the words: observable → fit at the last time."""
    return fits(labelled(question, rates, measured), unit, confidence)


def _nested(deviations: np.ndarray) -> np.ndarray:
    """Correlation of errors each of which holds all those after it: what two of them share is the later one."""
    places = np.arange(len(deviations))
    later, earlier = np.maximum(*np.meshgrid(places, places)), np.minimum(*np.meshgrid(places, places))
    scale = np.where(deviations > 0, deviations, 1.0)
    matrix = deviations[later] / scale[earlier]
    np.fill_diagonal(matrix, 1.0)
    return matrix
