"""Any JAX loss with a noise factor written by the user."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.problems._base import AbstractProblem, combine, dense_factor
from sde_momentum.problems._check import (
    check_count,
    check_finite,
    check_parameters,
    check_scalar,
    check_weights,
    given_start,
)
from sde_momentum.problems._draw import AbstractStandardDraw, NormalDraw
from sde_momentum.problems._factor_noise import check_standard


class General(AbstractProblem):
    r"""A user's loss L(x) and noise ξ = S(x) z. Built by `general`, which describes the arguments."""

    loss_function: Callable[[PyTree], Array]
    noise_factor: Callable[[PyTree, Array], PyTree]
    start: PyTree[Array] | None
    noise_dim: int = eqx.field(static=True)
    draw: AbstractStandardDraw

    @property
    def leading_cumulant(self) -> int | None:
        """Order of the lowest cumulant beyond the covariance, that of the draw."""
        return self.draw.leading_cumulant

    def initial(self, seed: int = 0) -> PyTree[Array]:
        """Return the start that was given to the factory."""
        del seed
        return given_start(self.start, "general")

    def loss(self, x: PyTree[ArrayLike]) -> Float[Array, ""]:
        """Return the loss L(x)."""
        return check_scalar(self.loss_function(check_parameters(x)))

    def gradient(self, x: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return ∇L(x) by reverse-mode differentiation."""
        return jax.grad(self.loss)(check_parameters(x))

    def noise_product(self, x: PyTree[ArrayLike], w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return S(x) w as the user wrote it."""
        x = check_parameters(x)
        product = self.noise_factor(x, check_weights(w, self.noise_dim))
        return jax.tree.map(_like, x, _check_structure(product, x))

    def weighted_gradient(self, x: PyTree[ArrayLike], a: ArrayLike, w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return a ∇L(x) + S(x) w."""
        return combine(a, self.gradient(x), 1.0, self.noise_product(x, w))

    def factor(self, x: PyTree[ArrayLike]) -> Float[Array, "dimension noise_dim"]:
        """Return S(x) as a dense matrix on the raveled parameters."""
        return dense_factor(self, x)

    def stochastic_gradient(
        self, x: PyTree[ArrayLike], draw: Float[ArrayLike, " noise_dim"], noise_scale: ArrayLike = 1.0
    ) -> PyTree[Array]:
        """Return ∇L(x) + σ S(x) z."""
        return self.weighted_gradient(x, 1.0, noise_scale * jnp.asarray(draw))


def general(
    loss: Callable[[PyTree], Array],
    noise_factor: Callable[[PyTree, Array], PyTree],
    noise_dim: int,
    *,
    start: PyTree[ArrayLike] | None = None,
    draw: AbstractStandardDraw | None = None,
    dtype: Any = None,
) -> General:
    r"""Any differentiable JAX loss on a pytree, with gradient noise ξ = S(x) z.

    Args:
        loss: Function x ↦ L(x), a real scalar; x is a pytree of real arrays.
        noise_factor: Function (x, w) ↦ S(x) w, linear in `w` of shape `(noise_dim,)`, with the structure of x.
        noise_dim: Number of columns of S.
        start: What `initial` returns. When given, the noise factor is tried out on it at once.
        draw: Law of z, with mean 0 and unit covariance; default Gaussian.
        dtype: Floating-point type of the default draw.

    Returns:
        The problem.

    Raises:
        ValueError: If the loss is not a real scalar, or S(x) w is not shaped like x or not linear in w (the latter at
            once when `start` is given, the others when first traced).

    Example:
        >>> import jax.numpy as jnp
        >>> problem = general(lambda x: jnp.sum(x["a"] ** 4), lambda x, w: {"a": x["a"] * w}, noise_dim=2)
        >>> problem.gradient({"a": jnp.array([1.0, 2.0])})["a"].tolist()
        [4.0, 32.0]
    """
    for name, function in (("loss", loss), ("noise_factor", noise_factor)):
        if not callable(function):
            raise ValueError(f"{name} must be a function, but is {function!r}.")
    noise_dim = check_count(noise_dim, "noise_dim")
    draw = NormalDraw(noise_dim, dtype) if draw is None else draw
    check_standard(draw, noise_dim)
    start = None if start is None else check_parameters(check_finite(start, "start"))
    problem = General(loss, noise_factor, start, noise_dim, draw)
    if start is not None:
        _check_linear(problem, start)
    return problem


def _check_linear(problem: General, x: PyTree[Array]) -> None:
    """Refuse a product S(x) w that is not linear in w: its columns would not be those of a factor of Σ."""
    one = np.linspace(0.5, 1.5, problem.noise_dim).astype(jnp.result_type(float))
    other = one[::-1] ** 2
    product = lambda x, w: ravel_pytree(problem.noise_product(x, w))[0]
    # One program: done one by one, its operations would be compiled one by one.
    products = jax.jit(lambda x: [product(x, w) for w in map(jnp.asarray, (one, other, one - 2 * other))])(x)
    if any(isinstance(product, jax.core.Tracer) for product in products):
        return
    first, second, both = (np.asarray(product, np.float64) for product in products)
    scale = np.max(np.abs(first) + np.abs(second), initial=0.0)
    if np.any(np.abs(both - (first - 2 * second)) > 100 * float(jnp.finfo(products[0].dtype).eps) ** 0.5 * scale):
        raise ValueError(
            "noise_factor(x, w) is not linear in w at start: it must return the product S(x) w, such as "
            "`lambda x, w: S(x) @ w`."
        )


def _like(x: Array, product: ArrayLike) -> Array:
    return jnp.asarray(product, x.dtype)


def _check_structure(product: PyTree, x: PyTree[Array]) -> PyTree:
    """Refuse a product S(x) w that cannot be added to x."""
    expected, received = jax.tree.map(jnp.shape, x), jax.tree.map(jnp.shape, product)
    if expected != received:
        raise ValueError(f"noise_factor(x, w) must be shaped like x, {expected}, but is {received}.")
    return product
