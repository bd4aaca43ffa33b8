"""The discrete and the continuous side of one question on the slow clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np
import sympy as sp
from jaxtyping import Array

from sde_momentum.compare.long_horizon._slow_process import AdaptiveFoot, AdaptiveIterates, LinearFoot, LinearIterates
from sde_momentum.compare.question._independent_steps import require_independent_steps
from sde_momentum.dynamics import Chain, chain
from sde_momentum.manifold import AdamSlowSDE, SlowSDE, adam_slow_sde, slow_sde
from sde_momentum.optimizers import adam, rmsprop
from sde_momentum.symbolic import (
    LEARNING_RATE,
    RELAXATION_RATE,
    Regime,
    UpdateRule,
    effective_learning_rate,
    hyperparameter,
    linear_rule,
)


@dataclass(frozen=True)
class LinearSetting:
    """One linear rule on one problem near its minimizers.

    Attributes:
        rule: the optimizer.
        problem: loss and noise.
        momentum_index: α.
        numbers: hyperparameters besides the learning rate, λ among them at an index above 0.
        codimension: number of normal directions, when known.
    """

    rule: UpdateRule
    problem: Any
    momentum_index: float
    numbers: Mapping[str, float]
    codimension: int | None

    @property
    def regime(self) -> Regime:
        """The slow clock and 1 − β = λη^α, in the rule's own learning rate."""
        return Regime.long_horizon(str(self.momentum_index))

    @property
    def buffered(self) -> bool:
        """Whether the momentum index concerns this rule."""
        return bool(set(self.regime.scalings) & set(self.rule.hyperparameters))

    @property
    def takes(self) -> set[str]:
        """Names of the numbers that this rule takes, besides the learning rate."""
        wanted = {*self.rule.hyperparameters} - {*self.regime.scalings, str(LEARNING_RATE)}
        return wanted | ({str(RELAXATION_RATE)} if self.buffered else set())

    @property
    def own_numbers(self) -> dict[str, float]:
        """Those that this rule takes, so that one set of numbers serves several rules."""
        return {name: value for name, value in self.numbers.items() if name in self.takes}

    @cached_property
    def effective_rate(self) -> sp.Expr:
        """η_e as a multiple of the rule's own learning rate, in numbers."""
        scalings = {hyperparameter(k): v for k, v in self.regime.scalings.items()}
        numbers = {hyperparameter(name): sp.Float(value) for name, value in self.own_numbers.items()}
        ratio = sp.simplify(effective_learning_rate(self.rule).subs(scalings) / LEARNING_RATE).subs(numbers)
        if ratio.free_symbols:
            raise ValueError(
                f"rule `{self.rule.name}`: its effective learning rate is {ratio} of its own; give the numbers it "
                "needs by keyword, and from index α > 0 use a rule in EMA form"
            )
        return ratio

    def check(self, learning_rates: Iterable[float] = ()) -> None:
        """Refuse what has no slow equation, or numbers out of range at a learning rate, before anything costs time."""
        _ = self.slow(), self.effective_rate
        for rate in learning_rates:
            self.chain(float(rate))

    def chain(self, learning_rate: float) -> Chain:
        """The optimizer at an effective learning rate, on the clock τ = kη_e²."""
        ratio = self.effective_rate
        regime = Regime(self.regime.name, clock=(ratio * LEARNING_RATE) ** 2, scalings=self.regime.scalings)
        own = learning_rate / float(ratio)
        return chain(self.rule, self.problem, regime=regime, learning_rate=own, **self.own_numbers)

    def slow(self) -> SlowSDE:
        """Its slow equation."""
        index = float(self.momentum_index) if self.buffered else 0
        rate = self.numbers.get(str(RELAXATION_RATE)) if index == 1 else None
        return slow_sde(
            self.problem, self.rule, momentum_index=index, relaxation_rate=rate, codimension=self.codimension
        )

    def process(self, learning_rate: float, variables: int = 1) -> LinearIterates:
        """The rule as matrices with at least so many variables."""
        one = self.chain(learning_rate)
        numbers = {hyperparameter(n): sp.Float(float(v)) for n, v in one.hyperparameters.items()}
        rule = linear_rule(self.rule)
        size = len(self.rule.state)
        missing = max(variables - size, 0)

        def padded(matrix: Any, *axes: int) -> Array:
            values = np.array(sp.Matrix(matrix).subs(numbers).tolist(), float)
            return jnp.asarray(np.pad(values, [(0, missing if axis in axes else 0) for axis in range(2)]))

        begin = [1.0, *(float(name in self.rule.start) for name in self.rule.state[1:]), *[0.0] * missing]
        return LinearIterates(
            self.problem,
            padded(rule.transition, 0, 1),
            padded(rule.response, 0)[:, 0],
            padded(rule.look, 0)[:, 0],
            padded(rule.conserved, 1)[0],
            jnp.asarray(begin),
            jnp.asarray(one.step_time, float),
        )

    def foot(self, process: LinearIterates) -> LinearFoot:
        """Where its iterates stand on Γ."""
        del process
        return LinearFoot(self.problem, self.codimension)

    @property
    def exponents(self) -> tuple[float, float]:
        """The powers of η in the weak error, as far as only α is known: the lowest, and how far away the next one is.

        η from the discrete steps; η^{|1−α|} and its square from the fluctuations at the rate at hand, which are those
        of the limit at α = 1; above it η^{2−α} from the momentum that is left in the iterates.
        """
        index = float(self.momentum_index) if self.buffered else 0.0
        if index in (0.0, 1.0):
            return 1.0, 1.0
        powers = {1.0, abs(1 - index), 2 * abs(1 - index)} | ({2 - index} if index > 1 else set())
        first, second = sorted(powers)[:2]
        return first, second - first


@dataclass(frozen=True)
class AdaptiveSetting:
    """Adam or RMSProp on one problem near its minimizers, with 1 − β₂ = cη².

    Attributes:
        rule: the optimizer.
        problem: loss and noise.
        numbers: `decay_rate` c, `eps` and `beta1` where the rule has them.
        codimension: number of normal directions, when known.
        exponents: powers of η in the weak error: the lowest, and how far away the next one is.
    """

    rule: UpdateRule
    problem: Any
    numbers: Mapping[str, float]
    codimension: int | None
    exponents: tuple[float, float] = (1.0, 1.0)

    @property
    def decay(self) -> str:
        """The hyperparameter that forgets squares."""
        return "beta2" if "beta2" in self.rule.hyperparameters else "decay"

    @property
    def regime(self) -> Regime:
        """The slow clock, with second moments that move on it."""
        decay = 1 - hyperparameter("decay_rate") * LEARNING_RATE**2
        return Regime("long-horizon, adaptive", clock=LEARNING_RATE**2, scalings={self.decay: decay})

    @property
    def takes(self) -> set[str]:
        """Names of the numbers that this rule takes, besides the learning rate."""
        return ({*self.rule.hyperparameters} - {self.decay, str(LEARNING_RATE)}) | {"decay_rate"}

    def check(self, learning_rates: Iterable[float] = ()) -> None:
        """Refuse what has no slow equation, or numbers out of range at a learning rate, before anything costs time.

        Raises:
            ValueError: c is missing.
        """
        if "decay_rate" not in self.numbers:
            raise ValueError(f"rule `{self.rule.name}` needs `decay_rate`, the number c in 1 − {self.decay} = cη².")
        _ = self.slow()
        for rate in learning_rates:
            self.chain(float(rate))

    def chain(self, learning_rate: float) -> Chain:
        """The optimizer at a learning rate, on the clock τ = kη²."""
        wanted = self.takes & set(self.numbers)
        own = {"eps": 0.0} | {name: self.numbers[name] for name in wanted}
        return chain(self.rule, self.problem, regime=self.regime, learning_rate=learning_rate, **own)

    def slow(self) -> AdamSlowSDE:
        """Its slow equation."""
        return adam_slow_sde(
            self.problem,
            self.numbers["decay_rate"],
            epsilon=self.numbers.get("eps", 0.0),
            bias_correction="k" in self.rule.state,
            codimension=self.codimension,
        )

    def process(self, learning_rate: float, variables: int = 1) -> AdaptiveIterates:
        """The optimizer with the start of its second moments."""
        del variables
        return AdaptiveIterates(self.chain(learning_rate), "G", "k" if "k" in self.rule.state else None)

    def foot(self, process: AdaptiveIterates) -> AdaptiveFoot:
        """Where its iterates stand on Γ."""
        return AdaptiveFoot(self.slow(), process)


def slow_setting(
    rule: UpdateRule, problem: Any, momentum_index: float, numbers: Mapping[str, float], codimension: int | None
) -> LinearSetting | AdaptiveSetting:
    """The setting of a rule: adaptive for Adam and RMSProp with ε outside the root, else linear or refused."""
    require_independent_steps(problem, "the slow equation")
    if any(rule.update == known.update for known in (adam(), adam(bias_correction=False), rmsprop())):
        return AdaptiveSetting(rule, problem, numbers, codimension)
    return LinearSetting(rule, problem, momentum_index, numbers, codimension)
