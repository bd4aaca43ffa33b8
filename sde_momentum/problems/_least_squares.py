"""Linear least squares with minibatches: multiplicative noise whose moments close."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from sde_momentum.problems._check import check_data, check_finite
from sde_momentum.problems._draw_index import AbstractIndexDraw
from sde_momentum.problems._draw_subset import index_draw
from sde_momentum.problems._minibatch_base import AbstractMinibatch


class LeastSquares(AbstractMinibatch):
    """Linear regression with minibatch noise. Built by `least_squares`.

    Attributes:
        data: The pair (inputs of shape `(n, d)`, targets of shape `(n,)`).
        start: Where `initial` starts, shape `(d,)`.
    """

    data: tuple[Float[Array, "n d"], Float[Array, " n"]]
    draw: AbstractIndexDraw
    start: Float[Array, " d"]

    def initial(self, seed: int = 0) -> Array:
        """Return the start; there is nothing random in it."""
        del seed
        return self.start

    def batch_loss(self, x: Float[ArrayLike, " d"], batch: tuple[Array, Array]) -> Float[Array, ""]:
        """Return ½ mean (u·x − y)²."""
        inputs, targets = batch
        return 0.5 * jnp.mean((inputs @ x - targets) ** 2)

    def minimizer(self) -> Float[Array, " d"]:
        """Return the minimizer of least norm."""
        return jnp.linalg.lstsq(*self.data)[0]


def least_squares(
    inputs: Float[ArrayLike, "n d"],
    targets: Float[ArrayLike, " n"],
    batch_size: int,
    replacement: bool = True,
    *,
    reshuffle: bool = True,
    start: ArrayLike = 0.0,
    dtype: Any = None,
) -> LeastSquares:
    r"""Least squares L(x) = (1/2n) Σ_k (u_k·x − y_k)², with minibatch (multiplicative) noise.

    Args:
        inputs: u_k, shape `(n, d)`.
        targets: y_k, shape `(n,)`.
        batch_size: Examples a step.
        replacement: Whether batches are drawn with replacement.
        reshuffle: Without replacement, whether steps walk through reshuffled epochs (see `minibatch`).
        start: Where `initial` starts; one value or shape `(d,)`.
        dtype: Floating-point type of the data; the default is JAX's current default.

    Returns:
        The problem; x has shape `(d,)`.

    Raises:
        ValueError: If shapes do not fit, data are not finite, or the batch does not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> problem = least_squares(jnp.array([[1.0], [2.0]]), jnp.array([1.0, 2.0]), batch_size=1)
        >>> round(float(problem.minimizer()[0]), 4)
        1.0
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    (inputs, targets), population = check_data((jnp.asarray(inputs, dtype), jnp.asarray(targets, dtype)))
    if inputs.ndim != 2 or targets.ndim != 1:
        raise ValueError(
            f"inputs and targets must have shapes (n, d) and (n,), but have {inputs.shape}, {targets.shape}."
        )
    start = jnp.broadcast_to(check_finite(jnp.asarray(start, dtype), "start"), inputs.shape[1:])
    return LeastSquares((inputs, targets), index_draw(population, batch_size, replacement, reshuffle), start)
