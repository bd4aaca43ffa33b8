"""The exact joint law of two optimizers that see the same noise, on a quadratic loss."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from sde_momentum.compare import AffineChain, PairedChains, affine_chain
from sde_momentum.dynamics import Chain


@dataclass(frozen=True, eq=False)
class JointLaw:
    """Mean and covariance of the parameters (x, z) of two optimizers after the same number of steps.

    Args:
        mean: of x and z, shape `(2, d)`.
        covariance: between x or z and x or z, shape `(2, d, 2, d)`.
    """

    mean: np.ndarray
    covariance: np.ndarray

    def weak_error(self, hessian: np.ndarray, slope: np.ndarray) -> float:
        """Return E h(x) − E h(z) for h(x) = ½ xᵀHx + bᵀx, H of shape `(d, d)` and b of shape `(d,)`."""
        values = [
            0.5 * np.sum(hessian * (self.covariance[i, :, i] + np.outer(self.mean[i], self.mean[i])))
            + slope @ self.mean[i]
            for i in (0, 1)
        ]
        return float(values[0] - values[1])

    def mean_square_distance(self) -> float:
        """Return E|x − z|²."""
        gap = self.mean[0] - self.mean[1]
        blocks = self.covariance
        spread = blocks[0, :, 0] + blocks[1, :, 1] - blocks[0, :, 1] - blocks[1, :, 0]
        return float(gap @ gap + np.trace(spread))


def joint_law(pair: PairedChains, x0: PyTree[Any], steps: int) -> JointLaw:
    r"""Return the joint law after a number of steps, from the closed moments of the joint linear chain.

    Each chain is z' = Az + b + Cξ; together they are the chain with block-diagonal A and one ξ for both.

    Args:
        pair: two linear optimizers on one quadratic loss with additive noise.
        x0: parameters at the start, shape `(d,)`.
        steps: how many.

    Raises:
        ValueError: a chain is not of that form.
    """
    chains = [_affine(single, x0) for single in (pair.first, pair.second)]
    sizes = [len(found.offset) for found in chains]
    matrix = np.zeros((sum(sizes), sum(sizes)))
    matrix[: sizes[0], : sizes[0]], matrix[sizes[0] :, sizes[0] :] = (found.matrix for found in chains)
    joint = AffineChain(
        matrix,
        np.concatenate([found.offset for found in chains]),
        np.concatenate([found.noise for found in chains]),
    )
    start = np.concatenate([np.asarray(ravel_pytree(single.init(x0))[0]) for single in (pair.first, pair.second)])
    moments = joint.moments(start, [steps])
    chosen = np.stack([_parameters(pair.first, x0), sizes[0] + _parameters(pair.second, x0)])
    picked = moments.covariance[0][np.ix_(chosen.ravel(), chosen.ravel())]
    return JointLaw(moments.mean[0][chosen], picked.reshape(2 * chosen.shape))


def _affine(chain: Chain, x0: PyTree[Any]) -> AffineChain:
    found = affine_chain(chain, x0)
    if found is None or found.multiplicative is not None:
        raise ValueError("`pair` must hold linear optimizers on a quadratic loss with additive noise: sample instead.")
    return found


def _parameters(chain: Chain, x0: PyTree[Any]) -> np.ndarray:
    """Positions of the parameters in the raveled state of one optimizer."""
    name = chain.rule.state[0]
    marks = {
        key: jax.tree.map(lambda leaf, on=key == name: np.full(np.shape(leaf), float(on)), value)
        for key, value in chain.init(x0).items()
    }
    return np.flatnonzero(np.asarray(ravel_pytree(marks)[0]))
