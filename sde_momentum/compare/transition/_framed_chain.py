"""Expectations of Markov chains in Gaussian frames that move with the law."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from sde_momentum.compare.transition._frames import (
    SPREAD,
    Array,
    FrameLevel,
    framed,
    observed,
    root,
    scatter,
)
from sde_momentum.compare.transition._halved_form import halved_form
from sde_momentum.compare.transition._hermite_basis import HermiteBasis, hermite_basis
from sde_momentum.compare.transition._noise import NoiseLaw
from sde_momentum.compare.transition._noisy_points import NoisyPoints, noisy_points

# Numbers in one table of polynomials: as many as stay in the processor's cache.
_TABLE = 2**18
# From so many variables on, and up to this degree, polynomials are evaluated as forms.
_MANY, _LOW = 5, 4

# `step(k, x, draws, which)`: the next states of x, shape `(d, N)`, each by the draw that `which` numbers.
Step = Callable[[int, Array, Array, Array], Array]


class FramedChain:
    """A Markov chain in moving frames.

    Args:
        step: `step(k, x, draws, which)`, the next states of x, shape `(d, N)`, by the draws that `which` numbers.
        start: shape `(d,)`.
        steps: number of steps.
        noise: law of one step's noise.
    """

    def __init__(self, step: Step, start: Array, steps: int, noise: NoiseLaw):
        self.step, self.start, self.steps, self.noise = step, start, steps, noise
        means, covariances = zip(*self._pilot(), strict=True)
        self.end, (self.active, self.width) = means[-1], scatter(covariances, start)

    def expectations(self, observables: Sequence[Callable[[Array], Array]], level: FrameLevel) -> Array:
        """Expected observables at the end; shape `(observables,)`."""
        count = len(self.active)
        if not count:
            return observed(observables, self.end[:, None])[0]
        basis = hermite_basis(count, level.degree)
        points = noisy_points(count, self.noise, level.degree, level.noise)
        frame, images = framed(self.start, np.diag((SPREAD * self.width) ** 2), self.active), []
        for k in range(self.steps):
            moved = self._moved(k, frame.states(points.points), points)
            mean, covariance = _moments(moved, points.weights)
            frame = framed(mean, covariance[np.ix_(self.active, self.active)], self.active)
            images.append(frame.local(moved, self.active))
        coefficients = basis.project(observed(observables, frame.states(basis.points)))
        for moved in reversed(images):
            coefficients = _sums(basis, points.states, points.gather(_values(basis, moved, coefficients)))
        return (basis.values(np.zeros((count, 1))) @ coefficients)[0]

    def _moved(self, k: int, states: Array, points: NoisyPoints) -> Array:
        return self.step(k, states, points.draws, points.draw)

    def _pilot(self) -> Iterator[tuple[Array, Array]]:
        """Mean and covariance of the chain from its start, as if its law stayed Gaussian."""
        points = noisy_points(len(self.start), self.noise, 1, 5)
        mean, covariance = self.start, np.zeros((len(self.start),) * 2)
        for k in range(self.steps):
            moved = self._moved(k, mean[:, None] + root(covariance) @ points.points, points)
            mean, covariance = _moments(moved, points.weights)
            yield mean, covariance


def _moments(moved: Array, weights: Array) -> tuple[Array, Array]:
    """Mean and covariance over points of shape `(d, N)`."""
    mean = moved @ weights
    apart = moved - mean[:, None]
    return mean, (apart * weights) @ apart.T


def _values(basis: HermiteBasis, z: Array, coefficients: Array) -> Array:
    """Functions at points of shape `(a, N)`; shape `(N, functions)`."""
    if _is_large(basis):
        form = halved_form(basis.dimension, basis.degree)
        matrix = form.matrix(coefficients)
        return np.concatenate([form.values(matrix, z[:, part]) for part in _parts(z, sum(matrix.shape))])
    return np.concatenate([basis.values(z[:, part]) @ coefficients for part in _parts(z, basis.size)])


def _sums(basis: HermiteBasis, z: Array, values: Array) -> Array:
    """Sums over points of values, shape `(N, functions)`, times every polynomial; shape `(size, functions)`."""
    if _is_large(basis):
        form = halved_form(basis.dimension, basis.degree)
        return sum(form.moments(values[part], z[:, part]) for part in _parts(z, sum(form.shape)))
    return sum(basis.values(z[:, part]).T @ values[part] for part in _parts(z, basis.size))


def _is_large(basis: HermiteBasis) -> bool:
    return basis.dimension >= _MANY and basis.degree <= _LOW


def _parts(z: Array, width: int) -> list[slice]:
    """As many points at once as fit."""
    together = max(64, _TABLE // width)
    return [slice(k, k + together) for k in range(0, z.shape[1], together)]
