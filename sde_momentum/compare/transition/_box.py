"""Expectations on a Chebyshev box: for laws that are wide beside the scale on which loss and noise change."""

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from sde_momentum.compare.transition._domain import find_domain
from sde_momentum.compare.transition._expectation import Expectation
from sde_momentum.compare.transition._grid import ChebyshevGrid, stretched
from sde_momentum.compare.transition._noise import MOST_POINTS, NoiseLaw

# Nodes per axis, points per axis of a Gaussian rule, stretch of the box: successive levels change all three, so that
# their difference sees every approximation.
_LEVELS = {
    1: ((96, 12, 1.0), (144, 16, 1.08), (216, 20, 1.16), (324, 24, 1.24)),
    2: ((40, 7, 1.0), (54, 9, 1.1), (72, 11, 1.2)),
}


def box_serves(dimension, noise):
    """Whether there is a box for so many components, and each of its levels can sum over the noise."""
    levels = _LEVELS.get(dimension, ())
    return bool(levels) and max(rule for _, rule, _ in levels) ** noise.gaussian_dimension <= MOST_POINTS


def box_chain_expectation(step, observables, start, steps, noise, domain, tolerance):
    """Expectations of a chain; arguments as those of `chain_expectation`, functions of arrays of shape `(d, N)`."""
    if domain is None:
        domain = find_domain(step, noise.at_level(8 if len(start) == 1 else 5), start, steps)

    def solve(grid, count, initial):
        return _chain_values(grid, step, noise.at_level(count), initial, steps)

    return _refined(solve, observables, start, domain, tolerance)


def box_sde_expectation(drift, diffusion, observables, start, time, domain, tolerance):
    """Expectations of an equation; arguments as those of `sde_expectation`, with a factor of shape `(d, noises, N)`."""
    if domain is None:
        domain = _sde_domain(drift, diffusion, start, time)

    def solve(grid, count, initial):
        return _sde_values(grid, drift, diffusion, initial, time)

    return _refined(solve, observables, start, domain, tolerance)


def _refined(solve, observables, start, domain, tolerance):
    """Levels of refinement until successive values agree."""
    count = len(observables)
    if domain is None:
        return Expectation(np.full(count, np.nan), np.full(count, np.inf), None, 0, False)
    values = residuals = np.full(count, np.inf)
    converged = False
    for nodes, rule, stretch in _LEVELS[len(start)]:
        grid = ChebyshevGrid(stretched(domain, stretch), nodes)
        with np.errstate(all="ignore"):
            final = solve(grid, rule, np.stack([f(grid.points) for f in observables], axis=1))
            fresh = grid.evaluate(final, start)
            residuals, values = np.abs(fresh - values), fresh
        converged = bool(np.all(residuals <= tolerance * np.maximum(1, np.abs(values))))
        if converged:
            break
    residuals = np.where(np.isfinite(residuals), residuals, np.inf)
    return Expectation(values, residuals, grid.domain, nodes, converged)


def _chain_values(grid, move, noise, values, steps):
    points = grid.points
    images = np.stack([move(points, point) for point in noise.points])
    mean = np.tensordot(noise.weights, images, 1)
    images = points + grid.confine(mean - points) + grid.collar * (images - mean)
    operator = grid.interpolation(grid.vandermonde(np.moveaxis(images, 1, 0)), noise.weights)
    # Column by column: a product with two columns runs at half the speed of two products with one.
    functions = list(values.T)
    for _ in range(steps):
        functions = [operator @ u for u in functions]
    return np.stack(functions, axis=1)


def _sde_values(grid, drift, diffusion, values, time):
    speed = grid.confine(drift(grid.points))
    factor = grid.collar * diffusion(grid.points)
    derivatives = grid.derivatives()
    if grid.dimension == 1:
        first = derivatives[0]
        generator = speed[0][:, None] * first + 0.5 * (factor[0] ** 2).sum(axis=0)[:, None] * (first @ first)
        return expm(time * generator) @ values
    return _sde_values_by_steps(grid, speed, 0.5 * np.einsum("ian,jan->ijn", factor, factor), values, time)


def _sde_values_by_steps(grid, speed, covariance, values, time):
    """The equation in two dimensions, with the operator applied to one function after another, never as a matrix."""
    shape = (values.shape[1], grid.count, grid.count)
    speed, covariance = speed.reshape(2, *shape[1:]), covariance.reshape(2, 2, *shape[1:])
    rows, columns = grid.derivatives()[0], grid.derivatives()[1].T

    def rate(_, flat):
        u = flat.reshape(shape)
        ux, uy = rows @ u, u @ columns
        total = speed[0] * ux
        total += speed[1] * uy
        total += covariance[0, 0] * (rows @ ux)
        total += covariance[1, 1] * (uy @ columns)
        total += 2 * covariance[0, 1] * (ux @ columns)
        return total.ravel()

    solution = solve_ivp(rate, (0.0, time), values.T.ravel(), method="DOP853", rtol=1e-10, atol=1e-11)
    return solution.y[:, -1].reshape(shape[0], -1).T


def _sde_domain(drift, diffusion, start, time, steps=128):
    """Box of the Euler–Maruyama chain of the equation."""
    duration, count = time / steps, 8 if len(start) == 1 else 5
    noises = diffusion(start[:, None]).shape[1]
    if count**noises > MOST_POINTS:
        # Only the covariance matters, and has a factor with as few columns as there are components.
        diffusion, noises = _few_columns(diffusion), len(start)

    def move(x, xi):
        kick = np.einsum("ian,a->in", diffusion(x), np.atleast_1d(xi))
        return x + duration * drift(x) + np.sqrt(duration) * kick

    return find_domain(move, NoiseLaw.gaussian(noises, count), start, steps)


def _few_columns(diffusion):
    """The symmetric root of S S^T in place of S; the law is the same."""

    def factor(x):
        columns = np.moveaxis(diffusion(x), -1, 0)
        values, vectors = np.linalg.eigh(columns @ columns.swapaxes(1, 2))
        return np.moveaxis((vectors * np.sqrt(np.maximum(values, 0.0))[:, None]) @ vectors.swapaxes(1, 2), 0, -1)

    return factor
