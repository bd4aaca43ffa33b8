"""Differences between SGD with momentum and SGD over learning rates: exact on a quadratic, sampled on real data."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from sde_momentum.claims.evidence._claim import Settings
from sde_momentum.claims.evidence._joint_law import joint_law
from sde_momentum.compare import OrderFit, PairedChains, fit_order
from sde_momentum.dynamics import chain
from sde_momentum.ensembles import simulate
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.problems import AbstractProblem, breast_cancer, quadratic
from sde_momentum.symbolic import Regime

LOSS, SQUARE, DISTANCE = QUANTITIES = ("loss", "|x|²", "|x − z|²")
EXACT_HORIZON, SAMPLED_HORIZON = 4.0, 0.128
REPLICAS, BATCH = 2048, 32
SGD, SGDM = sgd(), sgdm()
_SAMPLED_STEPS = (24, 48, 96, 192, 384)
_POWERS = {Fraction(1, 2): "√η", Fraction(1): "η"}


@dataclass(frozen=True)
class Momentum:
    """How the momentum depends on the learning rate: 1 − β = λ η^α.

    Args:
        index: α.
        number: β itself where α = 0, and λ otherwise.
    """

    index: Fraction
    number: float

    @property
    def bound(self) -> float:
        """The order that the source promises, (1 − α)/2."""
        return float(1 - self.index) / 2

    @property
    def grade(self) -> float:
        """Exact errors are series in this power of η."""
        return float(1 - self.index) or 1.0

    @property
    def label(self) -> str:
        """For measurements and legends."""
        if self.index == 0:
            return f"β = {self.number:g}"
        power = _POWERS.get(self.index, f"η^{self.index}")
        return f"1 − β = {power if self.number == 1 else f'{self.number:g}{power}'}"

    def unit(self, curvature: float) -> float:
        """The learning rate at which the terms of that series are of one size."""
        if self.index == 0:
            return (1 - self.number) / ((1 + self.number) * curvature)
        return (self.number / curvature) ** (1 / self.grade)

    def pair(self, problem: AbstractProblem, rate: float) -> PairedChains:
        """Return SGDM and SGD at one learning rate, σ = η^{−1/2}, on the same noise."""
        name = "relaxation_rate" if self.index else "momentum"
        regime = Regime.noise_dominated(self.index)
        first = chain(SGDM, problem, regime=regime, learning_rate=rate, **{name: self.number})
        return PairedChains(first, chain(SGD, problem, regime=Regime.noise_dominated(), learning_rate=rate))


@dataclass(frozen=True, eq=False)
class Study:
    """Differences between SGDM and SGD over learning rates.

    Args:
        label: problem and momentum.
        momentum: its dependence on the learning rate.
        rates: decreasing, shape `(levels,)`.
        errors: E loss(x) − E loss(z), E|x|² − E|z|², E|x − z|²; shape `(levels, 3)`.
        deviations: their standard errors, zero where exact.
        exponent: the errors are series in this power of the learning rate.
        unit: learning rate at which their terms are of one size.
    """

    label: str
    momentum: Momentum
    rates: np.ndarray
    errors: np.ndarray
    deviations: np.ndarray
    exponent: float
    unit: float

    def fit(self, quantity: str) -> OrderFit:
        """Fit the order of one quantity."""
        column = QUANTITIES.index(quantity)
        errors, deviations = self.errors[:, column], self.deviations[:, column]
        return fit_order(self.rates, errors, deviations, remainder_exponent=self.exponent, learning_rate_unit=self.unit)


def exact_study(momentum: Momentum, levels: int = 5) -> Study:
    """Closed moments of both optimizers and of their difference, on a two-dimensional quadratic."""
    ratio = round(2 ** (1 / momentum.grade))  # every level halves the small parameter
    steps = [200 * ratio**level for level in range(levels)]
    hessian, x0 = np.diag([1.0, 0.5]), np.array([1.0, -1.0])
    rows = []
    with jax.enable_x64(True):  # differences of nearly equal moments need it, whatever the caller's setting
        problem = quadratic(hessian, noise=np.array([[0.6, 0.2], [0.2, 0.4]]))
        for count in steps:
            law = joint_law(momentum.pair(problem, EXACT_HORIZON / count), x0, count)
            weak = [law.weak_error(h, np.zeros(2)) for h in (hessian, 2 * np.eye(2))]
            rows.append([*weak, law.mean_square_distance()])
    rates, errors = EXACT_HORIZON / np.array(steps), np.array(rows)
    label = f"quadratic, {momentum.label}"
    return Study(label, momentum, rates, errors, np.zeros_like(errors), momentum.grade, momentum.unit(1.0))


def sampled_study(momentum: Momentum, settings: Settings) -> Study:
    """Both optimizers on the same minibatches of a logistic regression, many replicas of each."""
    problem = breast_cancer(BATCH, dtype=jnp.float32)
    observables = _observables(problem)
    tables = []
    rates = SAMPLED_HORIZON / np.array(_SAMPLED_STEPS)
    for level, rate in enumerate(rates):
        result = simulate(
            momentum.pair(problem, float(rate)),
            problem.initial(),
            t1=SAMPLED_HORIZON,
            num_paths=settings.samples(REPLICAS, 16),
            seed=(settings.seed + level) % 2**64,
            observables=observables,
            covariance=False,
            progress=settings.progress,
        )
        tables.append(result.isel(time=-1))
    errors, deviations = (np.stack([table[name].values for table in tables]) for name in ("mean", "standard_error"))
    # Minibatches keep their skewness while σ grows, which brings in odd powers of √η whatever the momentum.
    unit = momentum.unit(_curvature(problem))
    return Study(f"logistic, {momentum.label}", momentum, rates, errors, deviations, 0.5, unit)


def _observables(problem: AbstractProblem) -> dict[str, Any]:
    def square(tree: Any) -> Any:
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree))

    def difference(function: Any) -> Any:
        return lambda state: function(state["first"]["x"]) - function(state["second"]["x"])

    distance = lambda state: square(jax.tree.map(jnp.subtract, state["first"]["x"], state["second"]["x"]))
    return {LOSS: difference(problem.loss), SQUARE: difference(square), DISTANCE: distance}


def _curvature(problem: AbstractProblem) -> float:
    """Largest eigenvalue of the Hessian at the start."""
    flat, unravel = ravel_pytree(problem.initial())
    return float(np.linalg.eigvalsh(np.asarray(jax.hessian(lambda z: problem.loss(unravel(z)))(flat)))[-1])
