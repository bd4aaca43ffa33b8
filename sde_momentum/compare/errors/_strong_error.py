"""Strong and path-level errors: how far rule and limit are apart on one and the same noise."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, ArrayLike, PyTree

from sde_momentum.compare.coupling._paired import CoupledLimit
from sde_momentum.compare.errors._route_coupled import check_finite, coupled, run
from sde_momentum.compare.orders._natural_unit import natural_unit
from sde_momentum.compare.orders._order_fit import OrderFit, fit_order
from sde_momentum.compare.orders._study import plain_number
from sde_momentum.compare.question._arguments import enough_paths, positive_number, probability, whole_number
from sde_momentum.compare.question._question import Question
from sde_momentum.compare.question._times import checked_rates
from sde_momentum.problems import AbstractProblem, NormalDraw
from sde_momentum.solvers import Seed
from sde_momentum.symbolic import Limit, UpdateRule

KINDS = ("at the time", "largest so far")


class FurthestApart(eqx.Module):
    """A chain coupled with its limit that remembers how far apart they ever were; state `{"pair": …, "largest": …}`.

    Args:
        pair: chain and limit on one Brownian path.
        parameters: name of the parameters in their states.
    """

    pair: CoupledLimit
    parameters: str = eqx.field(static=True)

    @property
    def step_time(self) -> Any:
        """Time per step."""
        return self.pair.step_time

    @property
    def draw(self) -> NormalDraw:
        """What one step consumes."""
        return self.pair.draw

    def init(self, x0: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return the states, and the distance at the start: none but the limit's initial shift."""
        state = self.pair.init(x0)
        return {"pair": state, "largest": self.apart(state, "chain", "fine")}

    def step(self, k: ArrayLike, state: PyTree[Array], draw: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return the next states, and the largest distance after this step."""
        pair = self.pair.step(k, state["pair"], draw)
        return {"pair": pair, "largest": jnp.maximum(state["largest"], self.apart(pair, "chain", "fine"))}

    def apart(self, state: PyTree[Array], first: str, second: str) -> Array:
        """Squared Euclidean distance of two of the states' parameters."""
        parts = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2), *(state[n][self.parameters] for n in (first, second)))
        return jax.tree.reduce(jnp.add, parts)

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return {"kind": "largest distance", "pair": self.pair.describe()}


@dataclass(frozen=True)
class StrongError:
    """Root-mean-square distances of rule and limit over learning rates.

    Attributes:
        dataset: xarray over `learning_rate`, `observable` and `time` with `error`, `standard_error` and `solver_bias`;
            the observables are the distance at the time, (E|x_k − X_t|²)^½, and the largest so far,
            (E max_k |x_k − X_t|²)^½.
        orders: observable → `OrderFit` at the last time.
    """

    dataset: xr.Dataset
    orders: dict[str, OrderFit]

    def __str__(self) -> str:
        lines = [f"strong error of {self.dataset.attrs['rule']} against its limit"]
        lines += [f"  distance {name}: {fit}" for name, fit in self.orders.items()]
        share = max(fit.bias_fraction for fit in self.orders.values())
        return "\n".join([*lines, f"  ({self.dataset.attrs['method']}; solver bias at most {100 * share:.2g} %)"])

    def plot(self, axes: Any = None) -> Any:
        """Draw the distances over the learning rate, log–log, with error bars and fitted curves.

        Args:
            axes: matplotlib axes; new ones when omitted.

        Returns:
            The axes.
        """
        from sde_momentum.compare.orders._plot import plot_study

        return plot_study(self.dataset, self.orders, axes, label="root-mean-square distance")


def strong_error(
    rule: UpdateRule,
    limit: Limit,
    problem: AbstractProblem,
    x0: PyTree[Any],
    *,
    t1: float,
    learning_rates: Sequence[float],
    saves: int | Sequence[float] | None = None,
    num_paths: int = 4096,
    seed: Seed = 0,
    substeps: int = 1,
    confidence: float = 0.95,
    learning_rate_unit: float | None = None,
    progress: bool = True,
    **hyperparameters: float,
) -> StrongError:
    r"""Measure (E|x_k − X_t|²)^½ and (E max_k |x_k − X_t|²)^½ on one Brownian path, and fit their orders.

    The limit promises nothing about single paths, so no order is claimed: the strong order is found. The problem's
    noise is replaced by its Gaussian twin, driven by the increments of the limit's Brownian motion.

    Args:
        rule: the optimizer.
        limit: its limit; must have been derived from `rule`.
        problem: loss and noise.
        x0: parameters at the start, one replica.
        t1: end, in units of the regime's clock; a whole number of steps for every learning rate.
        learning_rates: at least four, strictly decreasing.
        saves: times at which the distances are measured, see `weak_error`.
        num_paths: coupled paths for every learning rate, at least eight.
        seed: integer in [0, 2⁶⁴) or a JAX key.
        substeps: solver steps of the coarse solution in one optimizer step; the fine one takes twice as many.
        confidence: of the interval of the order.
        learning_rate_unit: see `weak_error`.
        progress: show a bar.
        **hyperparameters: numbers that rule and limit need besides `learning_rate`.

    Returns:
        A `StrongError`; its `solver_bias` is the distance between fine and coarse solution.

    Raises:
        TypeError: as `weak_error`.
        ValueError: as `weak_error`; t1 must be finite.

    Example:
        >>> from sde_momentum import optimizers, problems
        >>> from sde_momentum.symbolic import modified_equation
        >>> rule = optimizers.sgd()
        >>> setting = {"t1": 0.4, "learning_rates": (0.4, 0.2, 0.1, 0.05), "num_paths": 64, "progress": False}
        >>> limit = modified_equation(rule, order=1)
        >>> study = strong_error(rule, limit, problems.double_well(), 0.5, **setting)
        >>> sorted(study.orders)
        ['at the time', 'largest so far']
    """
    rates = checked_rates(learning_rates)
    positive_number(t1, "t1")
    enough_paths(num_paths)
    whole_number(substeps, "substeps")
    probability(confidence, "confidence")
    if learning_rate_unit is not None:
        positive_number(learning_rate_unit, "learning_rate_unit")
    if "learning_rate" in hyperparameters:
        raise ValueError("pass `learning_rates`, four or more of them, in place of one `learning_rate`.")
    question = Question(rule, limit, problem, x0, t1=t1, saves=saves, hyperparameters=hyperparameters)
    # All of them before the first is run.
    for rate in rates:
        question.steps(float(question.chain(float(rate)).step_time))
    functions = _distances(question.parameters)
    rows = [_row(question, float(rate), functions, num_paths, seed, substeps, progress) for rate in rates]
    errors, deviations, bias = (np.stack(part) for part in zip(*rows, strict=True))
    dims = ("learning_rate", "observable", "time")
    dataset = xr.Dataset(
        {"error": (dims, errors), "standard_error": (dims, deviations), "solver_bias": (dims, bias)},
        coords={"learning_rate": rates, "observable": list(KINDS), "time": list(question.times)},
        attrs={
            "rule": rule.name,
            "limit": str(limit),
            "t1": question.t1,
            "method": f"coupled sampling of {_noise(problem)}, {num_paths} paths, {2 * substeps} solver steps a step",
            "hyperparameters": json.dumps({k: plain_number(v) for k, v in hyperparameters.items()}),
        },
    )
    unit = natural_unit(question, float(rates[-1])) if learning_rate_unit is None else learning_rate_unit
    orders = {
        name: fit_order(
            rates,
            errors[:, column, -1],
            deviations[:, column, -1],
            remainder_exponent=float(limit.regime.grade),
            confidence=confidence,
            learning_rate_unit=unit,
            solver_bias=bias[:, column, -1],
        )
        for column, name in enumerate(KINDS)
    }
    return StrongError(dataset, orders)


def _noise(problem: AbstractProblem) -> str:
    """What drives rule and limit, in words: one Brownian path is that of Gaussian noise."""
    return "Gaussian noise" if isinstance(problem.draw, NormalDraw) else "the Gaussian twin of the noise"


def _distances(parameters: str) -> dict[str, Any]:
    """Squared distances on the state of `FurthestApart`, made once so that all learning rates share one program."""

    def apart(first: str, second: str):
        def squared(state: PyTree[Array]) -> Array:
            a, b = (state["pair"][name][parameters] for name in (first, second))
            return jax.tree.reduce(jnp.add, jax.tree.map(lambda u, v: jnp.sum((u - v) ** 2), a, b))

        return squared

    return {
        KINDS[0]: apart("chain", "fine"),
        KINDS[1]: lambda state: state["largest"],
        "solver": apart("fine", "coarse"),
    }


def _row(question: Question, rate: float, functions, num_paths: int, seed: Seed, substeps: int, progress: bool):
    """Distances, standard errors and the solver's distance at one learning rate, shape `(observables, times)`."""
    process = FurthestApart(coupled(question, rate, substeps), question.parameters)
    result = run(process, question, functions, num_paths, seed, progress)
    check_finite(result, rate)
    squares, deviations = result["mean"].values.T, result["standard_error"].values.T
    roots = np.sqrt(squares)
    # The root of a mean has the standard error of the mean over twice the root.
    errors = deviations[:2] / (2 * np.maximum(roots[:2], np.finfo(float).tiny))
    return roots[:2], errors, np.broadcast_to(roots[2], roots[:2].shape)
