"""The learning rate at which the terms of an expansion are of one size: where a step is no longer small."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from sde_momentum.compare.question._question import Question
from sde_momentum.dynamics import SDE, Chain

# States of more components have their fastest rate found by iteration, to a few percent.
_DENSE = 64
_ITERATIONS = 24
# Relaxation times after which what relaxes is gone.
_LASTS = 4.0
# Part of a study's learning rates at which the drift is that of its leading order.
_SMALL = 256.0
# Times at which schedules are looked at.
_TIMES = 9
# Squarings of the Jacobian: the norm of its power 2^k has forgotten its shape.
_SQUARINGS = 10


def natural_unit(question: Question, learning_rate: float) -> float:
    r"""The learning rate at which a step, with what the rule remembers, is as long as the limit's fastest relaxation.

    With ρ the spectral radius of the Jacobian of the limit's drift at the start (for SGD the largest curvature there;
    of an oscillation its frequency and its damping together, |λ/2 ± iω|), h(η) the clock's time per step and β the
    largest multiplier of the variables that the limit has eliminated, it solves
    $h(\eta)\,\rho\,n\,(1+\beta)/(1-\beta) = 1$, where β too may depend on η. Slower than 1/t₁ nothing is called.
    Errors of a relaxation grow with the time it has lasted, $e^{-\rho t}(1 + \eta\rho^2t + \dots)$, until it has died
    out: $n = \rho t_1$, between one and four. In this unit the ratios of an expansion's terms are of size one or less,
    over-, under- and critically damped alike, unless the leading coefficient happens to be small or has died out
    while the next one stays: then no unit is right, and the fit finds the errors not asymptotic. Where the regime
    schedules anything, the shortest of the units at some times counts: a warm-up starts with no step at all.

    Args:
        question: what is compared.
        learning_rate: one of those of the study; what is said of a small part of it is continued as a power of η.
    """
    small = learning_rate / _SMALL
    here, below = (_relaxations(question, rate) for rate in (small, small / 2))
    return float(small * here ** (-1 / math.log2(here / below))) if here else 1.0


def _relaxations(question: Question, learning_rate: float) -> float:
    """How many relaxations the memory of a step lasts, times those that count; zero where nothing moves."""
    process, equation = question.chain(learning_rate), question.sde(learning_rate)
    start, step_time = equation.init(question.x0), float(process.step_time)
    times = np.linspace(0, question.t1, _TIMES) if question.limit.regime.schedules else [0.0]
    sides = [(process.at(t / step_time), equation.at(t)) for t in times]
    return max(_counted(question, float(_fastest_rate(e, start)), _memory(p, e)) for p, e in sides) * step_time


def _counted(question: Question, speed: float, memory: float) -> float:
    """A rate, not slower than the study lasts, times what it has relaxed by and what the rule remembers."""
    slowest = 0.0 if math.isinf(question.t1) else 1 / question.t1
    speed = max(speed, slowest) if math.isfinite(speed) else slowest
    lasted = 1.0 if math.isinf(question.t1) else min(max(speed * question.t1, 1.0), _LASTS)
    return lasted * speed * memory


def _memory(process: Chain, equation: SDE) -> float:
    """(1 + β)/(1 − β) of the slowest variable that the limit does not have; 1 where it has them all."""
    if set(process.rule.state) <= set(equation.limit.variables):
        return 1.0
    # The rule acts component by component: one of them, at a gradient held at zero, shows its multipliers.
    names, zero = process.rule.state, jnp.zeros(len(process.rule.state))

    def still(z: jax.Array) -> jax.Array:
        moved = process.update(dict(zip(names, z, strict=True)), jnp.zeros(()))
        return jnp.stack([moved[name] for name in names])

    sizes = np.abs(np.linalg.eigvals(np.nan_to_num(np.asarray(jax.jacfwd(still)(zero)), nan=1.0)))
    fast = sizes[sizes < 1 - 1e-6]
    return float((1 + fast.max()) / (1 - fast.max())) if len(fast) else 1.0


@eqx.filter_jit
def _fastest_rate(equation: SDE, state: Any) -> jax.Array:
    """Spectral radius of the drift's Jacobian at a state."""
    flat, unravel = ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)), state))
    drift = lambda z: ravel_pytree(equation.drift(0.0, unravel(z), None))[0]
    if len(flat) <= _DENSE:
        # Gelfand: the norm of a high power, by squaring; complex eigenvalues are not found on every device.
        matrix, growth = jax.jacfwd(drift)(flat), jnp.zeros(())
        for k in range(_SQUARINGS):
            size = jnp.linalg.norm(matrix)
            safe = jnp.where(size > 0, size, 1.0)
            matrix, growth = (matrix / safe) @ (matrix / safe), growth + jnp.log(safe) / 2**k
            growth = jnp.where(size > 0, growth, -jnp.inf)
        return jnp.exp(growth)
    start = jnp.cos(jnp.arange(len(flat), dtype=flat.dtype))

    def iterate(carry: Any, _: None) -> Any:
        direction, _ = carry
        image = jax.jvp(drift, (flat,), (direction,))[1]
        size = jnp.linalg.norm(image)
        return (image / jnp.where(size > 0, size, 1.0), size), None

    first = (start / jnp.linalg.norm(start), jnp.zeros((), flat.dtype))
    return jax.lax.scan(iterate, first, None, length=_ITERATIONS)[0][1]
