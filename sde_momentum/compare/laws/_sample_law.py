"""Samples of a process at its end, for comparing laws rather than moments."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from sde_momentum.compare.question._arguments import positive_number, whole_number
from sde_momentum.compare.question._start_values import checked_start
from sde_momentum.compare.question._times import whole_steps
from sde_momentum.dynamics import SDE, Chain
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
        num_paths: replicas, one or more.
        seed: integer in [0, 2⁶⁴) or a JAX key; different ones for samples that are to be compared.
        dt: step of an equation, in units of time, half of its natural step by default; a chain has its own, and takes
            no other.

    Returns:
        Raveled parameters, shape `(num_paths, d)`.

    Raises:
        TypeError: the process is neither chain nor equation, or an argument is no number.
        ValueError: t1 is not a whole number of steps, a number is out of its range, or a path diverged.

    Example:
        >>> from sde_momentum import optimizers, problems
        >>> from sde_momentum.dynamics import chain
        >>> process = chain(optimizers.sgd(), problems.double_well(), learning_rate=0.1)
        >>> sample_law(process, 0.5, t1=1.0, num_paths=100, seed=0).shape
        (100, 1)
    """
    chain = _is_chain(process)
    t1, num_paths = positive_number(t1, "t1"), whole_number(num_paths, "num_paths")
    step = _step(process, dt, chain)
    steps = _steps(t1, step, chain)
    start = process.init(jax.tree.map(lambda leaf: leaf.astype(jnp.result_type(float)), _checked(x0, process)))
    words = jnp.stack(seed_words(seed))
    blocks = [
        _block(process, start, jnp.arange(first, first + _BLOCK, dtype=jnp.uint32), words, steps, step, chain)
        for first in range(0, num_paths, _BLOCK)
    ]
    sample = np.concatenate([np.asarray(block) for block in blocks])[:num_paths]
    if not np.all(np.isfinite(sample)):
        bad = int((~np.isfinite(sample).all(axis=1)).sum())
        lower = "the learning rate" if chain else "`dt` or the learning rate"
        raise ValueError(f"{bad} of {num_paths} paths diverge by t1 = {t1:g}: lower {lower}, or shorten t1.")
    return sample


def _is_chain(process: Any) -> bool:
    """Whether a process makes steps of its own, and not increments of any length."""
    if callable(getattr(process, "step", None)) and hasattr(process, "draw"):
        return True
    if callable(getattr(process, "increment", None)) and hasattr(process, "noise_dim"):
        return False
    raise TypeError(
        "`process` must be a Chain or an SDE, such as sde_momentum.chain(rule, problem, learning_rate=0.1), got "
        f"{type(process).__name__}."
    )


def _step(process: Any, dt: float | None, chain: bool) -> float:
    """Time per step."""
    if not chain:
        return float(process.step_time) / 2 if dt is None else positive_number(dt, "dt")
    if dt is not None:
        raise ValueError(f"`dt` is for equations, and a chain has steps of {float(process.step_time):g}: leave it out.")
    return float(process.step_time)


def _steps(t1: float, step: float, chain: bool) -> int:
    """The time in steps; the remedy is for one process, where `whole_steps` speaks of studies."""
    try:
        return whole_steps(t1, step)
    except ValueError:
        near, other = max(round(t1 / step), 1) * step, "learning rate" if chain else "`dt`"
        raise ValueError(
            f"t1 = {t1:.6g} is {t1 / step:.6g} steps of length {step:.6g}; choose t1 = {near:.6g}, or another {other}."
        ) from None


def _checked(x0: PyTree[Any], process: Any) -> PyTree[Array]:
    """A start of finite numbers; of processes that others made the names of the variables are not known."""
    names = process.rule.state if isinstance(process, Chain) else ("",)
    names = process.limit.variables if isinstance(process, SDE) else names
    return checked_start(x0, names, getattr(process, "problem", None))


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
