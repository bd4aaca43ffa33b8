"""Exact moments of a linear optimizer whose hyperparameters change from step to step."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare.exact._affine import Moments
from sde_momentum.compare.exact._affine_forms import AffineForms, affine_forms
from sde_momentum.compare.question._independent_steps import require_independent_steps
from sde_momentum.dynamics import Chain

# Steps read at once, and numbers in their largest table: one compiled program serves every learning rate.
_BLOCK, _TABLE = 128, 2**24


def scheduled_chain_moments(chain: Chain, x0: PyTree[Any], steps: Sequence[int]) -> Moments | None:
    r"""Moments of $z_{k+1} = A_kz_k + b_k + \sum_a(A_{ka}z_k + c_{ka})\xi_{ka}$, step by step; None if no such chain.

    $\mu' = A\mu + b$ and $P' = APA^T + \sum_a A_aPA_a^T + \sum_a(A_a\mu + c_a)(A_a\mu + c_a)^T$: no operator on second
    moments is formed, so the cost of a step is that of products of matrices of the state's size. Only the covariance of
    the noise enters, so that the Gaussian twin of the problem is what is read.

    Args:
        chain: an optimizer under a regime with schedules.
        x0: parameters at the start, of one replica, or the start of every variable.
        steps: increasing numbers of steps at which the moments are wanted.

    Returns:
        `Moments` of the raveled state, variables in alphabetical order of their names, one row per entry of `steps`.

    Raises:
        ValueError: the problem walks through reshuffled epochs, so that steps are dependent, or a hyperparameter is
            not finite at some step.
    """
    require_independent_steps(chain.problem, "the exact law of a chain", ", or simulate the chain")
    state = chain.init(x0)
    mean = np.asarray(ravel_pytree(state)[0], dtype=float)
    covariance, done, found = np.zeros((len(mean),) * 2), 0, {}
    for forms in _blocks(chain, state, steps[-1]):
        if forms is None:
            return None
        for k in range(min(len(forms.offset), steps[-1] - done)):
            mean, covariance = _advanced(mean, covariance, forms, k)
            done += 1
            if done in steps:
                found[done] = mean, covariance
    return Moments(*(np.stack([found[count][part] for count in steps]) for part in (0, 1)))


def _blocks(chain: Chain, state: PyTree[Any], steps: int) -> Iterator[AffineForms | None]:
    """The maps of successive steps, all blocks of one length: the last step fills the last of them."""
    twin = replace(chain, problem=chain.problem.gaussian(), schedules=(), constants=())
    size = sum(leaf.size for leaf in jax.tree.leaves(state))
    length = int(np.clip(_TABLE // (size**2 * max(twin.noise_dim, 1)), 1, _BLOCK))
    numbers = jax.jit(jax.vmap(lambda k: jax.tree.map(jnp.asarray, chain.at(k).hyperparameters)))
    for first in range(0, steps, length):
        # Schedules need not be defined beyond the end.
        counts = np.minimum(np.arange(first, first + length), steps - 1)
        now = numbers(counts)
        _require_finite(now, counts, float(chain.step_time))
        yield affine_forms(_step, twin, now, state)


def _require_finite(numbers: dict[str, Array], counts: np.ndarray, step_time: float) -> None:
    for name, values in numbers.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise ValueError(
                f"`{name}` is {values[bad[0]]} at step {counts[bad[0]]}, time {counts[bad[0]] * step_time:.6g}: choose "
                "schedules that are finite from 0 to t1."
            )


def _step(chain: Chain, hyperparameters: dict[str, Array], state: PyTree[Array], w: Array) -> PyTree[Array]:
    return replace(chain, hyperparameters=hyperparameters).step(0, state, w)


def _advanced(mean: np.ndarray, covariance: np.ndarray, forms: AffineForms, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance after one more step."""
    matrix, kicks = forms.matrix[k], forms.noise[k]
    after = matrix @ covariance @ matrix.T
    if forms.multiplicative is not None:
        products = forms.multiplicative[k]
        kicks = kicks + (products @ mean).T
        after = after + np.tensordot(products @ covariance, products, axes=((0, 2), (0, 2)))
    after = after + kicks @ kicks.T
    return matrix @ mean + forms.offset[k], (after + after.T) / 2
