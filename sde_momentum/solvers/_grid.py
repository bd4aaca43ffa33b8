"""A uniform time grid: from a time to the number of its step, with off-grid times refused."""

from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

_RELATIVE = 1e-6


def check_grid(t0: ArrayLike, t1: ArrayLike, dt: ArrayLike) -> None:
    """Refuse a grid that does not consist of a whole number of steps; traced times are left to `grid_step`."""
    if any(isinstance(value, Tracer) for value in (t0, t1, dt)):
        return
    start, end, step = (float(np.asarray(value)) for value in (t0, t1, dt))
    if not step > 0 or not end > start or not np.isfinite(end - start):
        raise ValueError(f"the grid needs finite t1 > t0 and dt > 0, got t0={start}, t1={end}, dt={step}")
    count = (end - start) / step
    # Single-precision arguments carry their own rounding.
    rounding = 4 * max(np.finfo(np.result_type(value, np.float32)).eps for value in map(np.asarray, (t0, t1, dt)))
    if abs(count - round(count)) > max(_RELATIVE, rounding * count) or round(count) < 1:
        raise ValueError(
            f"dt must divide t1 - t0, got (t1 - t0) / dt = {count!r} with t0={start}, t1={end}, dt={step}; "
            f"the nearest that does is dt={(end - start) / max(1, round(count))!r}"
        )
    if round(count) > 2**32:
        raise ValueError(f"a path has at most 2**32 steps, got (t1 - t0) / dt = {count!r}")


def _tolerance(t: Array, dt: ArrayLike, base: float) -> Array:
    """How far from the grid a time may lie, in steps: the rounding of t, and never more than a quarter of a step."""
    eps = jnp.finfo(jnp.result_type(t, jnp.float32)).eps
    return jnp.minimum(base + 16 * eps * jnp.abs(t) / dt, 0.25)


def grid_step(t: ArrayLike, t0: ArrayLike, t1: ArrayLike, dt: ArrayLike) -> tuple[Array, Array]:
    """The step round((t − t0)/dt) as a uint32, and whether t is off the grid or outside [t0, t1]."""
    time = jnp.asarray(t)
    place = (time - t0) / dt
    nearest = jnp.round(place)
    outside = (nearest < 0) | (nearest > jnp.round((jnp.asarray(t1) - t0) / dt))
    return nearest.astype(jnp.uint32), outside | ~(jnp.abs(place - nearest) <= _tolerance(time, dt, 1e-3))


def wrong_length(start: Array, end: Array, dt: ArrayLike) -> Array:
    """Whether [start, end] is not one step long, up to the rounding of the two times."""
    latest = jnp.maximum(jnp.abs(start), jnp.abs(end))
    return ~(jnp.abs((end - start) / dt - 1) <= _tolerance(latest, dt, _RELATIVE))


def refuse(value: Array, faults: Mapping[str, Array]) -> Array:
    """`value`, unless a fault, given under its message, holds: then a run-time error with the first such message."""
    wrong = jnp.stack(list(faults.values()))
    return eqx.branched_error_if(value, wrong.any(), jnp.argmax(wrong), list(faults))
