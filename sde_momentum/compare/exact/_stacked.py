"""The affine form of many processes of one shape, read off in one compiled call."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare.exact._affine_chain import AffineChain
from sde_momentum.compare.exact._affine_sde import AffineSDE
from sde_momentum.compare.exact._straight import TOLERANCE, is_straight
from sde_momentum.compare.question._independent_steps import require_independent_steps
from sde_momentum.dynamics import SDE, Chain

_PROBES = 4


def affine_chains(chains: Sequence[Chain], state: PyTree[Any]) -> list[AffineChain] | None:
    """The chains as z' = Az + b + Σ (A_a z + c_a) ξ_a on the raveled state, or None where one is not of that form.

    Only the covariance of the noise enters first and second moments, so it is the Gaussian twin of each problem that is
    read; for least squares with minibatches that is exact for every law of the batches.

    Args:
        chains: one rule on one problem at several numbers, such as learning rates.
        state: a state, for shapes.
    """
    for chain in chains:
        require_independent_steps(chain.problem, "the affine form of a chain", ", or simulate the chain")
    twins = [eqx.tree_at(lambda c: c.problem, chain, chain.problem.gaussian()) for chain in chains]
    found = _forms(twins, state, _chain_step)
    return found and [AffineChain(*parts) for parts in found]


def affine_sdes(sdes: Sequence[SDE], state: PyTree[Any]) -> list[AffineSDE] | None:
    """The equations as dz = (Fz + c) dt + Σ (G_a z + g_a) dW_a on the raveled state, or None.

    Args:
        sdes: one limit on one problem at several numbers.
        state: a state, for shapes.
    """
    found = _forms(sdes, state, _sde_increment)
    return found and [AffineSDE(*parts) for parts in found]


def _chain_step(chain: Chain, state: PyTree[Array], w: Array) -> PyTree[Array]:
    return chain.step(0, state, w)


def _sde_increment(sde: SDE, state: PyTree[Array], w: Array) -> PyTree[Array]:
    return sde.increment(0.0, state, None, 1.0, w)


def scheduled_chain(chain: Chain, state: PyTree[Any], schedules: Mapping[str, np.ndarray]):
    """One chain at many hyperparameters: arrays (A, b, C, A_a) with a leading axis over them, or None.

    Args:
        chain: a rule on a problem.
        state: a state, for shapes.
        schedules: hyperparameter → values, all of shape `(count,)`.
    """
    twin = eqx.tree_at(lambda c: c.problem, chain, chain.problem.gaussian())
    dynamic, static = eqx.partition(twin, _numbers(twin))
    count = len(next(iter(schedules.values())))
    stacked = jax.tree.map(lambda leaf: jnp.broadcast_to(jnp.asarray(leaf, float), (count, *np.shape(leaf))), dynamic)
    values = stacked.hyperparameters | {name: jnp.asarray(value, float) for name, value in schedules.items()}
    *parts, residuals = _read(eqx.tree_at(lambda c: c.hyperparameters, stacked, values), static, state, _chain_step)
    return tuple(np.asarray(part) for part in parts) if np.all(np.asarray(residuals) < TOLERANCE) else None


def _forms(processes: Sequence[Any], state: PyTree[Any], move: Callable):
    """(A, b, C, multiplicative or None) of each process; None where the move is not affine in state times noise."""
    flat, unravel = _raveled(state)
    first, quiet = processes[0], jnp.zeros(processes[0].noise_dim)
    if not is_straight(lambda z: ravel_pytree(move(first, unravel(z), quiet))[0], flat.size):
        # The matrices below are large for a network; that it is not linear shows along one line.
        return None
    dynamic, static = zip(*(eqx.partition(process, _numbers(process)) for process in processes), strict=True)
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf, float) for leaf in leaves]), *dynamic)
    *parts, residuals = _read(stacked, static[0], state, move)
    if not np.all(np.asarray(residuals) < TOLERANCE):
        return None
    rows = zip(*(np.asarray(part) for part in parts), strict=True)
    return [(a, b, c, m if np.max(np.abs(m), initial=0.0) > 1e-14 else None) for a, b, c, m in rows]


def _numbers(process: Any) -> Any:
    """What differs between the processes: every number but those of the problem."""
    marks = jax.tree.map(lambda leaf: isinstance(leaf, float | np.ndarray | jax.Array), process)
    return eqx.tree_at(lambda p: p.problem, marks, replace_fn=lambda part: jax.tree.map(lambda _: False, part))


def _raveled(state: PyTree[Any]) -> tuple[Array, Callable]:
    return ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, float), state))


@eqx.filter_jit
def _read(stacked: Any, static: Any, state: PyTree[Any], move: Callable):
    flat, unravel = _raveled(state)
    size, normal = flat.shape[0], np.random.default_rng(0).normal

    def one(numbers: Any):
        process = eqx.combine(numbers, static)
        noises = process.noise_dim
        function = lambda z, w: ravel_pytree(move(process, unravel(z), w))[0]
        zero, quiet = jnp.zeros(size), jnp.zeros(noises)
        matrix, offset = jax.jacfwd(function)(zero, quiet), function(zero, quiet)
        noise = jax.jacfwd(function, argnums=1)(zero, quiet)
        mixed = jnp.moveaxis(jax.jacfwd(jax.jacfwd(function), argnums=1)(zero, quiet), -1, 0)

        def residual(z: Array, w: Array) -> Array:
            value = function(z, w)
            model = matrix @ z + offset + noise @ w + jnp.einsum("aij,j,a->i", mixed, z, w)
            return jnp.max(jnp.abs(value - model)) / (1 + jnp.max(jnp.abs(value)))

        probes = (jnp.asarray(normal(size=(_PROBES, count))) for count in (size, noises))
        return matrix, offset, noise, mixed, jnp.max(jax.vmap(residual)(*probes))

    return jax.vmap(one)(stacked)
