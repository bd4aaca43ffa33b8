"""A slow equation without noise, and what is known about its start."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.manifold import ManifoldPoint, NoiseOutcome, Outcome, inspect_point, limit_map

Observable = Callable[[PyTree[Array]], Array]


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
    return x, point, bool(along > max(1e-6, 1e2 * rounding) * whole)


def _inspected(problem: Any, x0: PyTree[Array], codimension: int | None, move: bool):
    own = getattr(problem, "limit_map", None) if move else None
    x, unravel = ravel_pytree(x0 if own is None else own(x0))
    point = inspect_point(lambda z: problem.loss(unravel(z)), x, codimension=codimension)
    noise = lambda w: ravel_pytree(problem.noise_product(unravel(x), w))[0]
    factor = jax.vmap(noise, out_axes=1)(jnp.eye(problem.noise_dim, dtype=x.dtype))
    # Along ker H: ker H̃ of a preconditioned flow is orthogonal to the noise if and only if this is.
    along = jax.vmap(point.space.tangent, in_axes=1)(factor)
    return unravel(x), point, jnp.linalg.norm(along), jnp.linalg.norm(factor)


def slow_flow(
    slow: Any,
    start: dict[str, PyTree[Array]],
    times: Sequence[float],
    observables: Mapping[str, Observable],
    steps: int = 16,
) -> tuple[np.ndarray, np.ndarray]:
    """The observables along the slow equation without noise, and their error; (times, observables) each.

    Classical Runge–Kutta steps, `steps` of them between two times and then twice as many; the difference measures the
    error. One program serves both, and the drift stands in it once.
    """
    ends = jnp.asarray(times, ravel_pytree(start)[0].dtype)
    functions = tuple(observables.values())
    rough, fine = (
        np.asarray(_compiled(_solved, slow, start, ends, jnp.asarray(n), functions)) for n in (steps, 2 * steps)
    )
    return fine, (fine - rough) / 15


def _solved(slow: Any, start: Any, ends: Array, count: Array, functions: tuple[Observable, ...]) -> Array:
    def segment(carry, end):
        begin, current = carry
        step = (end - begin) / count
        # Without a return to Γ, which would compile as long as the drift: what leaves Γ is the error of the steps.
        current = jax.lax.fori_loop(0, count, lambda j, z: _runge_kutta(slow, begin + j * step, z, step), current)
        return (end, current), jnp.stack([f(current["x"]) for f in functions])

    return jax.lax.scan(segment, (jnp.zeros_like(ends[0]), start), ends)[1]


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
    for function in (_inspected, _solved)
}


def _compiled(function: Callable[..., Any], model: Any, x: PyTree[Array], *rest: Any) -> Any:
    """Call a function of one replica, compiled with or without optimization."""
    small = sum(leaf.size for leaf in jax.tree.leaves(x)) <= _FEW and jax.default_backend() == "cpu"
    return _PROGRAMS[function][small](model, x, *rest)
