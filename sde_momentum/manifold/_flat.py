"""A problem seen through its raveled parameters."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree


class FlatProblem(eqx.Module):
    """Loss and noise of a problem as functions of one flat array (d,).

    Args:
        problem: an object with `loss`, `noise_product` and `noise_dim`; its `factor` is used when it has one.
        like: parameters that fix the structure.
    """

    problem: Any
    like: PyTree[Array]

    def ravel(self, x: PyTree[Array]) -> Float[Array, " d"]:
        """The pytree as one array."""
        return ravel_pytree(x)[0]

    def unravel(self, flat: Float[Array, " d"]) -> PyTree[Array]:
        """The array as the pytree it came from."""
        return ravel_pytree(self.like)[1](flat)

    def loss(self, flat: Float[Array, " d"]) -> Float[Array, ""]:
        """L."""
        return self.problem.loss(self.unravel(flat))

    def noise_product(self, flat: Float[Array, " d"], w: Float[Array, " k"]) -> Float[Array, " d"]:
        """S w."""
        return self.ravel(self.problem.noise_product(self.unravel(flat), w))

    def factor(self, flat: Float[Array, " d"]) -> Float[Array, "d k"]:
        """S, dense."""
        if hasattr(self.problem, "factor"):
            return self.problem.factor(self.unravel(flat))
        columns = jnp.eye(self.problem.noise_dim, dtype=flat.dtype)
        return jax.vmap(lambda w: self.noise_product(flat, w), out_axes=1)(columns)

    def covariance(self, flat: Float[Array, " d"]) -> Float[Array, "d d"]:
        """Σ, dense."""
        if hasattr(self.problem, "covariance"):
            return self.problem.covariance(self.unravel(flat))
        factor = self.factor(flat)
        return factor @ factor.T
