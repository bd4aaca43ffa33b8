"""Any JAX loss on a data set, with minibatch noise."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.problems._check import check_data, check_finite, check_parameters, given_start
from sde_momentum.problems._draw_index import AbstractIndexDraw
from sde_momentum.problems._draw_subset import index_draw
from sde_momentum.problems._minibatch_base import AbstractMinibatch


class Minibatch(AbstractMinibatch):
    """A user's loss on the user's data. Built by `minibatch`, which describes the arguments."""

    loss_function: Callable[[PyTree, PyTree], Array]
    data: PyTree[Array]
    draw: AbstractIndexDraw
    start: PyTree[Array] | None

    def batch_loss(self, x: PyTree[ArrayLike], batch: PyTree[Array]) -> Float[Array, ""]:
        """Return the user's mean loss over the rows of `batch`."""
        return self.loss_function(x, batch)

    def initial(self, seed: int = 0) -> PyTree[Array]:
        """Return the start that was given to the factory."""
        del seed
        return given_start(self.start, "minibatch")


def minibatch(
    loss: Callable[[PyTree, PyTree], Array],
    data: PyTree[ArrayLike],
    batch_size: int,
    replacement: bool = True,
    *,
    reshuffle: bool = True,
    start: PyTree[ArrayLike] | None = None,
) -> Minibatch:
    r"""Minibatch problem of any JAX loss: g = ∇ loss(x, batch) with a random batch of B of the n examples.

    Args:
        loss: Function (params, batch) ↦ the **mean** loss over the rows of the batch, a real scalar. `batch` is a
            slice of `data` along axis 0 (length B, n, or 1: the noise factor needs single examples). The loss of
            many rows must be the mean of the losses of its rows, so no batch normalization.
        data: Pytree of arrays that share axis 0 (n examples).
        batch_size: B, the examples a step.
        replacement: Whether a batch is drawn with replacement, as the covariance Σ/B assumes.
        reshuffle: Without replacement, whether steps walk through epochs of a reshuffled order (successive batches
            are then dependent), or every step draws a fresh subset (independent steps).
        start: What `initial` returns. When given, the loss is tried out on it at once.

    Returns:
        The problem, with `noise_dim` = n.

    Raises:
        ValueError: If data are not finite or of unequal lengths, the batch does not fit, or the loss is not a scalar
            mean over the rows (the latter at once when `start` is given, else a vector when first traced).

    Example:
        >>> import jax.numpy as jnp
        >>> def loss(params, batch):
        ...     return 0.5 * jnp.mean((batch["x"] @ params - batch["y"]) ** 2)
        >>> data = {"x": jnp.eye(4, 2), "y": jnp.ones(4)}
        >>> problem = minibatch(loss, data, batch_size=2)
        >>> problem.noise_dim, problem.gradient(jnp.zeros(2)).tolist()
        (4, [-0.25, -0.25])
    """
    if not callable(loss):
        raise ValueError(f"loss must be a function (params, batch) -> mean loss, but is {loss!r}.")
    data, population = check_data(data)
    start = None if start is None else check_parameters(check_finite(start, "start"))
    problem = Minibatch(loss, data, index_draw(population, batch_size, replacement, reshuffle), start)
    if start is not None:
        _check_mean(problem, start)
    return problem


def _check_mean(problem: Minibatch, x: PyTree[Array]) -> None:
    """Refuse a loss that sums over the batch, or couples its rows: the weighted backward pass would be wrong."""
    whole, mean = problem.loss(x), jnp.mean(problem.example_losses(x))
    if any(isinstance(leaf, jax.core.Tracer) for leaf in (whole, mean)):
        return
    tolerance = 100 * float(jnp.finfo(whole.dtype).eps) ** 0.5
    if not bool(jnp.isfinite(whole)):
        raise ValueError(f"loss at start is {float(whole)}: choose a start with a finite loss.")
    if abs(float(whole - mean)) > tolerance * (1 + abs(float(mean))):
        raise ValueError(
            f"loss of all rows is {float(whole):.6g}, but the mean loss of single rows is {float(mean):.6g}: "
            "loss(params, batch) must be the mean over the rows of the batch (use jnp.mean, no batch statistics)."
        )
