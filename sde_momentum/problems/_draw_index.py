"""Which examples a minibatch step uses."""

import math
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, ArrayLike, Int

from sde_momentum import solvers
from sde_momentum.problems._check import check_count
from sde_momentum.problems._draw import AbstractDraw


class IndexDraw(AbstractDraw):
    """Indices of `size` examples out of `population`, with replacement.

    Args:
        population: Number of examples n.
        size: Batch size B.

    Example:
        >>> import jax.numpy as jnp
        >>> IndexDraw(10, 4).sample(0, jnp.arange(3), 2).shape
        (4, 3)
    """

    population: int = eqx.field(static=True, converter=lambda n: check_count(n, "population"))
    size: int = eqx.field(static=True, converter=lambda size: check_count(size, "size"))

    leading_cumulant: ClassVar[int | None] = 3
    independent_steps: ClassVar[bool] = True
    finite_moments: ClassVar[float] = math.inf

    def sample(self, seed: ArrayLike, path_index: Int[Array, " paths"], step: ArrayLike) -> Int[Array, "size paths"]:
        """Draw `(size, paths)` indices in `[0, population)`."""
        return solvers.indices(seed, path_index, step, self.size, self.population)
