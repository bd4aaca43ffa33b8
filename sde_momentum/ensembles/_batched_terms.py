"""An SDE of one replica as diffrax terms of a whole block, whose paths are the last axis."""

import functools
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, PyTree

from sde_momentum.ensembles._batching import cast_like, over_paths
from sde_momentum.solvers import CounterPath, FusedTerm

State = PyTree[Array]


def batched_terms(
    process: Any, solver: dfx.AbstractSolver, path: CounterPath, replica_block: int | None
) -> dfx.AbstractTerm:
    """The terms that a solver takes: drift and noise in one where it can, or one term for each.

    The increment of a problem is one weighted backward pass; separate terms take two.

    Args:
        process: The SDE of one replica.
        solver: A solver that takes any one term, as Euler's method and those of this package do, gets a fused one.
        path: Noise of the block; a single component may lack its axis.
        replica_block: Replicas computed at a time.
    """
    drift = _batched_drift(process, replica_block)
    if solver.term_structure is not dfx.AbstractTerm:
        return dfx.MultiTerm(dfx.ODETerm(drift), dfx.ControlTerm(_batched_noise(process, path, replica_block), path))

    arrays, static = eqx.partition(process, eqx.is_array)

    # Traced once, however many steps a program takes at a time.
    @functools.partial(jax.jit, inline=True)
    def traced(arrays: Any, t: Any, y: State, args: Any, dt: Any, dw: Array) -> State:
        whole = eqx.combine(arrays, static)
        one = over_paths(lambda y, w: whole.increment(t, y, args, dt, jnp.atleast_1d(w)), replica_block)
        return cast_like(one(y, dw), y)

    return FusedTerm(lambda *arguments: traced(arrays, *arguments), path, drift)


def _batched_drift(process: Any, replica_block: int | None) -> Any:
    def drift(t: Any, y: State, args: Any) -> State:
        return cast_like(over_paths(lambda one: process.drift(t, one, args), replica_block)(y), y)

    return drift


def _batched_noise(process: Any, path: CounterPath, replica_block: int | None) -> Any:
    """S(y) of every path as the linear map w ↦ S(y) w that it is; no matrix is formed."""
    like = jax.ShapeDtypeStruct(path.shape, path.dtype)

    def noise(t: Any, y: State, args: Any) -> lx.AbstractLinearOperator:
        product = over_paths(lambda one, w: process.noise_product(t, one, args, w), replica_block)
        return lx.FunctionLinearOperator(lambda w: cast_like(product(y, w), y), like)

    return noise
