"""The affine forms of many processes of one shape, such as a rule at several learning rates."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from sde_momentum.compare.exact._affine_chain import AffineChain
from sde_momentum.compare.exact._affine_forms import affine_forms
from sde_momentum.compare.exact._affine_sde import AffineSDE
from sde_momentum.compare.question._independent_steps import require_independent_steps
from sde_momentum.dynamics import SDE, Chain


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
    found = _forms(twins, state, _step)
    return found and [AffineChain(*parts) for parts in found]


def affine_sdes(sdes: Sequence[SDE], state: PyTree[Any]) -> list[AffineSDE] | None:
    """The equations as dz = (Fz + c) dt + Σ (G_a z + g_a) dW_a on the raveled state, or None.

    Args:
        sdes: one limit on one problem at several numbers.
        state: a state, for shapes.
    """
    found = _forms(sdes, state, _increment)
    return found and [AffineSDE(*parts) for parts in found]


def scheduled_chain(
    chain: Chain, state: PyTree[Any], schedules: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, ...] | None:
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
    forms = affine_forms(_step, static, eqx.tree_at(lambda c: c.hyperparameters, stacked, values), state)
    if forms is None:
        return None
    size, noises = forms.noise.shape[1:]
    products = np.zeros((count, noises, size, size)) if forms.multiplicative is None else forms.multiplicative
    return forms.matrix, forms.offset, forms.noise, products


def _step(static: Chain, numbers: Chain, state: PyTree[Array], w: Array) -> PyTree[Array]:
    return eqx.combine(numbers, static).step(0, state, w)


def _increment(static: SDE, numbers: SDE, state: PyTree[Array], w: Array) -> PyTree[Array]:
    return eqx.combine(numbers, static).increment(0.0, state, None, 1.0, w)


def _forms(processes: Sequence[Any], state: PyTree[Any], move: Callable) -> list[tuple[np.ndarray | None, ...]] | None:
    """(A, b, C, multiplicative or None) of each process; None where the move is not affine in state times noise."""
    dynamic, static = zip(*(eqx.partition(process, _numbers(process)) for process in processes), strict=True)
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf, float) for leaf in leaves]), *dynamic)
    forms = affine_forms(move, static[0], stacked, state)
    if forms is None:
        return None
    products = [None] * len(processes) if forms.multiplicative is None else forms.multiplicative
    return list(zip(forms.matrix, forms.offset, forms.noise, products, strict=True))


def _numbers(process: Any) -> Any:
    """What differs between the processes: every number but those of the problem."""
    marks = jax.tree.map(lambda leaf: isinstance(leaf, float | np.ndarray | jax.Array), process)
    return eqx.tree_at(lambda p: p.problem, marks, replace_fn=lambda part: jax.tree.map(lambda _: False, part))
