r"""Expectations of low-dimensional processes in frames that move and widen with the law: Hermite–Galerkin, no grid.

Let $\gamma_k$ be a Gaussian close to the law of the state at step k. A transition operator maps $L^2(\gamma_{k+1})$
into $L^2(\gamma_k)$ and, were $\gamma$ the law itself, would be a contraction (Jensen). Backward functions are kept as
Hermite polynomials of $\gamma_k$, of bounded total degree, and nothing has to be said about boundaries. Laws that are
narrow beside the scale on which loss and noise change need few polynomials, in up to four dimensions.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from scipy.integrate import solve_ivp

from sde_momentum.compare.transition._hermite_basis import HermiteBasis, hermite_basis
from sde_momentum.compare.transition._noise import NoiseLaw

Array = np.ndarray
# Knots of the frames of an equation in time.
_KNOTS = 24
# Tolerances of the moments that frames follow, and of the means of components that do not scatter.
_ROUGH, _SHARP = 1e-5, 1e-11
# Width of the first frame, as a part of the largest. A narrow one widens fast, which costs points in time: 1/√(t + δ)
# with δ = T/16 in place of T/4 needs twice as many.
SPREAD = 0.5
# Numbers in one table of polynomials: as many as stay in the processor's cache.
_TABLE = 2**18


class FrameLost(ArithmeticError):
    """No Gaussian follows the law: moments overflow, or a covariance is not positive."""


class Frame(NamedTuple):
    r"""Coordinates z of the state $\mu + Az$; rows of A are zero for components that never scatter."""

    mean: Array
    factor: Array

    def states(self, z: Array) -> Array:
        """States at points of shape `(a, N)`."""
        return self.mean[:, None] + self.factor @ z


class FrameLevel(NamedTuple):
    """One level of approximation: total degree, points of a Gaussian rule of the noise, and points in time."""

    degree: int
    noise: int
    times: int

    def basis(self, dimension: int) -> HermiteBasis:
        """The polynomials of this level."""
        return hermite_basis(dimension, self.degree, self.degree + 3)


class FramedChain:
    """A Markov chain in moving frames.

    Args:
        step: `step(k, x, points)`, the next states for every noise point, shape `(noises, d, N)`.
        start: shape `(d,)`.
        steps: number of steps.
        noise: law of one step's noise.
    """

    def __init__(self, step: Callable[..., Array], start: Array, steps: int, noise: NoiseLaw):
        self.step, self.start, self.steps, self.noise = step, start, steps, noise
        means, covariances = zip(*self._pilot(), strict=True)
        self.end, (self.active, self.width) = means[-1], _scatter(covariances, start)

    def expectations(self, observables: Sequence[Callable[[Array], Array]], level: FrameLevel) -> Array:
        """Expected observables at the end; shape `(observables,)`."""
        if not len(self.active):
            return _observed(observables, self.end[:, None])[0]
        basis, noise = level.basis(len(self.active)), self.noise.at_level(level.noise)
        frame, images = _frame(self.start, np.diag((SPREAD * self.width) ** 2), self.active), []
        for k in range(self.steps):
            moved = self.step(k, frame.states(basis.points), noise.points)
            mean, covariance = _moments(moved, noise.weights, basis.weights)
            frame = _frame(mean, covariance[np.ix_(self.active, self.active)], self.active)
            images.append(_local(frame, moved, self.active))
        coefficients = basis.project(_observed(observables, frame.states(basis.points)))
        for moved in reversed(images):
            coefficients = basis.project(_mean_values(basis, moved, noise.weights, coefficients))
        return (basis.values(np.zeros((len(self.active), 1))) @ coefficients)[0]

    def _pilot(self):
        """Mean and covariance of the chain from its start, as if its law stayed Gaussian."""
        noise, basis = self.noise.at_level(5), hermite_basis(len(self.start), 1, 3)
        mean, covariance = self.start, np.zeros((len(self.start),) * 2)
        for k in range(self.steps):
            moved = self.step(k, mean[:, None] + _root(covariance) @ basis.points, noise.points)
            mean, covariance = _moments(moved, noise.weights, basis.weights)
            yield mean, covariance


class FramedSDE:
    """An Itô equation in moving frames.

    Args:
        coefficients: `coefficients(t, x)`, drift of shape `(d, N)` and noise factor of shape `(d, noises, N)`.
        start: shape `(d,)`.
        time: duration.
    """

    def __init__(self, coefficients: Callable[..., tuple[Array, Array]], start: Array, time: float):
        self.coefficients, self.start, self.time = coefficients, start, time
        nothing = np.zeros((len(start),) * 2)
        self.active, self.width = _scatter(self._moments(nothing, _ROUGH)[1], start)
        # Frames need not be the law's own; but components that do not scatter are known through their mean alone.
        tolerance = _ROUGH if len(self.active) == len(start) else _SHARP
        if not len(self.active):
            self.end = self._moments(nothing, tolerance)[0][-1]
            return
        nothing[self.active, self.active] = (SPREAD * self.width) ** 2
        self.path = self._path(*self._moments(nothing, tolerance))

    def expectations(self, observables: Sequence[Callable[[Array], Array]], level: FrameLevel) -> Array:
        """Expected observables at the end; shape `(observables,)`."""
        if not len(self.active):
            return _observed(observables, self.end[:, None])[0]
        basis = level.basis(len(self.active))
        final = basis.project(_observed(observables, self._frame(self.time)[0].states(basis.points)))
        generators, weights = self._generators(basis, level.times), _barycentric(level.times)

        def rate(elapsed: float, flat: Array) -> Array:
            at = weights(1 - 2 * elapsed / self.time)
            return ((at @ generators).reshape(basis.size, -1) @ flat.reshape(final.shape)).ravel()

        scale = np.abs(final).max(axis=0, initial=1e-300)
        span, start = (0.0, self.time), (final / scale).ravel()
        solution = solve_ivp(rate, span, start, method="DOP853", rtol=1e-12, atol=1e-13)
        if not solution.success:
            raise FrameLost(str(solution.message))
        coefficients = solution.y[:, -1].reshape(final.shape) * scale
        return (basis.values(np.zeros((len(self.active), 1))) @ coefficients)[0]

    def _generators(self, basis: HermiteBasis, count: int) -> Array:
        """The generator as a matrix on polynomials, at Chebyshev points in time; shape `(count, size²)`."""
        slopes, bends = basis.gradient, basis.hessian
        matrices = []
        for t in self._times(count):
            velocity, covariance = self._local(t, *self._frame(t), basis.points)
            change = np.einsum("iq,iqb->qb", velocity, slopes) + 0.5 * np.einsum("ijq,ijqb->qb", covariance, bends)
            matrices.append(basis.project(change).ravel())
        if not np.all(np.isfinite(matrices)):
            raise FrameLost("drift or noise are not finite on the frame")
        return np.array(matrices)

    def _local(self, t: float, frame: Frame, speed: Frame, z: Array) -> tuple[Array, Array]:
        """Drift and covariance of z, of shapes `(a, N)` and `(a, a, N)`."""
        states, factor = frame.states(z), frame.factor[self.active]
        drift, columns = self.coefficients(t, states)
        apparent, columns = (drift - speed.states(z))[self.active], columns[self.active]
        scaled = np.linalg.solve(factor, columns.reshape(len(factor), -1)).reshape(columns.shape)
        return np.linalg.solve(factor, apparent), np.einsum("ian,jan->ijn", scaled, scaled)

    def _path(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        """Chebyshev coefficients in time of the frames and of their rate of change, one row a frame."""
        factors = np.zeros((*means.shape, len(self.active)))
        factors[:, self.active] = _triangular(covariances[:, self.active[:, None], self.active])
        table = np.concatenate([means, factors.reshape(len(means), -1)], axis=1)
        fit = np.linalg.solve(chebyshev.chebvander(_nodes(_KNOTS), _KNOTS - 1), table)
        return fit, chebyshev.chebder(fit) * 2 / self.time

    def _frame(self, t: float) -> tuple[Frame, Frame]:
        """The frame and its rate of change."""
        size = len(self.start)
        rows = (chebyshev.chebval(2 * t / self.time - 1, part) for part in self.path)
        first, second = (Frame(row[:size], row[size:].reshape(size, -1)) for row in rows)
        return first, second

    def _times(self, count: int) -> Array:
        return self.time * (_nodes(count) + 1) / 2

    def _moments(self, covariance: Array, tolerance: float) -> tuple[Array, Array]:
        """Means and covariances at the knots, as if the law stayed Gaussian."""
        size, basis = len(self.start), hermite_basis(len(self.start), 1, 3)

        def rate(t: float, flat: Array) -> Array:
            mean, root = flat[:size], _root(flat[size:].reshape(size, size))
            states = mean[:, None] + root @ basis.points
            drift, columns = self.coefficients(t, states)
            mixed = np.einsum("q,iq,jq->ij", basis.weights, drift, basis.points) @ root.T
            noise = np.einsum("q,iaq,jaq->ij", basis.weights, columns, columns)
            return np.concatenate([drift @ basis.weights, (mixed + mixed.T + noise).ravel()])

        start, span = np.concatenate([self.start, covariance.ravel()]), (0.0, self.time)
        times = self._times(_KNOTS)
        solution = solve_ivp(rate, span, start, method="DOP853", t_eval=times, rtol=tolerance, atol=1e-2 * tolerance)
        if not solution.success:
            raise FrameLost(str(solution.message))
        rows = solution.y.T
        return rows[:, :size], rows[:, size:].reshape(-1, size, size)


def _nodes(count: int) -> Array:
    return -np.cos(np.pi * np.arange(count) / (count - 1))


def _barycentric(count: int) -> Callable[[float], Array]:
    """Weights with which values at Chebyshev nodes give the polynomial through them at a place in [−1, 1]."""
    nodes, signs = _nodes(count), (-1.0) ** np.arange(count)
    signs[[0, -1]] /= 2

    def weights(place: float) -> Array:
        apart = place - nodes
        hit = apart == 0
        if hit.any():
            return hit.astype(float)
        terms = signs / apart
        return terms / terms.sum()

    return weights


def _scatter(covariances: Sequence[Array], start: Array) -> tuple[Array, Array]:
    """Which components scatter at all, and how far at most."""
    width = np.sqrt(np.maximum(np.max([np.diag(c) for c in covariances], axis=0), 0.0))
    active = np.flatnonzero(width > 1e-9 * (1 + np.abs(start)))
    return active, width[active]


def _frame(mean: Array, covariance: Array, active: Array) -> Frame:
    """The frame of a mean and of the covariance of the components that scatter."""
    factor = np.zeros((len(mean), len(active)))
    factor[active] = _triangular(covariance)
    return Frame(mean, factor)


def _triangular(covariance: Array) -> Array:
    if not np.all(np.isfinite(covariance)):
        raise FrameLost("the moments of the process overflow")
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise FrameLost("the covariance of the process is singular") from error


def _moments(moved: Array, noise: Array, weights: Array) -> tuple[Array, Array]:
    """Mean and covariance over points of shape `(noises, d, points)`."""
    mean = np.einsum("n,niq,q->i", noise, moved, weights)
    apart = moved - mean[:, None]
    return mean, np.einsum("n,niq,njq,q->ij", noise, apart, apart, weights, optimize=True)


def _mean_values(basis: HermiteBasis, moved: Array, weights: Array, coefficients: Array) -> Array:
    """Averages over the noise of functions at points of shape `(noises, a, N)`; as many points at once as fit."""
    noises, _, count = moved.shape
    together = max(1, int(_TABLE // (count * basis.size)))
    total = np.zeros((count, coefficients.shape[1]))
    for first in range(0, noises, together):
        part, share = moved[first : first + together], weights[first : first + together]
        values = basis.values(np.moveaxis(part, 1, 0).reshape(part.shape[1], -1)) @ coefficients
        total += np.tensordot(share, values.reshape(len(part), count, -1), 1)
    return total


def _local(frame: Frame, moved: Array, active: Array) -> Array:
    factor, apart = frame.factor[active], moved[:, active] - frame.mean[active][:, None]
    return np.linalg.inv(factor) @ apart


def _root(covariance: Array) -> Array:
    if not np.all(np.isfinite(covariance)):
        raise FrameLost("the moments of the process overflow")
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _observed(observables: Sequence[Callable[[Array], Array]], states: Array) -> Array:
    return np.stack([f(states) for f in observables], axis=1)
