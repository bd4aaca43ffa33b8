"""Integrating a slow equation without noise along the manifold."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree


def follow(
    process: Any,
    state: PyTree[Array],
    times: Sequence[float],
    observe: Callable[[Any], Array],
    *,
    substeps: int = 10,
) -> Float[np.ndarray, "times ..."]:
    """Observables along the flow of a slow equation's drift, by Runge–Kutta steps of order 4 that end on the manifold.

    Args:
        process: a slow equation whose noise vanishes.
        state: its state at time zero.
        times: increasing slow times, the first one positive.
        observe: state → array.
        substeps: steps between two times.
    """
    # Compiled apart, and stepped from here: one loop of everything takes ten times as long to compile as to run.
    compiled = eqx.filter_jit(process.drift)
    drift = lambda t, y: compiled(jnp.asarray(t), y)  # a plain number would be compiled in
    retract = eqx.filter_jit(getattr(process, "retract", lambda y: y))
    found, now = [], 0.0
    for time in times:
        h = (time - now) / substeps
        for step in range(substeps):
            state = retract(runge_kutta(drift, now + step * h, state, h))
        now = time
        found.append(np.asarray(observe(state)))
    return np.stack(found)


def runge_kutta(drift: Callable[..., Any], t: float, y: PyTree[Array], h: float) -> PyTree[Array]:
    """One classical Runge–Kutta step of dy/dt = drift(t, y)."""
    add = lambda a, slope, factor: jax.tree.map(lambda u, v: u + jnp.asarray(factor, u.dtype) * v, a, slope)
    k1 = drift(t, y)
    k2 = drift(t + h / 2, add(y, k1, h / 2))
    k3 = drift(t + h / 2, add(y, k2, h / 2))
    k4 = drift(t + h, add(y, k3, h))
    mean = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4)
    return add(y, mean, h)
