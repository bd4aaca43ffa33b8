"""The optimizer itself: an update rule with a problem and numbers."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.dynamics._expressions import componentwise
from sde_momentum.dynamics._field_values import with_norms
from sde_momentum.dynamics._hyperparameters import checked, names_in, number, regime_values, require_problem
from sde_momentum.dynamics._schedules import Schedule, split_schedules, value_at
from sde_momentum.dynamics._start import full_start
from sde_momentum.problems import AbstractProblem, CombinedDraws
from sde_momentum.symbolic import Regime, UpdateRule, hyperparameter, require_rule

State = dict[str, PyTree[Array]]


class Chain(eqx.Module):
    r"""An optimizer on a problem, $z_{k+1} = Z(z_k, g_k)$ with $g_k = \nabla L + \sigma\xi_k$; make one with `chain`.

    Attributes:
        problem: loss and gradient noise.
        hyperparameters: name → number, arrays without dimension, so that another value does not compile again.
        noise_scale: σ; the Python number 1 where the regime has unit noise, so that a minibatch needs no full gradient.
        state_scales: variable → the factor by which the regime scales it, where it does.
        step_time: time per step, on the regime's clock.
        rule: the update rule.
        regime: the scaling that gave σ and the clock.
        schedules: name → function of time, for what the regime schedules; `at` gives the numbers of one step.
        constants: the numbers that are not scheduled, as (name, number), where something is.
    """

    problem: AbstractProblem
    hyperparameters: dict[str, Any]
    noise_scale: Any
    state_scales: dict[str, Any]
    step_time: Any
    rule: UpdateRule = eqx.field(static=True)
    regime: Regime = eqx.field(static=True)
    schedules: tuple[tuple[str, Schedule], ...] = eqx.field(static=True, default=())
    constants: tuple[tuple[str, float], ...] = eqx.field(static=True, default=())

    def at(self, k: ArrayLike) -> "Chain":
        """Return the optimizer with the hyperparameters of step k; itself where nothing is scheduled."""
        if not self.schedules:
            return self
        values = _scheduled_values(
            self.rule, self.regime, dict(self.constants), dict(self.schedules), k * self.step_time
        )
        return replace(self, hyperparameters=values, schedules=())

    @property
    def draw(self):
        """What one step of the noise consumes, the problem's draw."""
        return self.problem.draw

    @property
    def noise_dim(self) -> int:
        """Number of columns of the noise factor."""
        return self.problem.noise_dim

    def init(self, x0: PyTree[ArrayLike]) -> State:
        """Return the state with parameters x0 and every other variable zero, or at x0 where the rule says so.

        To start other variables elsewhere, give a dict with a value for every state variable, in the scale of the
        limit: a variable v that the regime writes as s v̂ starts at s times what is given, from x0 where the rule
        starts it there. Parameters that are a dict with just these names are taken for such a start: nest them.
        """
        given = full_start(x0, self.rule.state)
        if given is not None:
            scales = {**dict.fromkeys(given, 1.0), **self.state_scales}
            state = {n: jax.tree.map(lambda leaf, s=scales[n]: leaf * s, value) for n, value in given.items()}
        else:
            x = jax.tree.map(jnp.asarray, x0)
            state = {self.rule.state[0]: x} | {n: jax.tree.map(jnp.zeros_like, x) for n in self.rule.state[1:]}
        moved = {name: jax.tree.map(jnp.add, state[name], state[origin]) for name, origin in self.rule.start.items()}
        return state | moved

    def in_limit_variables(self, state: State) -> State:
        """Return a state in the variables and the scale of the limit: the inverse of `init` of a full start."""
        apart = {n: jax.tree.map(jnp.subtract, state[n], state[origin]) for n, origin in self.rule.start.items()}
        found = {**state, **apart}
        return found | {n: jax.tree.map(lambda leaf, s=s: leaf / s, found[n]) for n, s in self.state_scales.items()}

    def gradient_point(self, state: State) -> PyTree[Array]:
        """Return the point where the rule takes its gradient."""
        return componentwise(self.rule.gradient_at, {**self.hyperparameters, **state})

    def step(self, k: ArrayLike, state: State, draw: PyTree[ArrayLike]) -> State:
        """Return the next state of one replica.

        Args:
            k: number of the step.
            state: variable → pytree.
            draw: one draw of the problem's noise.
        """
        now = self.at(k)
        point = now.gradient_point(state)
        gradient = self.problem.stochastic_gradient(point, draw, self.noise_scale)
        return now.update(state, gradient)

    def update(self, state: State, gradient: PyTree[Array]) -> State:
        """Return the next state, given the stochastic gradient at `gradient_point(state)`."""
        values = {**self.hyperparameters, **state, "g": gradient}
        update, norms = with_norms(self.rule.update, values)
        new = {name: componentwise(expression, {**values, **norms}) for name, expression in update.items()}
        return {n: jax.tree.map(lambda a, b: jnp.asarray(a, jnp.asarray(b).dtype), new[n], state[n]) for n in new}

    def loss(self, state: State) -> Float[Array, ""]:
        """Return the loss at the parameters of a state."""
        return self.problem.loss(state[self.rule.state[0]])

    def describe(self) -> dict[str, Any]:
        """Return what the process is, as plain data for provenance."""
        return {
            "kind": "chain",
            "rule": str(self.rule),
            "regime": str(self.regime),
            "hyperparameters": {name: float(value) for name, value in self.hyperparameters.items()},
            "noise_scale": float(self.noise_scale),
            "step_time": float(self.step_time),
        }


def _scheduled_values(rule: UpdateRule, regime: Regime, constants: dict, schedules: dict, t: ArrayLike) -> dict:
    """The rule's hyperparameters at time t, through the regime's scalings."""
    values = {}
    for name in rule.hyperparameters:
        expression = regime.scalings.get(name, hyperparameter(name))
        if name == "learning_rate" and "schedule" in schedules:
            expression = expression * hyperparameter("schedule")
        values[name] = value_at(expression, constants, schedules, t)
    return values


def _with_draws(rule: UpdateRule, problem: AbstractProblem, values: dict[str, float]) -> AbstractProblem:
    """The problem as the rule draws from it: once, or as a combination of two draws."""
    weights = [number(weight, values) for weight in rule.draw_weights]
    if len(weights) == 1:
        return problem
    if len(weights) > 2:
        raise ValueError(f"rule `{rule.name}` combines {len(weights)} draws a step; chains run rules with 1 or 2.")
    return CombinedDraws(problem, (np.asarray(weights[0]), np.asarray(weights[1])))


def chain(
    rule: UpdateRule, problem: AbstractProblem, *, regime: Regime | None = None, **hyperparameters: float
) -> Chain:
    """Put an update rule and a problem together.

    Args:
        rule: the optimizer.
        problem: loss and gradient noise, of unit scale; σ comes from the regime.
        regime: noise scale, clock and scalings; the rule's default when omitted. With `momentum` scaled as 1 − λ η^α
            the number to give is `relaxation_rate`, λ.
        **hyperparameters: `learning_rate` and the rule's others, dimensionless numbers; functions of the time t for
            what the regime schedules, with `schedule` for φ in the learning rate η φ(t).

    Returns:
        A `Chain`.

    Raises:
        ValueError: a hyperparameter is missing, unknown or out of range, or the regime is made for another rule.
        TypeError: `rule`, `regime` or `problem` is something else, or a number stands where a function of time is
            needed, or the reverse.

    Example:
        >>> from sde_momentum import optimizers, problems
        >>> process = chain(optimizers.sgdm(), problems.double_well(), learning_rate=0.05, momentum=0.9)
        >>> sorted(process.init(0.5))
        ['m', 'x']
    """
    require_rule(rule)
    require_problem(problem)
    regime = rule.default_regime() if regime is None else regime
    rule.require_suited(regime)
    owner = f"the chain of `{rule.name}`"
    schedules, hyperparameters = split_schedules(regime, hyperparameters, owner)
    free = {name for name in rule.hyperparameters if name not in regime.scalings}
    free |= names_in(regime.noise_scale, regime.clock, *regime.scalings.values()) - set(regime.scalings)
    wanted = ("learning_rate", *sorted(free - {"learning_rate", *schedules}))
    given = checked(hyperparameters, wanted, owner)
    if schedules:
        start = _scheduled_values(rule, regime, given, schedules, 0.0)
        values = {
            **given,
            **{name: float(value) for name, value in start.items()},
            "learning_rate": given["learning_rate"],
        }
    else:
        start = values = {**given, **regime_values(regime, given)}
    return Chain(
        problem=_with_draws(rule, problem, values),
        hyperparameters={name: np.asarray(start[name]) for name in rule.hyperparameters},
        noise_scale=1 if regime.noise_scale == 1 else np.asarray(number(regime.noise_scale, values)),
        state_scales={name: np.asarray(number(s, values)) for name, s in regime.state_scales.items()},
        step_time=np.asarray(number(regime.clock, values)),
        rule=rule,
        regime=regime,
        schedules=tuple(schedules.items()),
        constants=tuple(given.items()) if schedules else (),
    )
