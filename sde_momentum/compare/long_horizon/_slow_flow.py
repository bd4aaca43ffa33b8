"""A slow equation without noise: what is known about its start, its solution, and whether noise enters on the way."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.manifold import (
    AdamSlowSDE,
    ManifoldPoint,
    NoiseOutcome,
    NormalSpace,
    Outcome,
    SlowSDE,
    inspect_point,
    limit_map,
    normal_space,
    retract,
)

Observable = Callable[[PyTree[Array]], Array]


# Less of the noise than this is rounding; more is motion, which a flow would miss where normal noise moves nothing.
_NEGLIGIBLE = 1e-6
# Newton steps that return a point of the flow to Γ: its distance is the error of the flow, far below one.
_RETURNS = 3


def slow_start(problem: Any, x0: PyTree[Array], codimension: int | None) -> tuple[PyTree[Array], ManifoldPoint, bool]:
    """Φ(x₀), what is known about it, and whether the noise there has a part along Γ.

    Raises:
        RuntimeError: no manifold of minimizers passes there.
        ValueError: the noise is not finite there, or absent.
    """
    x, point, along, whole = _compiled(_inspected, problem, x0, codimension, True)
    code = point.code
    if Outcome(int(code)) is Outcome.NOT_STATIONARY:
        flat, unravel = ravel_pytree(x)
        limit = limit_map(lambda z: problem.loss(unravel(z)), flat, codimension=codimension)
        x, point, code = unravel(limit.x), limit.point, limit.code
        _, _, along, whole = _compiled(_inspected, problem, x, codimension, False)
    if Outcome(int(code)) is not Outcome.ON_MANIFOLD:
        raise RuntimeError(f"x0 leads to no manifold of minimizers: {Outcome(int(code)).message}")
    if not math.isfinite(whole):
        raise ValueError(
            "the noise is not defined on the manifold: noise_product is not finite at Φ(x0), so no slow equation can "
            "be compared there; check the problem's noise where the loss is smallest"
        )
    # Γ is met up to rounding, and so are the normal space and what vanishes on Γ.
    rounding = float(jnp.finfo(point.x.dtype).eps)
    if whole <= rounding * float(point.space.eigenvalues[-1]) * max(1.0, float(jnp.linalg.norm(point.x))):
        raise ValueError(f"there is no slow motion to compare: {NoiseOutcome.ABSENT.message}")
    return x, point, bool(along > _least(rounding) * whole)


def _least(rounding: float) -> float:
    """The part of the noise from which on it counts as one along Γ."""
    return max(_NEGLIGIBLE, 1e2 * rounding)


def _inspected(problem: Any, x0: PyTree[Array], codimension: int | None, move: bool):
    own = getattr(problem, "limit_map", None) if move else None
    x, unravel = ravel_pytree(x0 if own is None else own(x0))
    point = inspect_point(lambda z: problem.loss(unravel(z)), x, codimension=codimension)
    return unravel(x), point, *_noise_parts(problem, x, unravel, point.space)


def _noise_parts(problem: Any, x: Array, unravel: Callable, space: NormalSpace) -> tuple[Array, Array]:
    """The size of the noise along Γ, and that of all of it."""
    noise = lambda w: ravel_pytree(problem.noise_product(unravel(x), w))[0]
    factor = jax.vmap(noise, out_axes=1)(jnp.eye(problem.noise_dim, dtype=x.dtype))
    # Along ker H: ker H̃ of a preconditioned flow is orthogonal to the noise if and only if this is.
    along = jax.vmap(space.tangent, in_axes=1)(factor)
    return jnp.linalg.norm(along), jnp.linalg.norm(factor)


class SlowFlow(NamedTuple):
    """A slow equation solved without its noise.

    Attributes:
        values: the observables, (times, observables).
        bias: their error.
        noisy: whether the noise has a part along Γ somewhere on the way, so that the solution is none.
    """

    values: np.ndarray
    bias: np.ndarray
    noisy: bool


def slow_flow(
    slow: SlowSDE | AdamSlowSDE,
    start: dict[str, PyTree[Array]],
    times: Sequence[float],
    observables: Mapping[str, Observable],
    codimension: int,
    steps: int = 16,
) -> SlowFlow:
    """The observables along the slow equation without noise, their error, and whether it is without noise there.

    Classical Runge–Kutta steps, `steps` of them between two times and then twice as many; the difference measures the
    error. One program serves both, and the drift stands in it once. Noise that vanishes at the start, as by symmetry,
    may enter later, so it is looked at after each of the steps.

    Args:
        slow: the equation.
        start: its state at τ = 0.
        times: increasing slow times.
        observables: name → function of the parameters.
        codimension: number of normal directions.
        steps: Runge–Kutta steps between two times.
    """
    dtype = ravel_pytree(start)[0].dtype
    begins = np.concatenate([[0.0], np.asarray(times, float)[:-1]])
    ends = jnp.asarray(np.linspace(begins, times, steps + 1)[1:].T, dtype)
    functions = tuple(observables.values())
    rough, fine = (_compiled(_solved, slow, start, ends, jnp.asarray(count), functions) for count in (1, 2))
    values = np.asarray(fine[0])
    along, whole = map(np.asarray, _compiled(_noise_along, slow.problem, start["x"], fine[1], codimension))
    noisy = bool(np.any(along > _least(float(jnp.finfo(dtype).eps)) * whole))
    return SlowFlow(values, (values - np.asarray(rough[0])) / 15, noisy)


def _solved(slow: Any, start: Any, ends: Array, count: Array, functions: tuple[Observable, ...]):
    """The observables at the times, and the parameters after each step; `ends` is (times, steps)."""

    def segment(carry, end):
        begin, current = carry
        step = (end - begin) / count
        # Without a return to Γ, which would compile as long as the drift: what leaves Γ is the error of the steps.
        current = jax.lax.fori_loop(0, count, lambda j, z: _runge_kutta(slow, begin + j * step, z, step), current)
        return (end, current), current["x"]

    points = jax.lax.scan(segment, (jnp.zeros_like(ends[0, 0]), start), jnp.ravel(ends))[1]
    last = jax.tree.map(lambda leaf: leaf[ends.shape[1] - 1 :: ends.shape[1]], points)
    return jax.lax.map(lambda x: jnp.stack([f(x) for f in functions]), last), points


def _noise_along(problem: Any, start: PyTree[Array], points: PyTree[Array], codimension: int) -> tuple[Array, Array]:
    """The noise along Γ and all of it at the start of a flow and after its steps, returned to Γ."""
    _, unravel = ravel_pytree(start)
    loss = lambda z: problem.loss(unravel(z))

    def parts(x: PyTree[Array]) -> tuple[Array, Array]:
        flat = retract(loss, ravel_pytree(x)[0], iterations=_RETURNS, codimension=codimension)
        return _noise_parts(problem, flat, unravel, normal_space(jax.hessian(loss)(flat), codimension=codimension))

    return jax.lax.map(parts, jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), start, points))


def _runge_kutta(slow: Any, t: Array, state: dict[str, PyTree[Array]], step: Array) -> dict[str, PyTree[Array]]:
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


# One replica with few parameters runs for milliseconds: most of what the compiler could save is its own time.
_FEW = 64
_IN_HASTE = {"xla_backend_optimization_level": 0}
_PROGRAMS = {
    function: {True: eqx.filter_jit(function, compiler_options=_IN_HASTE), False: eqx.filter_jit(function)}
    for function in (_inspected, _solved, _noise_along)
}


def _compiled(function: Callable[..., Any], model: Any, x: PyTree[Array], *rest: Any) -> Any:
    """Call a function of one replica, compiled with or without optimization."""
    small = sum(leaf.size for leaf in jax.tree.leaves(x)) <= _FEW and jax.default_backend() == "cpu"
    return _PROGRAMS[function][small](model, x, *rest)
