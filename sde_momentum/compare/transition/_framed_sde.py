"""Expectations of Itô equations in Gaussian frames that move with the law."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy.integrate import solve_ivp

from sde_momentum.compare.transition._frames import (
    SPREAD,
    Array,
    Frame,
    FrameLevel,
    FrameLost,
    observed,
    root,
    scatter,
    triangular,
)
from sde_momentum.compare.transition._gaussian_rule import sparse_rule
from sde_momentum.compare.transition._hermite_basis import HermiteBasis, hermite_basis

# Knots of the frames of an equation in time.
_KNOTS = 24
# Tolerances of the moments that frames follow, and of the means of components that do not scatter.
_ROUGH, _SHARP = 1e-5, 1e-11
# Up to so many variables the rule of the moments is of degree 5, which costs their square.
_FEW = 4


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
        self.active, self.width = scatter(self._moments(nothing, _ROUGH)[1], start)
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
            return observed(observables, self.end[:, None])[0]
        basis = hermite_basis(len(self.active), level.degree)
        final = basis.project(observed(observables, self._frame(self.time)[0].states(basis.points)))
        generator = self._generator(basis, level.times)
        scale = np.abs(final).max(axis=0, initial=1e-300)
        rate = lambda elapsed, flat: generator(self.time - elapsed, flat.reshape(final.shape)).ravel()
        span, start = (0.0, self.time), (final / scale).ravel()
        solution = solve_ivp(rate, span, start, method="DOP853", rtol=level.accuracy, atol=0.1 * level.accuracy)
        if not solution.success:
            raise FrameLost(str(solution.message))
        coefficients = solution.y[:, -1].reshape(final.shape) * scale
        return (basis.values(np.zeros((len(self.active), 1))) @ coefficients)[0]

    def _generator(self, basis: HermiteBasis, count: int) -> Callable[[float, Array], Array]:
        r"""The map from (t, u) to $v\cdot\nabla u + \tfrac12 A:\nabla^2u$, on coefficients of shape `(size, n)`.

        Drift and covariance are tabulated at Chebyshev points in time; the operator is applied to one function after
        another, never formed as a matrix.
        """
        table = np.stack([self._local(t, *self._frame(t), basis.points).ravel() for t in self._times(count)])
        if not np.all(np.isfinite(table)):
            raise FrameLost("drift or noise are not finite on the frame")
        weights, split, points = _barycentric(count), basis.dimension, basis.points.shape[1]
        slopes = _AtPoints(basis, basis.gradient, split)
        bends = _AtPoints(basis, basis.hessian, split * (split + 1) // 2)

        def apply(t: float, u: Array) -> Array:
            local = (weights(2 * t / self.time - 1) @ table).reshape(-1, points)
            return basis.project(slopes.contracted(u, local[:split]) + bends.contracted(u, local[split:]))

        return apply

    def _local(self, t: float, frame: Frame, speed: Frame, z: Array) -> Array:
        """Drift of z and the terms of its covariance, ½ A_ii and A_ij for i < j, one row each at N points."""
        states, inverse = frame.states(z), np.linalg.inv(frame.factor[self.active])
        drift, columns = self.coefficients(t, states)
        apparent, columns = (drift - speed.states(z))[self.active], columns[self.active]
        # Points first: products of small matrices, one a point.
        scaled = inverse @ columns.transpose(2, 0, 1)
        products = scaled @ scaled.swapaxes(1, 2)
        rows, others = np.triu_indices(len(inverse))
        shares = np.where(rows == others, 0.5, 1.0)[:, None]
        return np.concatenate([inverse @ apparent, shares * products[:, rows, others].T])

    def _path(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        """Chebyshev coefficients in time of the frames and of their rate of change, one row a frame."""
        factors = np.zeros((*means.shape, len(self.active)))
        factors[:, self.active] = triangular(covariances[:, self.active[:, None], self.active])
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
        size, (points, weights) = len(self.start), sparse_rule(len(self.start), 5 if len(self.start) <= _FEW else 3)

        def rate(t: float, flat: Array) -> Array:
            mean, spread = flat[:size], root(flat[size:].reshape(size, size))
            drift, columns = self.coefficients(t, mean[:, None] + spread @ points)
            mixed = (drift * weights) @ points.T @ spread.T
            noise = np.einsum("iaq,jaq->ij", columns * weights, columns, optimize=True)
            return np.concatenate([drift @ weights, (mixed + mixed.T + noise).ravel()])

        start, span = np.concatenate([self.start, covariance.ravel()]), (0.0, self.time)
        times = self._times(_KNOTS)
        solution = solve_ivp(rate, span, start, method="DOP853", t_eval=times, rtol=tolerance, atol=1e-2 * tolerance)
        if not solution.success:
            raise FrameLost(str(solution.message))
        rows = solution.y.T
        return rows[:, :size], rows[:, size:].reshape(-1, size, size)


class _AtPoints:
    """Derivatives of polynomials at the points of a basis, contracted with fields there."""

    def __init__(self, basis: HermiteBasis, operator: Any, axes: int):
        self.basis, self.operator, self.axes = basis, operator, axes

    def contracted(self, u: Array, fields: Array) -> Array:
        """Sum over the derivatives times fields of shape `(axes, N)`; shape `(N, functions)`."""
        derivatives = (self.operator @ u).reshape(self.axes, -1, u.shape[1]).transpose(0, 2, 1)
        # One product of two matrices: many small ones are slower.
        halves = self.basis.expand(derivatives.reshape(-1, derivatives.shape[2]))
        parts = zip(np.split(fields, 2, axis=1), halves, strict=True)
        shape = self.axes, u.shape[1], -1
        return np.concatenate([np.einsum("iq,ifq->qf", part, values.reshape(shape)) for part, values in parts])


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
