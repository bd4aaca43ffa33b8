"""On what each rule of the catalogue is checked: problem, start, learning rates, and the route without sampling."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from sde_momentum import optimizers
from sde_momentum.compare.catalogue._lattice import lattice_errors
from sde_momentum.compare.catalogue._ordinary import ordinary_errors
from sde_momentum.compare.errors._route_exact import exact_errors
from sde_momentum.compare.errors._route_transition import transition_errors
from sde_momentum.compare.orders._measured import Measured
from sde_momentum.compare.question._question import Question
from sde_momentum.problems import AbstractProblem, general
from sde_momentum.symbolic import LEARNING_RATE, Limit, Regime, UpdateRule

# Each takes one limit and changes of it, and learning rates.
ROUTES: dict[str, Callable[[Sequence[Question], Sequence[float]], list[Measured]]] = {
    "ordinary equation": ordinary_errors,
    "moments": exact_errors,
    "operators": transition_errors,
    "lattice": lattice_errors,
}
_NUMBERS = {
    "momentum": 0.6,
    "dampening": 0.7,
    "relaxation_rate": 1.5,
    "rate_decay": 0.5,
    "rate_beta1": 2.0,
    "rate_beta2": 0.5,
    "eps": 0.3,
    "eps0": 0.5,
    "sigma0": 0.8,
}


@dataclass(frozen=True, eq=False)
class Setting:
    """One rule under one regime on one problem.

    Attributes:
        rule: the optimizer.
        regime: the scaling.
        route: name of the route, a key of `ROUTES`.
        start: the parameters, or a dict with the start of every variable, in the limit's scale.
        t1: end on the regime's clock.
        counts: numbers of steps, increasing; they fix the learning rates.
        unit: natural unit of the learning rate.
        cost: seconds of a quiet processor, roughly; studies take the cheap settings first.
        noise: size of the noise on the line.
    """

    rule: UpdateRule
    regime: Regime
    route: str
    start: Any
    t1: float
    counts: Sequence[int]
    unit: float
    cost: float
    noise: float = 0.4

    def problem(self) -> AbstractProblem:
        """The problem of the route, in the precision that is switched on."""
        return {"moments": plane, "ordinary equation": hollow}.get(self.route, lambda: line(self.noise))()

    def question(self, limit: Limit) -> Question:
        """The question to the route."""
        problem = self.problem()
        observables = _observables(problem, self.route)
        return Question(
            self.rule, limit, problem, self.start, t1=self.t1, observables=observables, hyperparameters=self.numbers
        )

    @property
    def numbers(self) -> dict[str, float]:
        """The hyperparameters that the regime does not scale, and those that its scales are made of."""
        free = {name for name in self.rule.hyperparameters if name not in self.regime.scalings}
        expressions = (self.regime.noise_scale, self.regime.clock, *self.regime.scalings.values())
        free |= {str(symbol) for expression in expressions for symbol in expression.free_symbols}
        free -= {"learning_rate", *self.regime.scalings}
        return {name: _NUMBERS[name] for name in sorted(free)}

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """The learning rates with which t1 takes the numbers of steps: the clock is c η^e."""
        symbols = self.regime.clock.free_symbols - {LEARNING_RATE}
        factor = float(self.regime.clock.subs({s: self.numbers[str(s)] for s in symbols}).subs(LEARNING_RATE, 1))
        return tuple((self.t1 / count / factor) ** (1 / float(self.regime.clock_exponent)) for count in self.counts)


def plane() -> AbstractProblem:
    """Two parameters: a quadratic loss with noise affine in them, whose moments are closed."""
    hessian = jnp.array([[1.0, 0.3], [0.3, 0.6]])
    constant = jnp.array([[0.5, 0.1], [0.1, 0.4]])
    slopes = jnp.array([[[0.2, 0.1], [0.0, 0.3]], [[0.1, 0.0], [0.2, 0.1]]])
    return general(
        lambda x: 0.5 * x @ hessian @ x,
        lambda x, w: constant @ w + jnp.einsum("aij,j,a->i", slopes, x, w),
        2,
        start=np.array([1.0, -0.5]),
    )


def hollow() -> AbstractProblem:
    """Two parameters that a quartic loss couples, whose third derivatives do not vanish; without noise."""
    hessian = jnp.array([[1.0, 0.3], [0.3, 0.6]])
    return general(
        lambda x: 0.5 * x @ hessian @ x + 0.2 * x[0] ** 2 * x[1] + 0.15 * jnp.sum(x**4),
        lambda x, w: 0.0 * x * w,
        2,
        start=np.array([1.0, -0.5]),
    )


def line(noise: float = 0.4) -> AbstractProblem:
    """One parameter: a convex quartic loss without symmetry and noise that depends on the place."""
    return general(
        lambda x: 0.5 * x**2 + 0.2 * x**3 + 0.15 * x**4,
        lambda x, w: noise * (1 + 0.4 * jnp.sin(x)) * w[0],
        1,
        start=0.7,
    )


def _observables(problem: AbstractProblem, route: str) -> dict[str, Callable]:
    if route in ("moments", "ordinary equation"):
        return {"x₀": lambda x: x[0], "x₀²": lambda x: x[0] ** 2, "x₀x₁": lambda x: x[0] * x[1], "loss": problem.loss}
    return {"x": lambda x: x, "x²": lambda x: x**2}


def regimes_of(rule: UpdateRule) -> tuple[Regime, ...]:
    """The regimes a rule comes with."""
    return tuple(rule.regimes()) if rule.regimes is not None else ()


def settings() -> Iterator[Setting]:
    """Every rule under every regime that a route without sampling serves, the cheap ones first."""
    point, place = np.array([1.0, -0.5]), 0.7
    linear = (optimizers.sgd(), optimizers.sgdm(), optimizers.heavy_ball(), optimizers.qhm())
    linear += tuple(optimizers.nesterov(form) for form in ("textbook", "full", "pytorch"))
    yield Setting(optimizers.gd(), Regime.noiseless(), "ordinary equation", point, 1.0, (8, 16, 32, 64, 128), 0.5, 1.0)
    for rule in linear:
        for regime in regimes_of(rule):
            # The small parameter η^grade falls from 1/64; at a grade of 1/4 that would be 10¹³ steps: from 1/√64 there.
            first = {1.0: 6, 0.5: 6}.get(float(regime.grade), 5)
            counts = [(2 if regime.grade == 1 else 4) ** k for k in range(first, first + 6)]
            unit = 0.1 if "momentum" in rule.hyperparameters else 0.5
            yield Setting(rule, regime, "moments", point, 1.0, counts, unit, 4.0)
    for rule in (optimizers.sign_gd(), optimizers.normalized_gd()):
        for regime in regimes_of(rule):
            if regime.noise_exponent is not None:
                yield Setting(rule, regime, "lattice", place, 1.0, (16, 32, 64, 128, 256), 0.25, 4.0)
    for regime in regimes_of(optimizers.sgd()):
        yield Setting(optimizers.sgd(), regime, "operators", place, 1.0, (10, 20, 40, 80, 160), 0.5, 5.0)
    for rule in linear[1:]:
        # Until ½: from 0.7 the leading error of E x² at order 2 nearly vanishes at t = 1, where that of QHM, SGDM and
        # heavy ball would be on its way through zero at learning rates from 1/32 to 1/256, and of no order.
        yield Setting(rule, rule.default_regime(), "operators", place, 0.5, (32, 64, 128, 256), 0.1, 8.0)
    warm = {"x": 0.7, "G": 1.0}
    for rule, start in (
        (optimizers.rmsprop(), warm),
        (optimizers.adagrad(), warm),
        (optimizers.adadelta(), {"x": 0.7, "G": 1.0, "s": 0.3}),
        (optimizers.adam(bias_correction=False), {**warm, "m": 0.4}),
        # Not from the first step: there the corrected averages are one gradient and its square, and the limit singular.
        (optimizers.adam(), {"x": 0.7, "m": 0.2, "G": 0.5, "k": 1.0}),
    ):
        for regime in regimes_of(rule):
            ballistic = regime.noise_scale == 1
            counts = (32, 64, 128, 256) if ballistic else (4, 16, 64, 256)
            # The noise of squared gradients goes with the square of the noise: it must be felt where it is order 2.
            noise = 0.8 if ballistic else 0.4
            # A step of a quarter on the clock is where the terms of the expansion are of one size.
            unit = 0.25 ** (1 / float(regime.clock_exponent))
            yield Setting(rule, regime, "operators", start, 0.5, counts, unit, 10.0 if len(start) < 3 else 30.0, noise)
