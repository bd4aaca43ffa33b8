"""One question to every route of comparison: which rule, which limit, on what, from where, until when."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from sde_momentum.dynamics import SDE, Chain, chain, sde
from sde_momentum.problems import AbstractProblem
from sde_momentum.symbolic import Limit

Observable = Callable[[PyTree[Array]], Array]
State = dict[str, PyTree[Array]]


class Measured(NamedTuple):
    """Signed weak errors, chain minus limit, each of shape `(learning_rates, observables)`.

    Attributes:
        errors: of expected observables.
        deviations: standard errors, or residuals of a deterministic computation; zero where exact.
        bias: of the limit's discretization, zero where there is none.
        bias_deviations: standard errors of the bias.
    """

    errors: np.ndarray
    deviations: np.ndarray
    bias: np.ndarray
    bias_deviations: np.ndarray

    @classmethod
    def exact(cls, errors: np.ndarray, deviations: np.ndarray | None = None) -> "Measured":
        """Errors without sampling."""
        zero = np.zeros_like(errors)
        return cls(errors, zero if deviations is None else deviations, zero, zero)


@dataclass(frozen=True, eq=False)
class Question:
    """What is compared; a route answers it for the limit and for perturbed ones.

    Attributes:
        limit: a limit of order p; its rule and regime are the chain's.
        problem: loss and noise.
        start: variable → value at the start, in the limit's variables; the parameters are needed, others start at zero.
        t1: end, on the regime's clock.
        learning_rates: strictly decreasing.
        observables: name → function of the parameters, one number.
        hyperparameters: numbers besides the learning rate.
        learning_rate_unit: natural unit of the learning rate, for the prior on the remainder.
    """

    limit: Limit
    problem: AbstractProblem
    start: Mapping[str, Any]
    t1: float
    learning_rates: Sequence[float]
    observables: Mapping[str, Observable]
    hyperparameters: Mapping[str, float] = field(default_factory=dict)
    learning_rate_unit: float = 1.0

    @property
    def parameters(self) -> str:
        """Name of the parameters in the state."""
        return self.limit.rule.state[0]

    @property
    def x0(self) -> PyTree[Any]:
        """Parameters at the start."""
        return self.start[self.parameters]

    @property
    def claimed_order(self) -> float:
        """The power of the learning rate that the limit promises."""
        return self.limit.order * float(self.limit.regime.grade)

    def chain(self, learning_rate: float, problem: AbstractProblem | None = None) -> Chain:
        """The optimizer at one learning rate."""
        numbers = self.hyperparameters | {"learning_rate": learning_rate}
        return chain(self.limit.rule, problem or self.problem, regime=self.limit.regime, **numbers)

    def sde(self, learning_rate: float, problem: AbstractProblem | None = None) -> SDE:
        """The limit at one learning rate."""
        return sde(self.limit, problem or self.problem, learning_rate=learning_rate, **self.hyperparameters)

    def chain_start(self, process: Chain, learning_rate: float) -> State:
        """The chain's state at the start: the given values in the optimizer's own units."""
        state = dict(process.init(self.x0))
        numbers = {"learning_rate": learning_rate, **self.hyperparameters}
        for name, value in self.start.items():
            scale = self.limit.regime.state_scales.get(name)
            factor = 1.0 if scale is None else float(scale.subs({s: numbers[str(s)] for s in scale.free_symbols}))
            state[name] = jax.tree.map(
                lambda given, like, c=factor: _like(c * jnp.asarray(given), like), value, state[name]
            )
        return state

    def sde_start(self, process: SDE) -> State:
        """The limit's state at the start, shifted where the limit says so."""
        state = dict(process.init(self.x0))
        for name, value in self.start.items():
            if name != self.parameters and name in state:
                state[name] = jax.tree.map(lambda given, like: _like(jnp.asarray(given), like), value, state[name])
        return state

    def steps(self, process: Chain) -> int:
        """How many steps of the optimizer t1 is.

        Raises:
            ValueError: t1 is not a whole number of steps.
        """
        count = self.t1 / float(process.step_time)
        if round(count) < 1 or abs(count - round(count)) > 1e-6 * max(count, 1):
            raise ValueError(
                f"t1 = {self.t1} is {count:.6g} steps of length {float(process.step_time):.6g}: choose learning rates "
                "that divide it"
            )
        return round(count)


def _like(value: Array, like: Array) -> Array:
    return jnp.broadcast_to(value, jnp.shape(like)).astype(jnp.result_type(like))
