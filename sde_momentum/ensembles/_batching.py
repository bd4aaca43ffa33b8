"""Functions of one replica, applied to a batch whose paths are the last axis."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree


def over_paths(function: Callable[..., Any], replica_block: int | None = None) -> Callable[..., Any]:
    """Batch a function of one replica over the last axis of every leaf of its arguments.

    Args:
        function: Function of one replica's arguments; what all replicas share is closed over.
        replica_block: Replicas computed at a time. `None` computes all together, which is right for small states; a
            network is faster in blocks of about 8, whose activations stay in the cache.

    Returns:
        The batched function; its results carry the paths as their last axis too.
    """
    batched = jax.vmap(function, in_axes=-1, out_axes=-1)
    if replica_block is None:
        return batched

    def in_blocks(*arguments: PyTree[Array]) -> PyTree[Array]:
        leading = jax.tree.map(lambda leaf: _split(leaf, replica_block), arguments)
        return jax.tree.map(_join, jax.lax.map(lambda block: batched(*block), leading))

    return in_blocks


def broadcast_state(state: PyTree[Array], paths: int) -> PyTree[Array]:
    """The same start for every path."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[..., None], (*leaf.shape, paths)), state)


def cast_like(state: PyTree[Array], reference: PyTree[Array]) -> PyTree[Array]:
    """Arithmetic may be wider than the state (a float64 learning rate, say); what is kept has the state's dtype."""
    return jax.tree.map(lambda new, old: new.astype(old.dtype), state, reference)


def finite_paths(state: PyTree[Array]) -> Array:
    """Whether every number of a path's state is finite, shape `(paths,)`."""
    leaves = [jnp.isfinite(leaf).reshape(-1, leaf.shape[-1]).all(axis=0) for leaf in jax.tree.leaves(state)]
    return jnp.stack(leaves).all(axis=0)


def _split(leaf: Array, size: int) -> Array:
    """`(..., paths)` to `(paths / size, ..., size)`."""
    return jnp.moveaxis(leaf.reshape(*leaf.shape[:-1], -1, size), -2, 0)


def _join(leaf: Array) -> Array:
    """The inverse of `_split`."""
    joined = jnp.moveaxis(leaf, 0, -2)
    return joined.reshape(*joined.shape[:-2], -1)
