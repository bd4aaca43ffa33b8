"""Gradient noise of minibatches, without ever forming a covariance matrix."""

import abc
import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from sde_momentum.problems._base import AbstractProblem
from sde_momentum.problems._check import check_parameters, check_scalar, check_weights
from sde_momentum.problems._draw_index import AbstractIndexDraw


class AbstractMinibatch(AbstractProblem):
    r"""L = (1/n) Σ_k ℓ_k over n examples, with the gradient of a batch of B of them as stochastic gradient.

    With g_k = ∇ℓ_k and replacement, Σ = (1/(B n)) Σ_k (g_k − ∇L)(g_k − ∇L)ᵀ, and its factor has one column an example:

        S(x) w = (B n)^{-1/2} Σ_k (w_k − w̄) g_k ,

    the gradient of one weighted sum of losses. Without replacement Σ is smaller by (n − B)/(n − 1).

    Attributes:
        data: Pytree whose leaves share axis 0, one row an example.
        draw: Which examples a step uses.
    """

    data: eqx.AbstractVar[PyTree[Array]]
    draw: eqx.AbstractVar[AbstractIndexDraw]

    leading_cumulant: ClassVar[int | None] = 3

    @abc.abstractmethod
    def batch_loss(self, x: PyTree[ArrayLike], batch: PyTree[Array]) -> Float[Array, ""]:
        """Return the mean loss of the rows of `batch`, a slice of the data along axis 0."""

    @property
    def noise_dim(self) -> int:
        """Number of examples n: one component of noise each."""
        return self.draw.population

    def noise_amplitude(self) -> float:
        """Return the amplitude of S: √(f/(B n)) with f = 1, or (n − B)/(n − 1) without replacement."""
        return math.sqrt(self.draw.variance_factor / (self.draw.size * self.draw.population))

    def loss(self, x: PyTree[ArrayLike]) -> Float[Array, ""]:
        """Return the loss of all the data, L(x)."""
        return check_scalar(self.batch_loss(check_parameters(x), self.data))

    def gradient(self, x: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return ∇L(x) by one backward pass over all the data."""
        return jax.grad(self.loss)(check_parameters(x))

    def example_losses(self, x: PyTree[ArrayLike]) -> Float[Array, " examples"]:
        """Return the n losses ℓ_k(x)."""
        return jax.vmap(lambda row: self._row_loss(x, row))(self.data)

    def example_gradients(self, x: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return the n gradients ∇ℓ_k(x), examples along axis 0 of every leaf; n times the memory of x."""
        x = check_parameters(x)
        return jax.vmap(lambda row: jax.grad(self._row_loss)(x, row))(self.data)

    def noise_product(self, x: PyTree[ArrayLike], w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return S(x) w by one weighted backward pass."""
        return self.weighted_gradient(x, 0.0, w)

    def weighted_gradient(self, x: PyTree[ArrayLike], a: ArrayLike, w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return a ∇L(x) + S(x) w by one weighted backward pass: weights a/n + (w_k − w̄)/√(B n)."""
        x, w = check_parameters(x), check_weights(w, self.noise_dim)
        weights = jnp.asarray(a, w.dtype) / self.noise_dim + self.noise_amplitude() * (w - jnp.mean(w))

        def weighted_loss(y: PyTree[Array]) -> Array:
            losses = self.example_losses(y)
            return jnp.dot(weights.astype(losses.dtype), losses)

        return jax.grad(weighted_loss)(x)

    def factor(self, x: PyTree[ArrayLike]) -> Float[Array, "dimension noise_dim"]:
        """Return S(x) as a dense matrix on the raveled parameters, from the n example gradients."""
        gradients = jax.vmap(lambda g: ravel_pytree(g)[0], out_axes=-1)(self.example_gradients(x))
        return self.noise_amplitude() * (gradients - jnp.mean(gradients, axis=-1, keepdims=True))

    def stochastic_gradient(
        self, x: PyTree[ArrayLike], draw: Int[ArrayLike, " size"], noise_scale: ArrayLike = 1.0
    ) -> PyTree[Array]:
        """Return ∇L + σ (g_B − ∇L); one pass over the batch alone when σ is the Python number 1."""
        x = check_parameters(x)
        index = check_index(draw, self.draw.size)
        batch = jax.tree.map(lambda leaf: leaf.at[index].get(mode="promise_in_bounds"), self.data)
        if isinstance(noise_scale, int | float) and noise_scale == 1:
            return jax.grad(lambda y: check_scalar(self.batch_loss(y, batch)))(x)

        def mixed_loss(y: PyTree[Array]) -> Array:
            full, part = self.loss(y), check_scalar(self.batch_loss(y, batch))
            return full + jnp.asarray(noise_scale, full.dtype) * (part - full)

        return jax.grad(mixed_loss)(x)

    def _row_loss(self, x: PyTree[ArrayLike], row: PyTree[Array]) -> Array:
        return check_scalar(self.batch_loss(x, jax.tree.map(lambda leaf: leaf[None], row)))


def check_index(index: Int[ArrayLike, " size"], size: int) -> Array:
    """Refuse draws that are not one replica's batch of indices."""
    index = jnp.asarray(index)
    if index.shape != (size,) or not jnp.issubdtype(index.dtype, jnp.integer):
        raise ValueError(
            f"draw must hold the {size} integer indices of one replica's batch, but has shape {index.shape} and dtype "
            f"{index.dtype}: take it from problem.draw.sample and batch with jax.vmap(..., in_axes=-1)."
        )
    return index
