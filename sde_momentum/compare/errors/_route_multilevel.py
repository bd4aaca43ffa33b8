"""The multilevel route: differences between successive learning rates, telescoped from the smallest one."""

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from sde_momentum.compare.coupling._levels import CoupledLevels
from sde_momentum.compare.coupling._solver_bias import bias_share
from sde_momentum.compare.errors._rounding import is_felt, rounding, with_rounding
from sde_momentum.compare.errors._route_coupled import (
    PILOT,
    Sampling,
    coupled,
    differences,
    other_seed,
    run,
    show,
    split,
    whose_noise,
)
from sde_momentum.compare.orders._measured import Measured, NotApplicable
from sde_momentum.compare.orders._plan import plan_samples
from sde_momentum.compare.question._observables import Observable
from sde_momentum.compare.question._question import Question


def multilevel_errors(question: Question, rates: Sequence[float], sampling: Sampling) -> Measured:
    r"""Errors $e_i = e_L + \sum_{j \ge i}^{L-1} (e_j - e_{j+1})$, every difference on one Brownian path of its own.

    The differences of two levels scatter less than the errors themselves, and where the limit does not depend on the
    learning rate they need no equation: only the smallest learning rate is compared with the limit, and there alone a
    solver can be biased. The errors of different learning rates share their lower levels; the fit is told how.

    Raises:
        NotApplicable: the stationary law is asked for.
        ValueError: learning rates that do not halve the time per step, or what coupled sampling refuses.
    """
    if np.isinf(question.t1):
        raise NotApplicable("sampling needs a finite t1: take several relaxation times.")
    levels = _Levels(question, rates, sampling)
    plan = None if sampling.target_snr is None else _planned(levels, sampling)
    paths = [sampling.num_paths or 65_536] * len(rates) if plan is None else list(plan.paths)
    block = None if plan is None else PILOT
    parts = [levels.measure(j, paths[j], other_seed(sampling.seed, 10 + j), sampling.progress, block)
             for j in range(len(rates))]  # fmt: skip
    steps, deviations, bias, bias_deviations = (np.stack(part) for part in zip(*parts, strict=True))
    rounded = np.stack([rounding(question, level) for level in levels.coupled])
    variances = _from_below(with_rounding(deviations, rounded, paths) ** 2)
    words = "with the limit on both" if levels.with_limit else "the limit cancels"
    noise = whose_noise(question)
    method = f"multilevel sampling of {noise}, {min(paths)} to {max(paths)} paths a level, {words}"
    return Measured(
        _from_below(steps),
        np.sqrt(variances),
        method,
        _from_below(bias),
        np.sqrt(_from_below(bias_deviations**2)),
        nested=True,
        plan=str(plan or ""),
        sampled=True,
        rounded=is_felt(deviations, rounded, paths),
    )


class _Levels:
    """The processes of all levels; the last one is the smallest learning rate against its limit."""

    def __init__(self, question: Question, rates: Sequence[float], sampling: Sampling):
        self.question, self.rates = question, rates
        processes = [coupled(question, rate, sampling.substeps, own_noise=True) for rate in rates]
        self.share = bias_share(processes[0].sde, question.x0)
        self.coupled = processes
        # Numbers at time zero do not show what a schedule makes of them later.
        self.with_limit = bool(question.limit.regime.schedules) or not _one_limit(processes)
        pairs = itertools.pairwise(processes)
        self.processes: list[Any] = [CoupledLevels(a, b, self.with_limit) for a, b in pairs]
        self.processes.append(processes[-1])
        self.single = differences(question.observables, question.parameters)
        self.double = _level_differences(question.observables, question.parameters, self.with_limit)

    def measure(self, level: int, paths: int, seed: int, progress: bool, block: int | None):
        """Mean and standard error of one level's difference, and of the solver's bias in it."""
        functions = self.single if level == len(self.processes) - 1 else self.double
        result = run(self.processes[level], self.question, functions, paths, seed, progress, block)
        count = len(self.question.observables)
        errors, deviations, *bias = split(result, float(self.rates[level]), count, self.share)
        return errors, deviations, *(part if len(part) else np.zeros_like(errors) for part in bias)


def _one_limit(processes: Sequence[Any]) -> bool:
    """Whether the limit is the same equation at all learning rates."""
    parts = [(p.sde.drift_numbers, p.sde.factor_numbers, p.sde.shift_numbers) for p in processes]
    leaves = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(part)]) for part in parts]
    return all(np.array_equal(leaves[0], other) for other in leaves[1:])


def _level_differences(observables: Mapping[str, Observable], name: str, with_limit: bool) -> dict[str, Any]:
    """(chain − limit at η) − (chain − limit at η/2), and the same of the solver's bias."""
    if not with_limit:
        partial = lambda f: jax.tree_util.Partial(_between_chains, f, name)
        return {f"error: {key}": partial(f) for key, f in observables.items()}
    single = differences(observables, name)
    return {key: jax.tree_util.Partial(_between_levels, difference) for key, difference in single.items()}


def _between_chains(function: Observable, name: str, state: Any) -> Any:
    return function(state["coarse"]["chain"][name]) - function(state["fine"]["chain"][name])


def _between_levels(difference: Any, state: Any) -> Any:
    return difference(state["coarse"]) - difference(state["fine"])


def _planned(levels: _Levels, sampling: Sampling):
    """Sample sizes from a pilot: level j may add e_j² − e_{j+1}² over the squared target to the variance."""
    began, seed = time.perf_counter(), other_seed(sampling.seed, 1)
    pilots, seconds = [], []
    for level in range(len(levels.processes)):
        # Twice: the first run compiles, and levels differ in their programs.
        for _ in range(2 if level in (0, len(levels.processes) - 1) else 1):
            start = time.perf_counter()
            found = levels.measure(level, PILOT, seed, False, PILOT)
        seconds.append(time.perf_counter() - start)
        pilots.append(found)
    errors = np.abs(_from_below(np.stack([pilot[0][:, -1] for pilot in pilots])))
    deviations = np.stack([pilot[1][:, -1] for pilot in pilots])
    below = np.concatenate([errors[1:], np.zeros_like(errors[:1])])
    # An error that does not grow with the learning rate leaves its level no share: half of it is granted.
    share = np.sqrt(np.maximum(errors**2 - below**2, 0.25 * errors**2))
    scattered = np.all(deviations > 0, axis=0)
    plan = plan_samples(
        levels.rates,
        share[:, scattered],
        deviations[:, scattered],
        PILOT,
        seconds,
        target_snr=float(sampling.target_snr or 10.0),
        budget_seconds=max(sampling.budget - (time.perf_counter() - began), 0.1 * sampling.budget),
        minimum_paths=PILOT,
    )
    show(plan, sampling.progress)
    return plan


def _from_below(parts: np.ndarray) -> np.ndarray:
    """Sums from each level down to the smallest learning rate."""
    return np.cumsum(parts[::-1], axis=0)[::-1]
