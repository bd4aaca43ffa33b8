"""From minibatches to the equation in two legs, each with its own error: real data are not Gaussian."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np
import xarray as xr
from jaxtyping import Array, ArrayLike, PyTree

from sde_momentum.compare.coupling._quantile_noise import driven_by_normals
from sde_momentum.compare.errors._route_coupled import between, check_finite, coupled, differences, other_seed, run
from sde_momentum.compare.orders._study import plain_number
from sde_momentum.compare.question._observables import Observable
from sde_momentum.compare.question._question import Question
from sde_momentum.dynamics import Chain
from sde_momentum.problems import AbstractDraw, AbstractProblem
from sde_momentum.solvers import Seed
from sde_momentum.symbolic import Limit, UpdateRule

LEGS = ("noise shape", "discretization", "sum")


class BothDraws(AbstractDraw):
    """One step's draw of the data and one of the Gaussian twin, independent: they read different streams.

    Args:
        data: of the problem itself.
        gaussian: of its Gaussian twin.
    """

    data: AbstractDraw
    gaussian: AbstractDraw

    leading_cumulant = 3
    independent_steps = True

    @property
    def size(self) -> int:
        """Random components of both."""
        return self.data.size + self.gaussian.size

    @property
    def stream(self) -> None:
        """Each draw has its own."""
        return None

    @property
    def finite_moments(self) -> float:
        """Those of the draw with fewer."""
        return min(self.data.finite_moments, self.gaussian.finite_moments)

    def sample(self, seed: ArrayLike, path_index: Array, step: ArrayLike) -> PyTree[Array]:
        """Both draws for a batch of paths."""
        return {name: getattr(self, name).sample(seed, path_index, step) for name in ("data", "gaussian")}


class NoisePair(eqx.Module):
    """One optimizer under the noise of the problem and under Gaussian noise of the same covariance.

    Where the problem's noise is a function of normals (`driven_by_normals`), both see the same normals. Minibatches of
    several parameters are independent of the Gaussian noise: no map of a vector of normals has their law and is near
    the identity at every x.

    Args:
        data: the optimizer on the problem, or on the problem driven by normals.
        gaussian: the optimizer on the problem's Gaussian twin.
    """

    data: Chain
    gaussian: Chain

    @property
    def step_time(self) -> Any:
        """Time per step."""
        return self.data.step_time

    @property
    def shares_normals(self) -> bool:
        """Whether both see one draw."""
        return self.data.draw == self.gaussian.draw

    @property
    def draw(self) -> AbstractDraw:
        """What one step of both consumes."""
        return self.gaussian.draw if self.shares_normals else BothDraws(self.data.draw, self.gaussian.draw)

    def init(self, x0: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return both states from the same parameters."""
        return {"data": self.data.init(x0), "gaussian": self.gaussian.init(x0)}

    def step(self, k: ArrayLike, state: PyTree[Array], draw: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return both next states."""
        draws: Any = {"data": draw, "gaussian": draw} if self.shares_normals else draw
        return {name: getattr(self, name).step(k, state[name], draws[name]) for name in ("data", "gaussian")}

    def describe(self) -> dict[str, Any]:
        """Return what the process is, for provenance."""
        return {"kind": "minibatch and Gaussian noise", "data": self.data.describe()}


@dataclass(frozen=True)
class Telescope:
    """A weak error taken apart.

    Attributes:
        dataset: xarray over `leg`, `learning_rate`, `observable` and `time` with `error` and `standard_error`; legs are
            *noise shape* (minibatch chain − Gaussian chain), *discretization* (Gaussian chain − equation) and their
            *sum*. `solver_bias` belongs to the second leg.
    """

    dataset: xr.Dataset

    def __str__(self) -> str:
        lines = [f"weak error of {self.dataset.attrs['rule']} at t = {self.dataset.attrs['t1']:g}, in two legs"]
        last = self.dataset.isel(time=-1)
        for name in last["observable"].values:
            lines.append(f"  {name}")
            for rate in last["learning_rate"].values:
                at = last.sel(observable=name, learning_rate=rate)
                cells = [
                    f"{leg} {float(at['error'].sel(leg=leg)):+.3e} ± {float(at['standard_error'].sel(leg=leg)):.1e}"
                    for leg in LEGS
                ]
                lines.append(f"    η = {rate:<8.4g} " + "   ".join(cells))
        return "\n".join(lines)

    def plot(self, observable: str | None = None, axes: Any = None) -> Any:
        """Draw |error| of the legs and of their sum over the learning rate, log–log, with error bars.

        Args:
            observable: which one; the first when omitted.
            axes: matplotlib axes; new ones when omitted.

        Returns:
            The axes.
        """
        from sde_momentum.compare.orders._plot import plot_legs

        name = self.dataset["observable"].values[0] if observable is None else observable
        return plot_legs(self.dataset.sel(observable=name).isel(time=-1), str(name), axes)


def telescope(
    rule: UpdateRule,
    limit: Limit,
    problem: AbstractProblem,
    x0: PyTree[Any],
    *,
    t1: float,
    learning_rates: Sequence[float],
    saves: int | Sequence[float] | None = None,
    observables: Mapping[str, Observable] | None = None,
    num_paths: int = 4096,
    noise_paths: int | None = None,
    seed: Seed = 0,
    substeps: int = 1,
    progress: bool = True,
    **hyperparameters: float,
) -> Telescope:
    r"""Take the weak error of an optimizer on data apart: shape of the noise, then discretization.

    $$E f(x_k) - E f(X) = \underbrace{E f(x_k) - E f(\hat x_k)}_{\text{noise shape}}
    + \underbrace{E f(\hat x_k) - E f(X)}_{\text{discretization}},$$

    with $\hat x$ the same optimizer under Gaussian noise of the same covariance Σ(x). The second leg is coupled
    through one Brownian path and small in variance; the first compares two laws of noise and needs more paths, which
    are cheap, for no equation is integrated; noise of independent components (signs, gamma, Student), and minibatches
    where there is one parameter, are coupled to the Gaussian noise by quantiles. Both legs have paths of their own, so
    their squared standard errors add.

    Args:
        rule: the optimizer.
        limit: its limit; must have been derived from `rule`.
        problem: loss and noise, such as minibatches of a data set.
        x0: parameters at the start, one replica.
        t1: end, in units of the regime's clock; a whole number of steps for every learning rate.
        learning_rates: any number of them, in the order they are to be reported.
        saves: times at which the errors are measured, see `weak_error`.
        observables: name → function of the parameters, one number; by default the loss, the mean of the parameters and
            the mean of their squares.
        num_paths: coupled paths of the second leg, for every learning rate.
        noise_paths: pairs of paths of the first leg; eight times as many by default.
        seed: integer in [0, 2⁶⁴) or a JAX key.
        substeps: solver steps of the coarse solution in one optimizer step.
        progress: show a bar.
        **hyperparameters: numbers that rule and limit need besides `learning_rate`.

    Returns:
        A `Telescope`.

    Raises:
        ValueError: as `weak_error`; also where steps depend on each other, as in reshuffled epochs.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum import optimizers, problems
        >>> from sde_momentum.symbolic import modified_equation
        >>> loss = lambda x, rows: jnp.mean((x - rows) ** 2)
        >>> problem = problems.minibatch(loss, jnp.array([0.0, 0.0, 3.0]), batch_size=1)
        >>> rule, setting = optimizers.sgd(), {"t1": 0.4, "learning_rates": (0.2, 0.1), "num_paths": 64}
        >>> legs = telescope(rule, modified_equation(rule, order=1), problem, 0.5, progress=False, **setting)
        >>> legs.dataset["error"].sizes["leg"]
        3
    """
    question = Question(
        rule, limit, problem, x0, t1=t1, saves=saves, observables=observables, hyperparameters=hyperparameters
    )
    rates = np.asarray(learning_rates, dtype=float)
    many = 8 * num_paths if noise_paths is None else noise_paths
    shape = _shape_functions(question)
    discrete = differences(question.observables, question.parameters)
    rows = [
        _row(question, float(rate), (shape, discrete), (many, num_paths), seed, substeps, progress) for rate in rates
    ]
    return Telescope(_labelled(question, rates, rows, (many, num_paths)))


def _row(question: Question, rate: float, functions, paths, seed: Seed, substeps: int, progress: bool):
    """Errors and standard errors of both legs, and the solver's bias, each of shape `(observables, times)`."""
    count = len(question.observables)
    own = driven_by_normals(question.problem, question.parameters_at_start) or question.problem
    pair = NoisePair(question.chain(rate, own), question.chain(rate, question.problem.gaussian()))
    question.steps(float(pair.step_time))
    first = run(pair, question, functions[0], paths[0], other_seed(seed, 2), progress)
    second = run(coupled(question, rate, substeps), question, functions[1], paths[1], seed, progress)
    for result in (first, second):
        check_finite(result, rate)
    errors = [first["mean"].values.T, second["mean"].values.T[:count]]
    deviations = [first["standard_error"].values.T, second["standard_error"].values.T[:count]]
    return errors, deviations, second["mean"].values.T[count:] / 3


def _shape_functions(question: Question) -> dict[str, Any]:
    """Minibatch − Gaussian on the joint state."""
    name = question.parameters
    return {f"error: {key}": between(f, "data", "gaussian", name) for key, f in question.observables.items()}


def _labelled(question: Question, rates: np.ndarray, rows, paths) -> xr.Dataset:
    """All numbers under their names; the sum's squared standard error is the sum of the legs'."""
    errors = np.array([row[0] for row in rows]).swapaxes(0, 1)
    deviations = np.array([row[1] for row in rows]).swapaxes(0, 1)
    errors = np.concatenate([errors, errors.sum(axis=0, keepdims=True)])
    deviations = np.concatenate([deviations, np.sqrt((deviations**2).sum(axis=0, keepdims=True))])
    dims = ("learning_rate", "observable", "time")
    return xr.Dataset(
        {
            "error": (("leg", *dims), errors),
            "standard_error": (("leg", *dims), deviations),
            "solver_bias": (dims, np.array([row[2] for row in rows])),
        },
        coords={
            "leg": list(LEGS),
            "learning_rate": rates,
            "observable": list(question.observables),
            "time": list(question.times),
        },
        attrs={
            "rule": question.rule.name,
            "limit": str(question.limit),
            "t1": question.t1,
            "method": f"{paths[0]} pairs of paths for the shape of the noise, {paths[1]} coupled paths",
            "hyperparameters": json.dumps({k: plain_number(v) for k, v in question.hyperparameters.items()}),
        },
    )
