"""Variances and their ratios from a sampled ensemble, with standard errors that know of the coupling.

Two optimizers on the same noise are correlated, so the standard error of a ratio follows from the joint covariance of
all observables by the delta method: tr Cov u = E|u|² − |E u|² is a smooth function of the means of u and |u|².
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr


def spread_observables(vectors: Mapping[str, Callable[[Any], Any]]) -> dict[str, Callable[[Any], Any]]:
    """Return observables from which `total_variance` can be computed: each vector of a state and its square.

    Args:
        vectors: name → function of one replica's state, values of shape `(d,)`.
    """

    def square(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda state: jnp.sum(function(state) ** 2)

    return {**vectors, **{f"|{name}|²": square(function) for name, function in vectors.items()}}


def total_variance(table: xr.Dataset, name: str) -> tuple[float, float]:
    """Return tr Cov of a vector, and its standard error.

    Args:
        table: one time of an ensemble of `spread_observables`, simulated with `covariance=True`.
        name: of the vector.
    """
    value, weights = _linearized(table, name)
    return value, _deviation(table, weights)


def variance_ratio(table: xr.Dataset, above: str, below: str) -> tuple[float, float]:
    """Return the ratio of the total variances of two vectors, and its standard error.

    Args:
        table: as for `total_variance`.
        above: name of the vector in the numerator.
        below: name of the one in the denominator.
    """
    (top, top_weights), (bottom, bottom_weights) = _linearized(table, above), _linearized(table, below)
    ratio = top / bottom
    return ratio, _deviation(table, (top_weights - ratio * bottom_weights) / bottom)


def _linearized(table: xr.Dataset, name: str) -> tuple[float, np.ndarray]:
    """The total variance, and its derivative with respect to the mean of every observable."""
    names = table["name"].values
    members = names == name
    weights = np.where(names == f"|{name}|²", 1.0, 0.0)
    weights[members] = -2 * table["mean"].values[members]
    return float(table["variance"].values[members].sum()), weights


def _deviation(table: xr.Dataset, weights: np.ndarray) -> float:
    return float(np.sqrt(weights @ table["covariance"].values @ weights / float(table["count"])))
