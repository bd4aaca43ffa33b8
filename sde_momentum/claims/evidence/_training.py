"""Training one network from many starts, each with its own order of the data."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from sde_momentum.dynamics import Chain, chain
from sde_momentum.problems import DigitsMLP
from sde_momentum.symbolic import UpdateRule

BLOCK = 4
"""Replicas that are trained together: numbers of replicas are multiples of it, so that nothing is compiled twice."""

SAVES = 20
"""Times at which the training loss is taken, evenly spaced, the last one at the end."""


class Trainer(eqx.Module):
    """How a network is trained.

    Args:
        problem: a network with a start for every seed.
        steps: number of steps, a multiple of `SAVES`.
        full_batch: use the gradient of all data instead of minibatches.
        seed: replica r starts and draws its minibatches from (seed, r), whatever the optimizer and learning rate.

    Raises:
        ValueError: steps is not a multiple of `SAVES`.
    """

    problem: DigitsMLP
    steps: int = eqx.field(static=True)
    full_batch: bool = eqx.field(static=True)
    seed: int = eqx.field(static=True)

    def __check_init__(self):
        if self.steps <= 0 or self.steps % SAVES:
            raise ValueError(f"steps must be a positive multiple of {SAVES}, got {self.steps}: round it up.")

    def train(
        self, rule: UpdateRule, replicas: Int[np.ndarray, " replicas"], **hyperparameters: float
    ) -> tuple[Float[np.ndarray, "replicas saves"], Float[np.ndarray, " replicas"]]:
        """Train every replica.

        Args:
            rule: the optimizer.
            replicas: their numbers, as many as a multiple of `BLOCK`.
            **hyperparameters: of the rule.

        Returns:
            Training losses at the save times, and the fractions of the test set classified correctly at the end.
        """
        process = _in_precision_of(self.problem, chain(rule, self.problem, **hyperparameters))
        found = [self._train_block(process, block) for block in np.asarray(replicas).reshape(-1, BLOCK)]
        losses, accuracies = zip(*found, strict=True)
        return np.concatenate(losses), np.concatenate(accuracies)

    def _train_block(self, process: Chain, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        starts = [self.problem.initial((self.seed + (int(replica) << 32)) % 2**64) for replica in block]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=-1), *starts)
        losses, accuracies = _run(self, process, stacked, jnp.asarray(block, jnp.uint32))
        return np.asarray(losses, float).T, np.asarray(accuracies, float)


def _in_precision_of(problem: DigitsMLP, process: Chain) -> Chain:
    """Hyperparameters as numbers of the data's type, so that no step is computed in another precision."""
    dtype = problem.data["inputs"].dtype
    numbers = {name: np.asarray(value, dtype) for name, value in process.hyperparameters.items()}
    return eqx.tree_at(lambda p: p.hyperparameters, process, numbers)


@eqx.filter_jit
def _run(trainer: Trainer, process: Chain, starts: PyTree[Array], block: Array) -> tuple[Array, Array]:
    """Losses `(saves, BLOCK)` and accuracies `(BLOCK,)`; rates and penalty are traced: one compilation a rule."""
    over_block = lambda function: jax.vmap(function, in_axes=-1, out_axes=-1)
    draw = trainer.problem.draw

    def step(k: Array, state: Any) -> Any:
        if trainer.full_batch:
            return over_block(lambda s: process.update(s, process.problem.gradient(process.gradient_point(s))))(state)
        # Not `process.step`: its noise scale is a traced number, which costs a pass over all the data; here σ = 1.
        one = lambda s, batch: process.update(s, process.problem.stochastic_gradient(process.gradient_point(s), batch))
        return over_block(one)(state, draw.sample(trainer.seed, block, k))

    def segment(state: Any, number: Array) -> tuple[Any, Array]:
        each = trainer.steps // SAVES
        state = jax.lax.fori_loop(number * each, (number + 1) * each, step, state)
        return state, over_block(process.loss)(state)

    state, losses = jax.lax.scan(segment, over_block(process.init)(starts), jnp.arange(SAVES))
    return losses, over_block(process.problem.test_accuracy)(state["x"])
