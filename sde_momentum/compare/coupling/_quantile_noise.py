"""A problem's own noise as a function of the normals of its Gaussian twin."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.compare.coupling._comonotone import RankedDraws, comonotone, ranked_draws
from sde_momentum.problems import AbstractProblem, AbstractWrapped, NormalDraw


class QuantileNoise(AbstractWrapped):
    """A problem with the law of its noise unchanged, drawn as quantiles of the normals that drive its Gaussian twin.

    An optimizer on it and the equation on the twin then share one Brownian path, as close as their laws allow. Built by
    `driven_by_normals`.

    Attributes:
        problem: the problem.
        draw: normals, one a column of the factor S.
        quantiles: from the parameters and the normals to a draw of the problem.
    """

    problem: AbstractProblem
    draw: NormalDraw
    quantiles: Callable[[PyTree[Array], Array], PyTree[Array]]

    @property
    def leading_cumulant(self) -> int | None:
        """That of the problem: the law is the same."""
        return self.problem.leading_cumulant

    def noise_product(self, x: PyTree[ArrayLike], w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return S(x) w."""
        return self.problem.noise_product(x, w)

    def weighted_gradient(self, x: PyTree[ArrayLike], a: ArrayLike, w: Float[ArrayLike, " noise_dim"]) -> PyTree[Array]:
        """Return a ∇L(x) + S(x) w."""
        return self.problem.weighted_gradient(x, a, w)

    def factor(self, x: PyTree[ArrayLike]) -> Float[Array, "dimension noise_dim"]:
        """Return S(x)."""
        return self.problem.factor(x)

    def stochastic_gradient(
        self, x: PyTree[ArrayLike], draw: Float[ArrayLike, " noise_dim"], noise_scale: ArrayLike = 1.0
    ) -> PyTree[Array]:
        """Return the problem's stochastic gradient at the quantiles of the normals."""
        return self.problem.stochastic_gradient(x, self.quantiles(x, jnp.asarray(draw)), noise_scale)


class _Componentwise(eqx.Module):
    """Quantiles of independent components, wherever the parameters are."""

    draw: Any

    def __call__(self, x: PyTree[Array], normals: Array) -> Array:
        del x
        quantiles = comonotone(self.draw)
        if quantiles is None:
            raise ValueError(f"the components of {type(self.draw).__name__} are not functions of normals")
        return quantiles(normals)


class _Ranked(eqx.Module):
    """Quantiles of finitely many gradients of one parameter, along the normal that the twin's noise is there."""

    problem: AbstractProblem
    ranked: RankedDraws

    def __call__(self, x: PyTree[Array], normals: Array) -> Array:
        kick = ravel_pytree(self.problem.noise_product(x, normals))[0][0]
        size = jnp.sqrt(self.problem.covariance(x)[0, 0])
        return self.ranked(self.problem, x, kick / jnp.where(size > 0, size, 1.0))


def driven_by_normals(problem: AbstractProblem, x0: PyTree[Array]) -> QuantileNoise | None:
    """The problem with noise made of normals, or None where no map of normals is near its noise at every point.

    Independent components (signs, gamma, Student) have one, and so have minibatches of one parameter; with several
    parameters minibatches have none.

    Args:
        problem: loss and noise.
        x0: parameters at the start, for their number.
    """
    if comonotone(problem.draw) is not None:
        quantiles: Any = _Componentwise(problem.draw)
    else:
        ranked = ranked_draws(problem, x0)
        if isinstance(problem.draw, NormalDraw) or ranked is None:
            return None
        quantiles = _Ranked(problem, ranked)
    return QuantileNoise(problem, problem.gaussian().draw, quantiles)
