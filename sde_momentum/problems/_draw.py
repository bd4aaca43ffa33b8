"""What one step of the discrete noise consumes, as a pure function of (seed, path, step)."""

import abc
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from sde_momentum.problems._check import check_count, count_field
from sde_momentum.solvers import Stream, normal, signs


class AbstractDraw(eqx.Module):
    """The randomness of one optimizer step.

    A draw is a description; `sample` turns it into numbers that depend on nothing but the counters. The law of the
    numbers is part of the type, so that a limit that needs symmetric or Gaussian noise can be refused in advance.

    Attributes:
        size: Number of random components per step.
        leading_cumulant: Order of the lowest cumulant beyond the covariance that may be non-zero; `None` if Gaussian.
        independent_steps: Whether different steps are independent, as every diffusion limit assumes.
        finite_moments: Moments of order below this number exist.
        stream: Stream of random numbers that is read.
    """

    size: eqx.AbstractVar[int]
    stream: eqx.AbstractVar[int | None]
    leading_cumulant: eqx.AbstractClassVar[int | None]
    independent_steps: eqx.AbstractClassVar[bool]
    finite_moments: eqx.AbstractVar[float]

    @abc.abstractmethod
    def sample(self, seed: ArrayLike, path_index: Int[Array, " paths"], step: ArrayLike) -> PyTree[Array]:
        """Draw for a batch of paths.

        Args:
            seed: Seed of the whole run.
            path_index: Global index of each path, shape `(paths,)`.
            step: Integer step k.

        Returns:
            Pytree whose leaves carry the paths as their last axis.
        """


class AbstractStandardDraw(AbstractDraw):
    """A draw of independent real numbers with mean 0 and variance 1: ξ = S(x) z has covariance S Sᵀ."""

    @abc.abstractmethod
    def cumulant(self, order: int) -> float:
        """Return the cumulant of one component, of order 3 or 4.

        Raises:
            ValueError: If it is infinite, or of another order.
        """


class NormalDraw(AbstractStandardDraw):
    """Independent standard normal components.

    Args:
        size: Number of components per step.
        dtype: Floating-point type; the default is JAX's current default.
        stream: Stream of random numbers.

    Example:
        >>> import jax.numpy as jnp
        >>> NormalDraw(3).sample(0, jnp.arange(5), 7).shape
        (3, 5)
    """

    size: int = count_field("size")
    dtype: Any = eqx.field(static=True, default=None)
    stream: int = eqx.field(static=True, default=Stream.GAUSSIAN)

    leading_cumulant: ClassVar[int | None] = None
    independent_steps: ClassVar[bool] = True
    finite_moments: ClassVar[float] = math.inf

    def sample(self, seed: ArrayLike, path_index: Int[Array, " paths"], step: ArrayLike) -> Float[Array, "size paths"]:
        """Draw `(size, paths)` standard normals, the ones the noise path of the same counters uses."""
        return normal(seed, path_index, step, self.size, stream=self.stream, dtype=self.dtype)

    def cumulant(self, order: int) -> float:
        """Return 0: normal components have no cumulant beyond the variance."""
        check_count(order, "order", 3)
        return 0.0


class SignDraw(AbstractStandardDraw):
    """Independent signs ±1 (Rademacher): no skewness, but fourth cumulant −2.

    Args:
        size: Number of components per step.
        dtype: Floating-point type; the default is JAX's current default.
        stream: Stream of random numbers.

    Example:
        >>> import jax.numpy as jnp
        >>> bool(jnp.all(jnp.abs(SignDraw(2).sample(0, jnp.arange(4), 1)) == 1))
        True
    """

    size: int = count_field("size")
    dtype: Any = eqx.field(static=True, default=None)
    stream: int = eqx.field(static=True, default=Stream.GAUSSIAN)

    leading_cumulant: ClassVar[int | None] = 4
    independent_steps: ClassVar[bool] = True
    finite_moments: ClassVar[float] = math.inf

    def sample(self, seed: ArrayLike, path_index: Int[Array, " paths"], step: ArrayLike) -> Float[Array, "size paths"]:
        """Draw `(size, paths)` signs."""
        return signs(seed, path_index, step, self.size, stream=self.stream, dtype=self.dtype)

    def cumulant(self, order: int) -> float:
        """Return the cumulant of a sign: 0 of order 3, −2 of order 4."""
        return known_cumulant(self, order, {3: 0.0, 4: -2.0})


def known_cumulant(draw: AbstractStandardDraw, order: int, known: Mapping[int, float]) -> float:
    """Look a cumulant up, or say that there is none to tell."""
    if order not in known:
        raise ValueError(
            f"{draw} does not tell cumulant {order} of its components: it is infinite, or of an order other than 3 and "
            "4; use NormalDraw, or `problem.gaussian()`."
        )
    return known[order]
