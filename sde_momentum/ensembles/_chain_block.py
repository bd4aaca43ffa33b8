"""One block of a discrete chain, all its replicas in step."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree, UInt32

from sde_momentum.ensembles._batching import broadcast_state, cast_like, over_paths
from sde_momentum.ensembles._block_moments import Statistics
from sde_momentum.ensembles._run import Run


def chain_block(run: Run, first: UInt32[Array, ""]) -> Statistics:
    """Moments at the save steps of the block that starts at a path.

    Step k consumes the draw of (seed, path, k), so a replica's data order is its own and does not depend on its block.

    Args:
        run: The run.
        first: Global index of the block's first path.

    Returns:
        Statistics, leading axis the save steps.
    """
    path_index = run.path_index(first)
    state = broadcast_state(run.start, run.block_size)

    def advance(k: Array, state: PyTree[Array]) -> PyTree[Array]:
        draw = run.process.draw.sample(run.seed, path_index, k)
        step = over_paths(lambda one, noise: run.process.step(k, one, noise), run.replica_block)
        return cast_like(step(state, draw), state)

    def segment(state: PyTree[Array], bounds: tuple[Array, Array]) -> tuple[PyTree[Array], Statistics]:
        state = jax.lax.fori_loop(*bounds, advance, state)
        return state, run.measure(state, path_index)

    stops = run.clock.save_steps
    starts = jnp.concatenate([jnp.zeros_like(stops[:1]), stops[:-1]])
    return jax.lax.scan(segment, state, (starts, stops))[1]
