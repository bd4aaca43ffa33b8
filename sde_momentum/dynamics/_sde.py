"""The continuous twin: a limit with a problem and numbers."""

from dataclasses import replace
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import sympy as sp
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.dynamics._field_values import FIELD_ARGUMENTS, problem_dimension
from sde_momentum.dynamics._fused import Fused, fuse
from sde_momentum.dynamics._hyperparameters import checked, names_in, number, require_problem
from sde_momentum.dynamics._joint_noise import needs, noise_components, require_components, without_vanishing
from sde_momentum.dynamics._lowering import evaluate, numbers
from sde_momentum.dynamics._noise_assumptions import law_caveats
from sde_momentum.dynamics._schedules import Schedule, coefficients_at, split_schedules
from sde_momentum.dynamics._start import full_start
from sde_momentum.problems import AbstractProblem
from sde_momentum.symbolic import Limit, NoDiffusion, TensorExpression, function_expression, scalar_expression

State = dict[str, PyTree[Array]]


class SDE(eqx.Module):
    r"""The Itô equation of a limit on a problem, $dZ = b(Z)\,dt + B(Z)\,dW$; make one with `sde`.

    Attributes:
        problem: loss and gradient noise.
        drift_numbers: variable → coefficients of the drift's terms, arrays, so that another learning rate does not
            compile again.
        factor_numbers: the same for B.
        shift_numbers: the same for the initial shift.
        counters: variable that counts steps → one step in the limit's scale.
        constants: hyperparameters in elementwise functions → numbers.
        step_time: time per step of the optimizer, on the regime's clock; a natural step for the equation.
        limit: the derived equation.
        schedules: name → function of time, for what the regime schedules; `at` gives the coefficients of one time.
        beside_schedules: the hyperparameters that are not scheduled, as (name, number), where something is.
    """

    problem: AbstractProblem
    drift_numbers: dict[str, Any]
    factor_numbers: dict[str, Any]
    shift_numbers: dict[str, Any]
    counters: dict[str, Any]
    constants: dict[str, Any]
    step_time: Any
    limit: Limit = eqx.field(static=True)
    schedules: tuple[tuple[str, Schedule], ...] = eqx.field(static=True, default=())
    beside_schedules: tuple[tuple[str, float], ...] = eqx.field(static=True, default=())

    def at(self, t: ArrayLike) -> "SDE":
        """Return the equation with the coefficients of time t; itself where nothing is scheduled."""
        if not self.schedules:
            return self
        functions, constants = dict(self.schedules), dict(self.beside_schedules)
        drift, factor = (
            coefficients_at(part, constants, functions, t) for part in (self.limit.drift, self.limit.factor)
        )
        return replace(self, drift_numbers=drift, factor_numbers=factor, schedules=())

    @property
    def noise_dim(self) -> int:
        """Number of components of W: the columns of S, and more where the limit has the noise of squared gradients."""
        return noise_components(self.problem, needs(self.limit.factor.values()))

    def init(self, x0: PyTree[ArrayLike]) -> State:
        """Return the state at t = 0: x0 with the limit's initial shift, and every other variable zero.

        Counters of steps start at one step, the number of the first. To start other variables elsewhere, give a dict
        with a value for every variable of the limit, in the limit's scale.
        """
        given = full_start(x0, self.limit.variables)
        if given is not None:
            return given
        first, *others = self.limit.variables
        x = jax.tree.map(jnp.asarray, x0)
        state = {first: x, **{name: jax.tree.map(jnp.zeros_like, x) for name in others}}
        for name, one in self.counters.items():
            state[name] = jax.tree.map(lambda leaf, n=one: jnp.full_like(leaf, n), x)
        shifted = dict(state)
        for name, expression in self.limit.initial_shift.items():
            values = {**self.constants, **state}
            shift = evaluate(expression, self.shift_numbers[name], self.problem, values, first)
            shifted[name] = jax.tree.map(jnp.add, state[name], shift)
        return shifted

    def drift(self, t: ArrayLike, state: State, args: Any) -> State:
        """Return b(z), variable → pytree."""
        del args
        parameters, values = self.limit.variables[0], {**self.constants, **state}
        coefficients = self.at(t).drift_numbers
        return {
            name: evaluate(self._drift(name), coefficients.get(name, ()), self.problem, values, parameters)
            for name in self.limit.variables
        }

    def noise_product(self, t: ArrayLike, state: State, args: Any, w: Float[ArrayLike, " noise_dim"]) -> State:
        """Return B(z) w, variable → pytree."""
        del args
        w, parameters, values = jnp.asarray(w), self.limit.variables[0], {**self.constants, **state}
        coefficients = self.at(t).factor_numbers
        return {
            name: evaluate(self._factor(name), coefficients.get(name, ()), self.problem, values, parameters, w)
            for name in self.limit.variables
        }

    def increment(
        self, t: ArrayLike, state: State, args: Any, dt: ArrayLike, dw: Float[ArrayLike, " noise_dim"]
    ) -> State:
        """Return b dt + B dw; −∇L dt and S dW share one weighted backward pass."""
        del args
        now = self.at(t)
        parts: dict[str, Fused] = {name: fuse(self._drift(name), self._factor(name)) for name in self.limit.variables}
        return {name: part.increment(now, name, state, dt, jnp.asarray(dw)) for name, part in parts.items()}

    def terms(self, path: dfx.AbstractPath) -> dfx.MultiTerm:
        """Return plain diffrax terms for one replica: drift, and noise controlled by `path` of shape `(noise_dim,)`."""
        noise_like = jax.eval_shape(lambda: path.evaluate(path.t0, path.t1))

        def noise(t: Any, state: State, args: Any) -> lx.AbstractLinearOperator:
            return lx.FunctionLinearOperator(lambda w: self.noise_product(t, state, args, w), noise_like)

        return dfx.MultiTerm(dfx.ODETerm(self.drift), dfx.ControlTerm(noise, path))

    def loss(self, state: State) -> Float[Array, ""]:
        """Return the loss at the parameters of a state."""
        return self.problem.loss(state[self.limit.variables[0]])

    def describe(self) -> dict[str, Any]:
        """Return what the process is, as plain data for provenance."""
        return {
            "kind": "sde",
            "limit": str(self.limit),
            "step_time": float(self.step_time),
            "caveats": list(self.caveats),
        }

    @property
    def caveats(self) -> tuple[str, ...]:
        """Assumptions of the limit that this problem does not meet."""
        found = law_caveats(self.problem, self.limit.regime.noise_law)
        scaled = self.limit.regime.cumulant_scales
        if 3 in scaled and self.problem.leading_cumulant == 3:
            found.append(
                "the limit needs a third cumulant of size " + str(scaled[3]) + ", but this problem's noise is skewed: "
                "the error is O(√η)"
            )
        if not self.problem.independent_steps:
            found.append("the limit needs independent steps, but this problem's noise is correlated between steps")
        return tuple(found)

    def _drift(self, name: str) -> TensorExpression:
        return self.limit.drift.get(name, TensorExpression())

    def _factor(self, name: str) -> TensorExpression:
        return self.limit.factor.get(name, TensorExpression())


def function_constants(limit: Limit) -> set[str]:
    """Names of the hyperparameters in a limit's elementwise functions."""
    expressions = [*limit.drift.values(), *limit.factor.values(), *limit.initial_shift.values()]
    nodes = [node for expression in expressions for graph, _ in expression for node in graph]
    functions = [read(node) for node in nodes for read in (function_expression, scalar_expression)]
    return names_in(*(f for f in functions if f is not None)) - set(limit.rule.state) - FIELD_ARGUMENTS


def sde(limit: Limit | NoDiffusion, problem: AbstractProblem, **hyperparameters: float) -> SDE:
    """Put a limit and a problem together.

    Args:
        limit: from `modified_equation`.
        problem: loss and gradient noise, of unit scale; σ is part of the limit.
        **hyperparameters: `learning_rate` and the others that the limit names, dimensionless numbers. Where the regime
            schedules the learning rate, `schedule` is the function φ of time in η φ(t), 1 if left out; other scheduled
            names take a function of time too.

    Returns:
        An `SDE`.

    Raises:
        ValueError: no such diffusion exists, a hyperparameter is missing, unknown or out of range, or the limit needs
            moments of the noise that the problem does not know.
        TypeError: a number stands where a function of time is needed, or the reverse.

    Example:
        >>> from sde_momentum import optimizers, problems
        >>> from sde_momentum.symbolic import modified_equation
        >>> limit = modified_equation(optimizers.sgdm(), order=2)
        >>> equation = sde(limit, problems.double_well(), learning_rate=0.05, momentum=0.9)
        >>> sorted(equation.init(0.5))
        ['x']
    """
    if isinstance(limit, NoDiffusion):
        raise ValueError(
            f"no diffusion of order {limit.order} describes `{limit.rule.name}` under the regime "
            f"`{limit.regime.name}`, so there is nothing to integrate; print the object to see the obstruction, or ask "
            "for a lower order."
        )
    if not isinstance(limit, Limit):
        raise TypeError(f"`limit` must come from `modified_equation`, got {type(limit).__name__}.")
    require_problem(problem)
    if limit.factor_gap:
        raise ValueError(
            f"this limit's covariance has no known factor, so it cannot be integrated: {limit.factor_gap}."
        )
    owner = f"the limit of `{limit.rule.name}`"
    schedules, hyperparameters = split_schedules(limit.regime, hyperparameters, owner)
    limit = without_vanishing(limit, problem)
    expressions = [*limit.drift.values(), *limit.factor.values(), *limit.initial_shift.values()]
    require_components(problem, needs(expressions))
    known = {name for name in limit.rule.hyperparameters if name not in limit.regime.scalings}
    # The constants of the regime, such as λ in 1 − β = λ η^α, are known though the limit may not depend on them.
    known |= names_in(limit.regime.noise_scale, limit.regime.clock, *limit.regime.scalings.values())
    known -= {*limit.regime.scalings, *schedules}
    needed = set(limit.hyperparameters) | function_constants(limit)
    wanted = ("learning_rate", *sorted((known | needed) - {"learning_rate", *schedules}))
    # A hyperparameter of the rule that the limit does not depend on may be given, so that twins take the same numbers.
    optional = known - needed
    given = {**dict.fromkeys(optional, 0.0), **hyperparameters}
    values = checked(given, wanted, owner)
    if any("dimension" in names_in(*expression.free_symbols) for expression in expressions):
        values["dimension"] = problem_dimension(problem, limit.rule.name)
    if schedules:
        of = lambda expressions: coefficients_at(expressions, values, schedules, 0.0)
    else:
        of = lambda expressions: {name: np.asarray(numbers(e, values)) for name, e in expressions.items()}
    return SDE(
        problem=problem,
        drift_numbers=of(limit.drift),
        factor_numbers=of(limit.factor),
        shift_numbers=of(limit.initial_shift),
        counters={
            name: np.asarray(1 / number(limit.regime.state_scales.get(name, sp.S.One), values))
            for name in limit.variables
            if limit.rule.update[name] - sp.Symbol(name, real=True) == 1
        },
        constants={name: np.asarray(values[name]) for name in sorted(function_constants(limit))},
        step_time=np.asarray(number(limit.regime.clock, values)),
        limit=limit,
        schedules=tuple(schedules.items()),
        beside_schedules=tuple(values.items()) if schedules else (),
    )
