"""Long runs of several optimizers or problems at once, with what is watched at a few times."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree


def trajectories(
    processes: Sequence[Any],
    starts: Sequence[PyTree[Array]],
    observe: Callable[[Any, Any], Array],
    *,
    steps: int,
    saves: int,
    paths: int,
    seed: int,
) -> np.ndarray:
    """Run every process from its start, all in one loop, and watch it at equally spaced steps.

    The number of steps is traced: runs that differ in it alone are compiled once.

    Args:
        processes: chains that differ in numbers only: hyperparameters, data.
        starts: parameters, one for each process.
        observe: (process, state) → array; compiled.
        steps: of every process; a multiple of `saves`.
        saves: number of times.
        paths: replicas of each process; replica r sees the same draws in every process.
        seed: of the draws.

    Returns:
        Array of shape `(processes, paths, saves, ...)`.
    """
    if steps % saves:
        raise ValueError(f"steps must be a multiple of saves={saves}, got {steps}")
    arrays, static = zip(*(eqx.partition(process, eqx.is_array) for process in processes), strict=True)
    stack = lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves])
    stacked, x0 = jax.tree.map(stack, *arrays), jax.tree.map(stack, *starts)
    words = np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)  # traced: another seed is not compiled again
    found = _run(static[0], stacked, x0, observe, saves, paths, jnp.asarray(steps // saves), words)
    return np.asarray(found)


@eqx.filter_jit
def _run(static: Any, arrays: Any, x0: Any, observe: Any, saves: int, paths: int, each: Array, seed: Array) -> Array:
    first = eqx.combine(jax.tree.map(lambda leaf: leaf[0], arrays), static)
    index = jnp.arange(paths, dtype=jnp.uint32)

    def over_all(function: Callable[..., Any], *, paths_in: tuple[Any, ...]) -> Callable[..., Any]:
        """Over the paths, last axis of draws and first axis of states, and over the processes."""
        one = lambda part, *rest: function(eqx.combine(part, static), *rest)
        inner = jax.vmap(one, in_axes=(None, *paths_in))
        return jax.vmap(inner, in_axes=(0, *(None if axis == -1 else 0 for axis in paths_in)))

    step = over_all(lambda process, state, draw, k: process.step(k, state, draw), paths_in=(0, -1, None))
    watch = over_all(lambda process, state: observe(process, state), paths_in=(0,))

    def advance(k: Array, state: Any) -> Any:
        draw = first.draw.sample(seed, index, k)
        return step(arrays, state, draw, jnp.broadcast_to(k, (len(jax.tree.leaves(x0)[0]),)))

    def segment(state: Any, number: Array) -> tuple[Any, Array]:
        state = jax.lax.fori_loop(number * each, (number + 1) * each, advance, state)
        return state, watch(arrays, state)

    start = jax.vmap(lambda part, x: eqx.combine(part, static).init(x))(arrays, x0)
    state = jax.tree.map(lambda leaf: jnp.repeat(leaf[:, None], paths, axis=1), start)
    _, values = jax.lax.scan(segment, state, jnp.arange(saves))
    return jnp.moveaxis(values, 0, 2)
