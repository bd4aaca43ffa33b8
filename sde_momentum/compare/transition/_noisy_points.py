"""States together with the draws of one step: points of a rule for expectations over both."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.sparse import csr_matrix

from sde_momentum.compare.transition._gaussian_rule import HIGHEST_SPARSE, sparse_rule, sparse_size, tensor_rule
from sde_momentum.compare.transition._noise import NoiseLaw

Array = np.ndarray
# Up to so many variables, of the state or of state and noise, a product of rules on a line is no burden.
_FEW_STATES, _FEW = 2, 4
# Points of a rule, as many as are moved in a fraction of a second.
_MOST = 70_000


@dataclass(frozen=True, eq=False)
class NoisyPoints:
    """A rule for E h(z, ξ), z standard normal and ξ one step's noise.

    Attributes:
        states: values of z, each once; shape `(a, states)`.
        draws: values of ξ, each once, along the first axis.
        state: which state belongs to each point, shape `(N,)`.
        draw: which draw belongs to each point, increasing; shape `(N,)`.
        weights: of the points, shape `(N,)`.
    """

    states: Array
    draws: Array
    state: Array
    draw: Array
    weights: Array

    @property
    def points(self) -> Array:
        """The state z at every point, shape `(a, N)`."""
        return self.states[:, self.state]

    def gather(self, values: Array) -> Array:
        """Weighted sums over the points of each state; from `(N, …)` to `(states, …)`."""
        return self._sums @ values

    @cached_property
    def _sums(self) -> csr_matrix:
        count = len(self.weights)
        return csr_matrix((self.weights, (self.state, np.arange(count))), shape=(self.states.shape[1], count))

    @classmethod
    def product(cls, rule: tuple[Array, Array], noise: NoiseLaw) -> "NoisyPoints":
        """Every state with every draw."""
        (states, weights), count = rule, len(noise.weights)
        return cls(
            states,
            noise.points,
            np.tile(np.arange(states.shape[1]), count),
            np.repeat(np.arange(count), states.shape[1]),
            np.outer(noise.weights, weights).ravel(),
        )


@lru_cache(maxsize=8)
def joint_points(dimension: int, noises: int, degree: int) -> NoisyPoints:
    """State and normal noise by one sparse rule, exact to a total degree: where they are many, fewer than a product."""
    points, weights = sparse_rule(dimension + noises, degree)
    states, state = np.unique(points[:dimension], axis=1, return_inverse=True)
    draws, draw = np.unique(points[dimension:].T, axis=0, return_inverse=True)
    order = np.argsort(draw.ravel(), kind="stable")
    return NoisyPoints(states, draws, state.ravel()[order], draw.ravel()[order], weights[order])


def noisy_points(dimension: int, noise: NoiseLaw, degree: int, count: int) -> NoisyPoints:
    """The rule for polynomials of a degree in the state after the step.

    The step is no polynomial: degrees above that of the product of two polynomials are seen too, where there are few
    enough points.

    Args:
        dimension: of z.
        noise: law of one step's noise.
        degree: of the polynomials.
        count: points per axis of a Gaussian rule of the noise where state and noise are few.
    """
    normals, wanted = noise.gaussian_dimension, 2 * degree + 3
    if normals and dimension + normals > _FEW:
        return joint_points(dimension, normals, _affordable(dimension + normals, wanted, _MOST))
    law = noise.at_level(count)
    if dimension <= _FEW_STATES:
        return NoisyPoints.product(tensor_rule(dimension, degree + 3), law)
    return NoisyPoints.product(sparse_rule(dimension, _affordable(dimension, wanted, _MOST // len(law.weights))), law)


def _affordable(dimension: int, wanted: int, most: int) -> int:
    """The largest degree up to the wanted one whose sparse rule has few enough points."""
    degrees = range(min(wanted, HIGHEST_SPARSE), 3, -2)
    return next((degree for degree in degrees if sparse_size(dimension, degree) <= most), 3)
