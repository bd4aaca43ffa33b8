"""How fast SGDM and SGD come together as the learning rate falls, over the momentum index."""

import json
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import PyTree

from sde_momentum.compare.momentum._arguments import bound_of, checked_indices, checked_multiplier
from sde_momentum.compare.momentum._index_study import STRONG, MomentumIndexStudy
from sde_momentum.compare.momentum._pair import Gap, exact_gap, sampled_gap
from sde_momentum.compare.momentum._schedule import MomentumSchedule, Multiplier, momentum_schedule
from sde_momentum.compare.orders._order_fit import fit_order
from sde_momentum.compare.question._arguments import enough_paths, positive_number
from sde_momentum.compare.question._independent_steps import require_independent_steps
from sde_momentum.compare.question._observables import Observable, check_observables, default_observables
from sde_momentum.compare.question._start_values import checked_start
from sde_momentum.compare.question._times import checked_rates
from sde_momentum.dynamics import chain
from sde_momentum.dynamics._hyperparameters import require_problem
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import AbstractProblem
from sde_momentum.solvers import Seed
from sde_momentum.symbolic import Regime

INDICES = tuple(Fraction(k, 4) for k in (0, 1, 2, 3, 4, 6))


def momentum_index_study(
    problem: AbstractProblem,
    x0: PyTree[Any],
    *,
    t1: float = 4.0,
    indices: Sequence[Any] = INDICES,
    relaxation_rate: float = 0.5,
    learning_rates: Sequence[float] | None = None,
    observables: Mapping[str, Observable] | None = None,
    rate_multiplier: Multiplier | None = None,
    relaxation_multiplier: Multiplier | None = None,
    averaged: bool = True,
    num_paths: int = 16_384,
    seed: Seed = 0,
    sample: bool = False,
    learning_rate_unit: float = 0.05,
) -> MomentumIndexStudy:
    r"""Measure how fast SGDM with $1-\beta=\lambda\eta^\alpha$ and SGD come together, for several α at once.

    Both run $t_1/\eta$ steps from the same point under noise of scale $\sigma=\eta^{-1/2}$. The weak error is
    $E f(x_k)-E f(z_k)$; the strong one $(E|x_k-z_k|^2)^{1/2}$ under the same draws. The theorem bounds the weak error
    by $C\eta^{(1-\alpha)/2}$; the strong error attains that order, the weak one is usually of order $1-\alpha$, so both
    are measured. On quadratic losses with noise affine in the parameters, minibatch least squares among them, nothing
    is sampled, and learning rates go down to where the leading power stands alone.

    Args:
        problem: loss and noise of unit scale.
        x0: parameters at the start.
        t1: end, t = kη; a whole number of steps of every learning rate.
        indices: α ≥ 0, as fractions or numbers like 0.25.
        relaxation_rate: λ; at α = 0 it is 1 − β.
        learning_rates: at least four, decreasing; by default $t_1 4^{-k}$, k = 6 … 11, where nothing is sampled (4 … 8
            with a schedule), else $t_1 2^{-k}$, k = 4 … 9.
        observables: name → function of the parameters; the loss and the first two moments by default.
        rate_multiplier: number of the step → factor of η, for SGDM.
        relaxation_multiplier: number of the step → factor of 1 − β.
        averaged: whether SGD runs the averaged schedule $\bar\eta_k$, or SGDM's own; without multipliers the same.
        num_paths: paths where sampling is needed.
        seed: integer in [0, 2⁶⁴) or a JAX key.
        sample: sample even where moments are closed.
        learning_rate_unit: learning rate at which the powers of the expansion are of one size, for the priors of the
            order fits; around (1 − β)/((1 + β) λ_max(H)) at α = 0.

    Returns:
        A `MomentumIndexStudy`.

    Raises:
        ValueError: an index below zero, λη^α above 1, learning rates that do not divide t1, or reshuffled epochs, of
            which the theorem says nothing (`sample` measures them all the same), or fewer than 8 paths where they are
            sampled.
        TypeError: an argument is of another kind.

    Example:
        >>> from sde_momentum.problems import quadratic
        >>> study = momentum_index_study(quadratic(1.0, noise=0.5), 1.0, indices=(0, 0.5))
        >>> round(study.strong_order(0.5).order, 2), round(study.weak_order(0.5).order, 2)
        (0.25, 0.5)

    References:
        Wang, Malladi, Wang, Lyu, Li (2024), Theorem 3.5.
    """
    powers = checked_indices(indices)
    require_problem(problem)
    t1, relaxation_rate = positive_number(t1, "t1"), positive_number(relaxation_rate, "relaxation_rate")
    learning_rate_unit = positive_number(learning_rate_unit, "learning_rate_unit")
    checked_multiplier(rate_multiplier, "rate_multiplier")
    checked_multiplier(relaxation_multiplier, "relaxation_multiplier")
    given_rates = None if learning_rates is None else checked_rates(learning_rates)
    if sample:
        enough_paths(num_paths)
    else:
        remedy = ", or sample=True to measure the reshuffled optimizers themselves"
        require_independent_steps(problem, "momentum_index_study", remedy)
    scheduled = rate_multiplier is not None or relaxation_multiplier is not None
    with jax.enable_x64(True):
        question = _Question(problem, x0, t1, relaxation_rate, observables, num_paths, seed, sample)
        schedule = (rate_multiplier, relaxation_multiplier, averaged) if scheduled else None
        rates = question.rates(given_rates, long=not scheduled)
        gaps = [[question.gap(index, float(rate), schedule) for rate in rates] for index in powers]
    words = "constant hyperparameters" if not scheduled else "averaged schedule" if averaged else "the same schedule"
    return _study(question, powers, rates, gaps, words, learning_rate_unit)


class _Question:
    """What is compared, without momentum index and learning rate."""

    def __init__(self, problem, x0, t1, relaxation_rate, observables, num_paths, seed, sample):
        widen = lambda leaf: jax.numpy.asarray(leaf, float) if _is_real(leaf) else leaf
        self.problem, self.t1 = jax.tree.map(widen, problem), t1
        self.x0 = jax.tree.map(widen, checked_start(x0, sgd().state, problem))
        self.relaxation_rate, self.num_paths, self.seed = relaxation_rate, num_paths, seed
        given = default_observables(self.problem) if observables is None else observables
        self.observables = check_observables(given, self.x0)
        self.exact = False if sample else self._closed()
        if not self.exact:
            enough_paths(num_paths)

    def _closed(self) -> bool:
        first, second = self.chains(Fraction(0), self.t1 / 16)
        return exact_gap(first, second, None, self.x0, 1, self.observables) is not None

    def rates(self, given: np.ndarray | None, *, long: bool) -> np.ndarray:
        """Learning rates, the usual ones where none are given."""
        if given is None:
            base, powers = (2.0, range(4, 10)) if not self.exact else (4.0, range(6, 12) if long else range(4, 9))
            return np.array([self.t1 * base**-k for k in powers])
        return given

    def chains(self, index: Fraction, rate: float):
        """SGDM and SGD at one momentum index and learning rate."""
        momentum = 1 - self.relaxation_rate * rate ** float(index)
        if not 0 <= momentum < 1:
            raise ValueError(
                f"1 − β = {1 - momentum:g} at learning rate {rate:g} and momentum index {index} is not in (0, 1]: "
                "change relaxation_rate"
            )
        regime = Regime.noise_dominated()
        first = chain(sgdm(), self.problem, regime=regime, learning_rate=rate, momentum=momentum)
        return first, chain(sgd(), self.problem, regime=regime, learning_rate=rate)

    def gap(self, index: Fraction, rate: float, multipliers: tuple | None) -> Gap:
        """The distance at one momentum index and learning rate."""
        first, second = self.chains(index, rate)
        steps = round(self.t1 / rate)
        if steps < 1 or not math.isclose(steps * rate, self.t1, rel_tol=1e-9):
            raise ValueError(f"t1 = {self.t1} is {self.t1 / rate:.6g} steps at learning rate {rate:g}; choose others")
        schedule: MomentumSchedule | None = None
        if multipliers is not None:
            momentum = float(first.hyperparameters["momentum"])
            by_rate, by_relaxation, averaged = multipliers
            schedule = momentum_schedule(
                rate, momentum, steps, rate_multiplier=by_rate, relaxation_multiplier=by_relaxation, averaged=averaged
            )
        if self.exact:
            found = exact_gap(first, second, schedule, self.x0, steps, self.observables)
            if found is not None:
                return found
        return sampled_gap(first, second, schedule, self.x0, self.t1, self.observables, self.num_paths, self.seed)


def _is_real(leaf: Any) -> bool:
    return (hasattr(leaf, "dtype") and np.issubdtype(leaf.dtype, np.floating)) or isinstance(leaf, float)


def _study(question: _Question, powers: Sequence[Fraction], rates: np.ndarray, gaps: list, words: str, unit: float):
    names = list(question.observables)
    table = lambda field: np.array([[getattr(gap, field) for gap in row] for row in gaps])
    wide, narrow = ("momentum_index", "learning_rate", "observable"), ("momentum_index", "learning_rate")
    method = "exact moments" if question.exact else f"paired paths, {question.num_paths} of them"
    dataset = xr.Dataset(
        {
            "weak": (wide, table("weak")),
            "weak_standard_error": (wide, table("weak_deviation")),
            "strong": (narrow, table("strong")),
            "strong_standard_error": (narrow, table("strong_deviation")),
        },
        coords={"momentum_index": [float(p) for p in powers], "learning_rate": rates, "observable": names},
        attrs={
            "method": method,
            "schedule": words,
            "t1": question.t1,
            "relaxation_rate": question.relaxation_rate,
            "momentum_indices": json.dumps([str(p) for p in powers]),
        },
    )
    orders = {}
    for row, index in enumerate(powers):
        part = dataset.isel(momentum_index=row)
        # Powers of η^α and of η mix: their grid is that of the index's denominator.
        options = {"remainder_exponent": 1 / index.denominator, "learning_rate_unit": unit}
        claim = bound_of(index)
        fits = {STRONG: fit_order(rates, part["strong"].values, part["strong_standard_error"].values,
                                  claimed_order=claim, **options)}  # fmt: skip
        for name in names:
            one = part.sel(observable=name)
            fits[name] = fit_order(
                rates, one["weak"].values, one["weak_standard_error"].values, claimed_order=claim, **options
            )
        orders[index] = fits
    return MomentumIndexStudy(dataset, orders)
