"""Samples of a process at its end, for comparing laws rather than moments."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from sde_momentum.compare.question._times import whole_steps
from sde_momentum.solvers import FusedTerm, Seed, SmallNoise, normal
from sde_momentum.solvers._seed import seed_words

_BLOCK = 4096


def sample_law(
    process: Any, x0: PyTree[Any], *, t1: float, num_paths: int, seed: Seed, dt: float | None = None
) -> Float[np.ndarray, "paths dimension"]:
    """Return the parameters of independent replicas of a chain or an equation at one time.

    All of them are kept, so this is for laws of few components: up to 10⁵ paths of 10² numbers, say. Moments of
    larger ensembles are what `simulate` is for.

    Args:
        process: a `Chain` or an `SDE`, or any object with the members of one.
        x0: parameters of one replica at the start.
        t1: time, in units of the process's clock; a whole number of steps.
        num_paths: replicas.
        seed: integer in [0, 2⁶⁴) or a JAX key; different ones for samples that are to be compared.
        dt: step of an equation, in units of time, half of its natural step by default; a chain has its own.

    Returns:
        Raveled parameters, shape `(num_paths, d)`.

    Raises:
        ValueError: t1 is not a whole number of steps, or a path diverged.

    Example:
        >>> from sde_momentum import optimizers, problems
        >>> from sde_momentum.dynamics import chain
        >>> process = chain(optimizers.sgd(), problems.double_well(), learning_rate=0.1)
        >>> sample_law(process, 0.5, t1=1.0, num_paths=100, seed=0).shape
        (100, 1)
    """
    chain = hasattr(process, "step")
    if num_paths < 1:
        raise ValueError(f"num_paths must be positive, got {num_paths}")
    step = float(process.step_time if chain else process.step_time / 2 if dt is None else dt)
    steps = whole_steps(float(t1), step)
    start = process.init(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)), x0))
    words = jnp.stack(seed_words(seed))
    blocks = [
        _block(process, start, jnp.arange(first, first + _BLOCK, dtype=jnp.uint32), words, steps, step, chain)
        for first in range(0, num_paths, _BLOCK)
    ]
    sample = np.concatenate([np.asarray(block) for block in blocks])[:num_paths]
    if not np.all(np.isfinite(sample)):
        bad = int((~np.isfinite(sample).all(axis=1)).sum())
        raise ValueError(f"{bad} of {num_paths} paths diverge by t1 = {t1:g}: lower the learning rate, or shorten t1.")
    return sample


@eqx.filter_jit
def _block(process: Any, start: Any, paths: Array, seed: Array, steps: int, step: float, chain: bool) -> Array:
    """Raveled parameters of one block of paths, shape `(paths, d)`."""
    state = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[..., None], (*leaf.shape, len(paths))), start)
    dtype = jax.tree.leaves(start)[0].dtype

    def advance(k: Array, state: Any) -> Any:
        if chain:
            draw = process.draw.sample(seed, paths, k)
            new = jax.vmap(lambda one, noise: process.step(k, one, noise), -1, -1)(state, draw)
        else:
            draw = jnp.sqrt(step) * normal(seed, paths, k, process.noise_dim, dtype=dtype)
            new = jax.vmap(lambda one, dw: _solved(process, k * step, step, one, dw), -1, -1)(state, draw)
        return jax.tree.map(lambda a, b: a.astype(b.dtype), new, state)

    final = jax.lax.fori_loop(0, steps, advance, state)
    parameters = final[next(iter(start))] if isinstance(start, dict) else final
    return jax.vmap(lambda one: ravel_pytree(one)[0], -1, 0)(parameters)


def _solved(process: Any, t: Any, dt: Any, state: Any, dw: Array) -> Any:
    """One step of the equation by a scheme whose weak error is O(dt²) where the noise is small."""
    from sde_momentum.compare.coupling._paired import _Given

    zero = jnp.zeros((), dw.dtype)
    t, dt = jnp.asarray(t, dw.dtype), jnp.asarray(dt, dw.dtype)
    term, solver = FusedTerm(process.increment, _Given(dw, zero, dt)), SmallNoise()
    return solver.step(term, t, t + dt, state, None, solver.init(term, t, t + dt, state, None), made_jump=False)[0]
