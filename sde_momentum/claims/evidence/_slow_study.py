"""Optimizers over O(1/η²) steps at several learning rates, on the clock τ = kη²."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sde_momentum.claims.evidence._claim import Measurement, Settings
from sde_momentum.claims.evidence._many_runs import trajectories
from sde_momentum.claims.evidence._nearness import at_zero, near
from sde_momentum.dynamics import chain
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import AbstractProblem
from sde_momentum.symbolic import Regime


@dataclass(frozen=True)
class SlowStudy:
    """What is sampled.

    Args:
        problem: loss and noise.
        observable: parameters of one replica → scalar, after projection on the manifold by Φ where that matters.
        end: slow time of the end; a whole number of steps at every learning rate, between any two saves.
        saves: number of equally spaced times.
        rates: learning rates.
        momentum: β of SGDM.
        replicas: of each ensemble at effort 1.
    """

    problem: AbstractProblem
    observable: Callable[[Any], Any]
    end: float
    saves: int
    rates: Sequence[float]
    momentum: float
    replicas: int

    def watch(self, process: Any, state: Any) -> Any:
        """Return the observable of a state."""
        del process
        return self.observable(state["x"])

    @property
    def times(self) -> np.ndarray:
        """Slow times at which moments are taken."""
        return np.arange(1, self.saves + 1) * self.end / self.saves

    def sample(self, settings: Settings) -> xr.Dataset:
        """Means and standard errors of the observable for SGD and SGDM; every ensemble has a seed of its own."""
        makers = {"SGD": (sgd(), {}), f"SGDM, β = {self.momentum:g}": (sgdm(), {"momentum": self.momentum})}
        chains = {
            name: [
                chain(rule, self.problem, regime=Regime.long_horizon(), learning_rate=eta, **others)
                for eta in self.rates
            ]
            for name, (rule, others) in makers.items()
        }
        return sample_chains(chains, self, settings)


def sample_chains(chains: Mapping[str, Sequence[Any]], study: SlowStudy, settings: Settings) -> xr.Dataset:
    """Moments of the study's observable for any chains on the slow clock, one for each learning rate."""
    seeds = itertools.count(settings.seed, 2**32)
    found = np.array([[_moments(one, study, settings, next(seeds) % 2**64) for one in row] for row in chains.values()])
    dims = ("optimizer", "learning_rate", "time")
    return xr.Dataset(
        {"mean": (dims, found[:, :, 0]), "standard_error": (dims, found[:, :, 1])},
        {"optimizer": list(chains), "learning_rate": list(study.rates), "time": study.times},
    )


def _moments(process: Any, study: SlowStudy, settings: Settings, seed: int) -> np.ndarray:
    """Means and standard errors at the study's times."""
    steps = round(study.end / float(process.step_time))
    values = trajectories(
        [process],
        [study.problem.initial()],
        study.watch,
        steps=steps,
        saves=study.saves,
        paths=settings.samples(study.replicas, 2),
        seed=seed,
    )[0]
    return np.stack([values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))])


def limits(dataset: xr.Dataset, target: float, margin: float, label: str) -> list[Measurement]:
    """For each optimizer, the value at the end extrapolated to η = 0, against a target."""
    return [near(f"{name}: {label}, η → 0", limit_of(dataset, name), target, margin) for name in names_of(dataset)]


def same_limit(dataset: xr.Dataset, margin: float, label: str) -> Measurement:
    """The second optimizer minus the first at the end, both extrapolated to η = 0."""
    first, second = (limit_of(dataset, name) for name in names_of(dataset)[:2])
    difference = second[0] - first[0], float(np.hypot(first[1], second[1]))
    return near(f"SGDM − SGD: {label}, η → 0", difference, 0.0, margin)


def limit_of(dataset: xr.Dataset, name: str) -> tuple[float, float]:
    """The mean at the end extrapolated to η = 0, with its standard error."""
    part = dataset.sel(optimizer=name).isel(time=-1)
    return at_zero(dataset["learning_rate"].values, part["mean"].values, part["standard_error"].values)


def names_of(dataset: xr.Dataset) -> list[str]:
    """Names of the optimizers."""
    return [str(name) for name in dataset["optimizer"].values]
