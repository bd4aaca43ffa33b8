"""The discrete and the continuous side of one question on the slow clock."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare._slow_process import SlowVariable
from sde_momentum.dynamics import Chain, chain
from sde_momentum.manifold import ManifoldPoint, Outcome, SlowSDE, flow_projection, inspect_point, limit_map, slow_sde
from sde_momentum.symbolic import (
    LEARNING_RATE,
    RELAXATION_RATE,
    Regime,
    UpdateRule,
    effective_learning_rate,
    hyperparameter,
    linear_rule,
)

Observable = Callable[[PyTree[Array]], Array]


@dataclass(frozen=True)
class SlowSetting:
    """One rule on one problem near its minimizers.

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
    def own_numbers(self) -> dict[str, float]:
        """Those that this rule takes, so that one set of numbers serves several rules."""
        scaled = Regime.long_horizon(str(self.momentum_index)).scalings
        wanted = {name for name in self.rule.hyperparameters if name not in scaled}
        if set(scaled) & set(self.rule.hyperparameters):
            wanted.add(str(RELAXATION_RATE))
        return {name: value for name, value in self.numbers.items() if name in wanted}

    @cached_property
    def effective_rate(self) -> sp.Expr:
        """η_e as a multiple of the rule's own learning rate, in numbers."""
        scalings = {hyperparameter(k): v for k, v in Regime.long_horizon(str(self.momentum_index)).scalings.items()}
        numbers = {hyperparameter(name): sp.Float(value) for name, value in self.own_numbers.items()}
        ratio = sp.simplify(effective_learning_rate(self.rule).subs(scalings) / LEARNING_RATE).subs(numbers)
        if ratio.free_symbols:
            raise ValueError(
                f"rule `{self.rule.name}`: its effective learning rate is {ratio} of its own; give the numbers it "
                "needs by keyword, and from index α > 0 use a rule in EMA form"
            )
        return ratio

    def chain(self, learning_rate: float) -> Chain:
        """The optimizer at an effective learning rate, on the clock τ = kη_e²."""
        ratio = self.effective_rate
        regime = Regime.long_horizon(str(self.momentum_index))
        regime = Regime(regime.name, clock=(ratio * LEARNING_RATE) ** 2, scalings=regime.scalings)
        own = learning_rate / float(ratio)
        return chain(self.rule, self.problem, regime=regime, learning_rate=own, **self.own_numbers)

    def slow(self) -> SlowSDE:
        """Its slow equation."""
        index = float(self.momentum_index)
        buffered = len(self.rule.state) > 1
        return slow_sde(
            self.problem,
            self.rule,
            momentum_index=index if buffered else 0,
            relaxation_rate=self.numbers.get(str(RELAXATION_RATE)) if index == 1 and buffered else None,
            codimension=self.codimension,
        )

    @cached_property
    def projection(self) -> Callable[[PyTree[Array]], PyTree[Array]]:
        """Φ, the problem's own where it has one."""
        own = getattr(self.problem, "limit_map", None)

        def project(x: PyTree[Array]) -> PyTree[Array]:
            if own is not None:
                return own(x)
            flat, unravel = ravel_pytree(x)
            loss = lambda z: self.problem.loss(unravel(z))
            return unravel(flow_projection(loss, flat, codimension=self.codimension))

        return project

    def process(self, learning_rate: float) -> SlowVariable:
        """The chain with the combination of its state that moves slowly."""
        chain = self.chain(learning_rate)
        numbers = {hyperparameter(n): sp.Float(float(v)) for n, v in chain.hyperparameters.items()}
        weights = [float(w.subs(numbers)) for w in linear_rule(self.rule).conserved]
        return SlowVariable(chain, jnp.asarray(weights))

    def start(self, x0: PyTree[Array]) -> tuple[PyTree[Array], ManifoldPoint]:
        """Φ(x₀) and what is known about it.

        Raises:
            RuntimeError: no manifold of minimizers passes there.
        """
        flat, unravel = ravel_pytree(x0)
        loss = lambda z: self.problem.loss(unravel(z))
        x = flat if not hasattr(self.problem, "limit_map") else ravel_pytree(self.problem.limit_map(x0))[0]
        point = eqx.filter_jit(lambda z: inspect_point(loss, z, codimension=self.codimension))(x)
        code = point.code
        if Outcome(int(code)) is Outcome.NOT_STATIONARY:
            limit = limit_map(loss, x, codimension=self.codimension)
            x, point, code = limit.x, limit.point, limit.code
        if Outcome(int(code)) is not Outcome.ON_MANIFOLD:
            raise RuntimeError(f"x0 leads to no manifold of minimizers: {Outcome(int(code)).message}")
        return unravel(x), point


def has_tangent_noise(slow: SlowSDE, start: PyTree[Array]) -> bool:
    """Whether P S ≠ 0 at the start, up to rounding."""

    @eqx.filter_jit
    def sizes(state):
        flat = lambda tree: ravel_pytree(tree)[0]
        columns = jnp.eye(slow.noise_dim, dtype=flat(state).dtype)
        along = jax.vmap(lambda w: flat(slow.noise_product(0.0, state, None, w)))(columns)
        whole = jax.vmap(lambda w: flat(slow.problem.noise_product(state["x"], w)))(columns)
        return jnp.linalg.norm(along), jnp.linalg.norm(whole)

    along, whole = (float(size) for size in sizes({"x": start}))
    if not math.isfinite(whole):
        raise ValueError(
            "the noise is not defined on the manifold: noise_product is not finite at Φ(x0), so no slow equation can "
            "be compared there; check the problem's noise where the loss is smallest"
        )
    return along > 1e-6 * whole


def slow_flow(
    slow: SlowSDE, start: PyTree[Array], times: Sequence[float], observables: Mapping[str, Observable], steps: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """The observables along the slow equation without noise, and their error; (times, observables) each.

    Classical Runge–Kutta steps, `steps` of them between two times and then twice as many; the difference measures the
    error. One program serves both, and the drift stands in it once.
    """

    @eqx.filter_jit
    def solve(state, ends, count):
        def segment(carry, end):
            begin, current = carry
            step = (end - begin) / count
            advance = lambda j, z: _runge_kutta(slow, begin + j * step, z, step)
            current = slow.retract(jax.lax.fori_loop(0, count, advance, current))
            return (end, current), jnp.stack([f(current["x"]) for f in observables.values()])

        return jax.lax.scan(segment, (jnp.zeros_like(ends[0]), state), ends)[1]

    ends = jnp.asarray(times, ravel_pytree(start)[0].dtype)
    rough, fine = (np.asarray(solve({"x": start}, ends, jnp.asarray(n))) for n in (steps, 2 * steps))
    return fine, (fine - rough) / 15


def _runge_kutta(slow: SlowSDE, t: Array, state: dict[str, PyTree[Array]], step: Array) -> dict[str, PyTree[Array]]:
    """One step of the classical method, as a loop over its stages so that the drift is compiled once."""
    flat, unravel = ravel_pytree(state)
    nodes, weights = jnp.array([0.0, 0.5, 0.5, 1.0], flat.dtype), jnp.array([1.0, 2.0, 2.0, 1.0], flat.dtype) / 6

    def stage(carry, node_weight):
        slope, total = carry
        node, weight = node_weight
        slope = ravel_pytree(slow.drift(t + node * step, unravel(flat + node * step * slope)))[0]
        return (slope, total + weight * slope), None

    zero = jnp.zeros_like(flat)
    return unravel(flat + step * jax.lax.scan(stage, (zero, zero), (nodes, weights))[0][1])


def normal_spectrum(problem: Any, count: int) -> Observable:
    """The `count` largest eigenvalues of the Hessian, ascending, as an observable."""

    def spectrum(x: PyTree[Array]) -> Array:
        flat, unravel = ravel_pytree(x)
        return jnp.linalg.eigvalsh(jax.hessian(lambda z: problem.loss(unravel(z)))(flat))[-count:]

    return spectrum


def values_at(observables: Mapping[str, Observable], x: PyTree[Array]) -> np.ndarray:
    """The observables at a point, by one program.

    Raises:
        ValueError: there is none, or one is not a single finite number.
    """
    if not observables:
        raise ValueError("`observables` is empty; leave it out for the trace of the Hessian.")
    values = _evaluate(tuple(observables.values()), x)
    for name, value in zip(observables, values, strict=True):
        if value.shape != () or not bool(jnp.isfinite(value)):
            raise ValueError(f"observable `{name}` must be one finite number a replica, got {value} at {x}")
    return np.asarray(values)


@eqx.filter_jit
def _evaluate(functions: tuple[Observable, ...], x: PyTree[Array]) -> list[Array]:
    return [jnp.asarray(function(x)) for function in functions]
