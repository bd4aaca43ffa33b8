"""What is compared with what: a rule and its limit on a problem, without the learning rate."""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare.question._independent_steps import require_independent_steps
from sde_momentum.compare.question._observables import Observable, check_observables, default_observables
from sde_momentum.compare.question._start_values import checked_start
from sde_momentum.compare.question._times import checked_times, whole_steps
from sde_momentum.dynamics import SDE, Chain, chain, sde
from sde_momentum.dynamics._hyperparameters import require_problem
from sde_momentum.dynamics._schedules import require_schedules_until
from sde_momentum.dynamics._start import full_start
from sde_momentum.problems import AbstractProblem
from sde_momentum.symbolic import Limit, NoDiffusion, UpdateRule, require_rule


class Question:
    """A rule and its limit on a problem, from one start, at some instants, for some observables.

    Args:
        rule: the optimizer.
        limit: its limit.
        problem: loss and noise.
        x0: parameters at the start, or a dict with the start of every variable of the limit.
        saves: None for t1 only, a number n for the times t1 j/n, or increasing times that end with t1.
        t1: end, in units of the regime's clock; infinite for the stationary law.
        observables: name → function of the parameters; None for the usual ones.
        hyperparameters: numbers besides the learning rate.

    Raises:
        ValueError: the limit is not one of the rule, an observable or a time has no meaning, or steps are dependent.
    """

    def __init__(
        self,
        rule: UpdateRule,
        limit: Limit,
        problem: AbstractProblem,
        x0: PyTree[Any],
        *,
        t1: float,
        saves: int | Sequence[float] | None = None,
        observables: Mapping[str, Observable] | None = None,
        hyperparameters: Mapping[str, float] | None = None,
    ):
        require_rule(rule)
        require_problem(problem)
        if isinstance(limit, NoDiffusion):
            raise ValueError(
                f"`limit` is a statement that no diffusion of this order exists, so nothing is compared: {limit}"
            )
        if not isinstance(limit, Limit) or limit.rule != rule:
            raise ValueError(f"`limit` was not derived from the rule `{rule.name}`; use modified_equation(rule, …).")
        require_independent_steps(problem, "a diffusion limit")
        self.rule, self.limit, self.problem = rule, limit, problem
        self.x0 = checked_start(x0, limit.variables, problem)
        self.times = checked_times(t1, saves)
        given = default_observables(problem) if observables is None else observables
        self.observables = check_observables(given, self.parameters_at_start)
        self.hyperparameters = dict(hyperparameters or {})
        if not math.isinf(self.t1):
            require_schedules_until(limit.regime, self.hyperparameters, self.t1)
        self.change: Callable[[SDE], SDE] | None = None

    @property
    def t1(self) -> float:
        """The last of the times."""
        return self.times[-1]

    @property
    def parameters_at_start(self) -> PyTree[Array]:
        """Where the parameters start, without the other variables."""
        full = full_start(self.x0, self.limit.variables)
        return self.x0 if full is None else full[self.parameters]

    @property
    def parameters(self) -> str:
        """Name of the parameters in the state."""
        return self.rule.state[0]

    @property
    def claimed_order(self) -> float:
        """The power of the learning rate that the limit promises."""
        return self.limit.order * float(self.limit.regime.grade)

    def chain(self, learning_rate: float, problem: AbstractProblem | None = None) -> Chain:
        """The optimizer at one learning rate, on the problem or on another one."""
        problem = self.problem if problem is None else problem
        return chain(self.rule, problem, regime=self.limit.regime, learning_rate=learning_rate, **self.hyperparameters)

    def sde(self, learning_rate: float, problem: AbstractProblem | None = None) -> SDE:
        """The limit at one learning rate, changed where the question is one of `with_change`."""
        problem = self.problem if problem is None else problem
        equation = sde(self.limit, problem, learning_rate=learning_rate, **self.hyperparameters)
        return equation if self.change is None else self.change(equation)

    def steps(self, step_time: float) -> list[int]:
        """The times in steps."""
        return [whole_steps(time, step_time, "t1" if time == self.t1 else "a time of `saves`") for time in self.times]

    def with_change(self, change: Callable[[SDE], SDE]) -> "Question":
        """The same question about another equation: `change` replaces numbers in the limit's, and nothing else."""
        twin = copy(self)
        twin.change = change
        return twin

    def in_double_precision(self) -> "Question":
        """The same question with every number of problem and start in float64; 64-bit JAX must be on."""
        twin = copy(self)
        twin.problem, twin.x0 = _double(self.problem), _double(self.x0)
        return twin


def raveled(state: PyTree[Array]) -> np.ndarray:
    """A state as one vector."""
    return np.asarray(ravel_pytree(state)[0])


def parameter_columns(state: dict[str, PyTree[Array]], parameters: str) -> np.ndarray:
    """Positions of the parameters in the raveled state."""
    marks = {
        name: jax.tree.map(lambda leaf, on=name == parameters: jnp.full(jnp.shape(leaf), float(on)), value)
        for name, value in state.items()
    }
    return np.flatnonzero(raveled(marks))


def _double(tree: PyTree[Any]) -> PyTree[Any]:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64) if eqx.is_inexact_array(leaf) else leaf, tree)
