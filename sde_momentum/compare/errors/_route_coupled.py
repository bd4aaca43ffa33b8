"""The route for everything else: rule and limit on one Brownian path."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from sde_momentum.compare.coupling._paired import CoupledLimit, orientation_of
from sde_momentum.compare.coupling._quantile_noise import driven_by_normals
from sde_momentum.compare.coupling._solver_bias import bias_share
from sde_momentum.compare.errors._rounding import is_felt, rounding, with_rounding
from sde_momentum.compare.orders._measured import Measured, NotApplicable
from sde_momentum.compare.orders._plan import SamplePlan, plan_samples
from sde_momentum.compare.question._arguments import enough_paths, positive_number, whole_number
from sde_momentum.compare.question._observables import Observable
from sde_momentum.compare.question._question import Question
from sde_momentum.ensembles import simulate
from sde_momentum.problems import NormalDraw
from sde_momentum.solvers import Seed, SmallNoise
from sde_momentum.solvers._seed import seed_words

PILOT = 512


@dataclass(frozen=True)
class Sampling:
    """How much is sampled.

    Attributes:
        num_paths: coupled paths at every learning rate; None to have them planned.
        seed: integer in [0, 2⁶⁴) or a JAX key.
        substeps: solver steps of the coarse solution in one optimizer step.
        target_snr: wanted ratio of error and standard error, for the plan.
        budget: seconds that may be spent, for the plan.
        progress: whether the plan and a bar are shown.

    Raises:
        TypeError: a word where a number belongs.
        ValueError: both a number of paths and a ratio, too few paths, or a ratio, budget or solver steps below them.
    """

    num_paths: int | None
    seed: Seed
    substeps: int
    target_snr: float | None
    budget: float
    progress: bool

    def __post_init__(self):
        if self.num_paths is not None and self.target_snr is not None:
            raise ValueError("pass `num_paths` or `target_snr`, not both: the latter has the number of paths planned.")
        if self.num_paths is not None:
            enough_paths(self.num_paths)
        if self.target_snr is not None:
            positive_number(self.target_snr, "target_snr")
        positive_number(self.budget, "budget")
        whole_number(self.substeps, "substeps")

    @property
    def is_asked_for(self) -> bool:
        """Whether sample sizes were named, or a ratio for which they are to be planned."""
        return self.num_paths is not None or self.target_snr is not None


def coupled_errors(question: Question, rates: Sequence[float], sampling: Sampling) -> Measured:
    """Errors by coupled sampling, with standard errors and the solver's bias.

    The noise is the problem's own where it is a function of normals, and else that of its Gaussian twin.

    Raises:
        NotApplicable: the stationary law is asked for.
        ValueError: a path diverges, or an observable is not finite on it.
    """
    if np.isinf(question.t1):
        raise NotApplicable("sampling needs a finite t1: take several relaxation times.")
    processes = [coupled(question, rate, sampling.substeps, own_noise=True) for rate in rates]
    functions = differences(question.observables, question.parameters)
    plan = None
    if sampling.target_snr is not None:
        plan = _planned(question, rates, processes, functions, sampling)
    paths = [sampling.num_paths or 65_536] * len(rates) if plan is None else list(plan.paths)
    block = None if plan is None else PILOT
    columns, count = [], len(question.observables)
    for process, rate, number in zip(processes, rates, paths, strict=True):
        result = run(process, question, functions, number, sampling.seed, sampling.progress, block)
        columns.append(split(result, float(rate), count, bias_share(process.sde, question.x0)))
    errors, deviations, bias, bias_deviations = (np.stack(part) for part in zip(*columns, strict=True))
    rounded = np.stack([rounding(question, process) for process in processes])
    many = f"{paths[0]}" if len(set(paths)) == 1 else f"{min(paths)} to {max(paths)}"
    return Measured(
        errors,
        with_rounding(deviations, rounded, paths),
        f"coupled sampling of {whose_noise(question)}, {many} paths, {2 * sampling.substeps} solver steps a step",
        bias,
        with_rounding(bias_deviations, rounded, paths),
        plan=str(plan or ""),
        sampled=True,
        rounded=is_felt(deviations, rounded, paths),
    )


def coupled(question: Question, rate: float, substeps: int, *, own_noise: bool = False) -> CoupledLimit:
    """Rule and limit on one Brownian path at one learning rate.

    Args:
        question: what is compared.
        rate: learning rate.
        substeps: solver steps of the coarse solution in one optimizer step.
        own_noise: whether the rule sees the problem's own noise where that is a function of normals, in place of the
            Gaussian twin's.
    """
    twin = question.problem.gaussian()
    optimizer, equation = question.chain(rate, twin), question.sde(rate, twin)
    sign = orientation_of(optimizer, equation, question.x0)
    own = driven_by_normals(question.problem, question.parameters_at_start) if own_noise else None
    if own is not None:
        optimizer = question.chain(rate, own)
    process = CoupledLimit(optimizer, equation, SmallNoise(), substeps, sign)
    question.steps(float(process.step_time))
    return process


def whose_noise(question: Question) -> str:
    """Whether sampling takes the problem's own noise or its Gaussian twin, in words."""
    if isinstance(question.problem.draw, NormalDraw):
        return "Gaussian noise"
    own = driven_by_normals(question.problem, question.parameters_at_start)
    return "the Gaussian twin of the noise" if own is None else "the noise as quantiles of normals"


def run(
    process: Any,
    question: Question,
    functions: Mapping[str, Any],
    num_paths: int,
    seed: Seed,
    progress: bool,
    block_size: int | None = None,
) -> Any:
    """The moments of differences at the times of the question."""
    return simulate(
        process,
        question.x0,
        t1=question.t1,
        saves=list(question.times),
        num_paths=num_paths,
        seed=seed,
        observables=functions,
        covariance=False,
        progress=progress,
        block_size=block_size,
    )


def check_finite(result: Any, rate: float) -> None:
    """Refuse moments that are no numbers, and say whether paths or observables are to blame.

    Raises:
        ValueError: a path diverged, or an observable is not finite on a path that is.
    """
    diverged = int(np.max(result["diverged"].values))
    if diverged:
        raise ValueError(f"{diverged} paths diverge at learning rate {rate:g}: lower it, or shorten t1.")
    undefined = result["undefined"].values.max(axis=0)
    if undefined.max():
        name = str(result["name"].values[undefined.argmax()]).split(": ", 1)[-1]
        raise ValueError(
            f"observable `{name}` is not finite on {int(undefined.max())} paths at learning rate {rate:g}: choose one "
            "that is finite on every path, such as log(ε + x²) in place of log x."
        )


def differences(observables: Mapping[str, Observable], name: str) -> dict[str, Any]:
    """Chain − fine and fine − coarse, on the joint state, so that all learning rates share one program.

    They are pytrees of the observables: another study with the same functions finds the program again.
    """
    errors = {f"error: {k}": between(f, "chain", "fine", name) for k, f in observables.items()}
    return errors | {f"bias: {k}": between(f, "fine", "coarse", name) for k, f in observables.items()}


def between(function: Observable, left: str, right: str, name: str) -> Any:
    """The difference of an observable between two parts of a joint state; `name` is that of the parameters."""
    return jax.tree_util.Partial(_difference, function, left, right, name)


def _difference(function: Observable, left: str, right: str, name: str, state: Any) -> Any:
    return function(state[left][name]) - function(state[right][name])


def other_seed(seed: Seed, number: int) -> int:
    """A seed for another part of a study, a function of the study's own."""
    high, low = (int(np.asarray(jax.device_get(word))) for word in seed_words(seed))
    return (((high << 32) | low) + number * 0x9E3779B97F4A7C15) % 2**64


def show(plan: SamplePlan, progress: bool) -> None:
    """Print a plan where progress is shown."""
    if progress:
        sys.stderr.write(f"{plan}\n")


def _planned(question, rates, processes, functions, sampling: Sampling) -> SamplePlan:
    """Sample sizes from a pilot on paths of its own, so that its luck does not decide how long the study runs."""
    began = time.perf_counter()
    seed, count = other_seed(sampling.seed, 1), len(question.observables)
    run(processes[0], question, functions, PILOT, seed, progress=False, block_size=PILOT)  # compiles
    pilots, seconds = [], []
    for process, rate in zip(processes, rates, strict=True):
        start = time.perf_counter()
        pilots.append(split(run(process, question, functions, PILOT, seed, False, PILOT), rate, count, share=1.0))
        seconds.append(time.perf_counter() - start)
    errors, deviations = (np.stack([pilot[part][:, -1] for pilot in pilots]) for part in (0, 1))
    # What is the same on every path needs no more of them.
    scattered = np.all(deviations > 0, axis=0)
    if not np.any(scattered):
        raise ValueError(
            "target_snr: no observable scatters in the pilot run, so there is nothing to plan; leave it out"
        )
    plan = plan_samples(
        rates,
        errors[:, scattered],
        deviations[:, scattered],
        PILOT,
        seconds,
        target_snr=sampling.target_snr,
        budget_seconds=max(sampling.budget - (time.perf_counter() - began), 0.1 * sampling.budget),
        minimum_paths=PILOT,
    )
    show(plan, sampling.progress)
    return plan


def split(result: Any, rate: float, count: int, share: float) -> tuple[np.ndarray, ...]:
    """Errors, bias and their standard errors, each of shape `(observables, times)`.

    Args:
        result: moments of `differences`.
        rate: learning rate, for messages.
        count: of observables.
        share: part of fine − coarse that is the bias of the fine solution.
    """
    check_finite(result, rate)
    mean, deviation = result["mean"].values.T, result["standard_error"].values.T
    return mean[:count], deviation[:count], share * mean[count:], share * deviation[count:]
