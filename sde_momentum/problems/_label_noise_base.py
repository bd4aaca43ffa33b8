"""Regression with noisy labels: noise that is a multiple of the Hessian on the manifold of minimizers."""

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.problems._base import AbstractProblem
from sde_momentum.problems._check import check_parameters, check_weights
from sde_momentum.problems._draw import AbstractDraw, SignDraw
from sde_momentum.problems._draw_label import LabelDraw
from sde_momentum.problems._minibatch_base import check_index
from sde_momentum.solvers import Stream


class AbstractLabelNoise(AbstractProblem):
    r"""L(x) = (κ/n) Σ_k (f_k(x) − y_k)², every label disturbed by a fresh ±δ each time it is used.

    With residuals r = f − y and a batch of B examples drawn with replacement,

        g = (2κ/B) Σ_{k ∈ batch} (r_k − δ s_k) ∇f_k ,   Σ = (4κ²/(B n)) Σ_k (r_k² + δ²) ∇f_k ∇f_kᵀ − ∇L ∇Lᵀ/B ;

    with all labels at once, g = (2κ/n) Σ_k (r_k − δ s_k) ∇f_k. On the manifold r = 0 both give Σ = c H with
    c = 2κδ²/B (B = n for the full batch).

    Attributes:
        inputs: Inputs of the model, leading axis n.
        targets: Clean labels y, shape `(n,)`.
        delta: Size δ of the label noise.
        loss_factor: κ: ½ for (1/2n) Σ r², 1 for (1/n) Σ r².
        batch_size: B, or `None` for all examples, each with its own sign.
    """

    inputs: eqx.AbstractVar[PyTree[Array]]
    targets: eqx.AbstractVar[Float[Array, " n"]]
    delta: eqx.AbstractVar[Float[Array, ""]]
    loss_factor: eqx.AbstractVar[float]
    batch_size: eqx.AbstractVar[int | None]

    @abc.abstractmethod
    def predict(self, x: PyTree[ArrayLike], inputs: PyTree[Array]) -> Float[Array, " batch"]:
        """Return one prediction for every row of `inputs`."""

    @property
    def population(self) -> int:
        """Number of examples n."""
        return self.targets.shape[0]

    @property
    def noise_dim(self) -> int:
        """One component a label, and one more an example when batches are drawn."""
        return self.population if self.batch_size is None else 2 * self.population

    @property
    def draw(self) -> AbstractDraw:
        """Signs of all labels, or indices and signs of a batch."""
        if self.batch_size is None:
            return SignDraw(self.population, self.targets.dtype, Stream.LABELS)
        return LabelDraw(self.population, self.batch_size, self.targets.dtype)

    @property
    def leading_cumulant(self) -> int | None:
        """Order of the lowest cumulant beyond the covariance: 4 for signs alone, 3 for batches off the manifold."""
        return 4 if self.batch_size is None else 3

    @property
    def noise_curvature_ratio(self) -> Float[Array, ""]:
        """The constant c of Σ = c H on the manifold of minimizers, c = 2κδ²/B."""
        return 2 * self.loss_factor * self.delta**2 / (self.batch_size or self.population)

    def residuals(self, x: PyTree[ArrayLike]) -> Float[Array, " n"]:
        """Return f(x) − y."""
        return self._predictions(x, self.inputs, self.population) - self.targets

    def loss(self, x: PyTree[ArrayLike]) -> Float[Array, ""]:
        """Return (κ/n) Σ r², the loss with clean labels."""
        return self.loss_factor * jnp.mean(self.residuals(check_parameters(x)) ** 2)

    def gradient(self, x: PyTree[ArrayLike]) -> PyTree[Array]:
        """Return ∇L(x) by one backward pass."""
        return jax.grad(self.loss)(check_parameters(x))

    def noise_product(self, x: PyTree[ArrayLike], w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return S(x) w by one weighted backward pass; the first n components disturb labels, the rest the batch."""
        return self.weighted_gradient(x, 0.0, w)

    def weighted_gradient(self, x: PyTree[ArrayLike], a: ArrayLike, w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return a ∇L(x) + S(x) w by one weighted backward pass through the model."""
        residuals, backward = jax.vjp(self.residuals, check_parameters(x))
        w = check_weights(w, self.noise_dim).astype(residuals.dtype)
        return backward(self._cotangent(residuals, jnp.asarray(a, residuals.dtype), w))[0]

    def factor(self, x: PyTree[ArrayLike]) -> Float[Array, "dimension noise_dim"]:
        """Return S(x) as a dense matrix on the raveled parameters, from the Jacobian of the model."""
        flat, unravel = ravel_pytree(check_parameters(x))
        jacobian = jax.jacrev(lambda y: self.residuals(unravel(y)))(flat)
        residuals = self.residuals(x)
        mixing = jax.vmap(lambda w: self._cotangent(residuals, 0.0, w), out_axes=-1)
        return jacobian.T @ mixing(jnp.eye(self.noise_dim, dtype=residuals.dtype))

    def stochastic_gradient(
        self, x: PyTree[ArrayLike], draw: PyTree[ArrayLike], noise_scale: ArrayLike = 1.0
    ) -> PyTree[Array]:
        """Return ∇L + σ ξ; for a batch with the Python number σ = 1, one pass over the batch alone."""
        x = check_parameters(x)
        if self.batch_size is None:
            signs = check_weights(draw, self.population)
            shift = noise_scale * self.delta * signs
            return jax.grad(lambda y: self._disturbed(y, self.inputs, self.targets, shift))(x)
        index, signs = check_index(draw[0], self.batch_size), check_weights(draw[1], self.batch_size)
        inputs, targets = jax.tree.map(
            lambda leaf: leaf.at[index].get(mode="promise_in_bounds"), (self.inputs, self.targets)
        )

        def batch_loss(y: PyTree[Array]) -> Array:
            return self._disturbed(y, inputs, targets, self.delta * signs)

        if isinstance(noise_scale, int | float) and noise_scale == 1:
            return jax.grad(batch_loss)(x)

        def mixed_loss(y: PyTree[Array]) -> Array:
            full = self.loss(y)
            return full + jnp.asarray(noise_scale, full.dtype) * (batch_loss(y) - full)

        return jax.grad(mixed_loss)(x)

    def _predictions(self, x: PyTree[ArrayLike], inputs: PyTree[Array], rows: int) -> Array:
        predictions = jnp.asarray(self.predict(x, inputs))
        if predictions.shape != (rows,):
            raise ValueError(
                f"model must return one prediction per row, shape ({rows},), but returned {predictions.shape}: "
                "squeeze its last axis, or vmap it over the rows."
            )
        return predictions

    def _disturbed(self, x: PyTree[ArrayLike], inputs: PyTree[Array], targets: Array, shift: Array) -> Array:
        residuals = self._predictions(x, inputs, targets.shape[0]) - targets
        return self.loss_factor * jnp.mean((residuals - shift.astype(residuals.dtype)) ** 2)

    def _cotangent(self, residuals: Array, a: ArrayLike, w: Array) -> Array:
        """Weights on ∇f_k of a ∇L + S w."""
        n, batch = self.population, self.batch_size
        label = self.delta.astype(w.dtype) * w[:n]
        if batch is None:
            return 2 * self.loss_factor / n * (a * residuals + label)
        # Centering is over the example gradients r_k ∇f_k: subtracting mean(w) ∇L is subtracting mean(w) from w.
        choice = residuals * (w[n:] - jnp.mean(w[n:]))
        return 2 * self.loss_factor * (a * residuals / n + (label + choice) / math.sqrt(batch * n))
