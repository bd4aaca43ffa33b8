"""Expectations of low-dimensional processes without sampling: transition operators on a Chebyshev grid."""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from sde_momentum.compare._measured import NotApplicable
from sde_momentum.compare._transition_domain import find_domain
from sde_momentum.compare._transition_grid import ChebyshevGrid, stretched
from sde_momentum.compare._transition_noise import NoiseLaw

# Nodes per axis, points per axis of a Gaussian rule, stretch of the box: successive levels change all three, so that
# their difference sees every approximation.
_LEVELS = {
    1: ((96, 12, 1.0), (144, 16, 1.08), (216, 20, 1.16), (324, 24, 1.24)),
    2: ((40, 7, 1.0), (54, 9, 1.1), (72, 11, 1.2)),
}
_TOLERANCE = {1: 1e-10, 2: 1e-8}


@dataclass(frozen=True)
class Expectation:
    """Expected observables with the residual of their own refinement.

    Attributes:
        values: shape `(observables,)`; NaN where the process left every box.
        residuals: change at the last refinement, an estimate of the error of the level before; shape `(observables,)`.
        domain: box of the grid, shape `(d, 2)`; None when the process diverged.
        nodes: nodes per axis of the last level.
        converged: whether all residuals are within the tolerance, relative to max(1, |value|).
    """

    values: np.ndarray
    residuals: np.ndarray
    domain: np.ndarray | None
    nodes: int
    converged: bool


def chain_expectation(step, observables, start, steps, noise, *, domain=None, tolerance=None):
    r"""Expected observables of a Markov chain after a number of steps, without sampling.

    $u_{k+1}(x) = \sum_j w_j\,u_k(\mathtt{step}(x, \xi_j))$ from $u_0 = f$, each $u_k$ a Chebyshev interpolant.

    Args:
        step: `step(x, xi)`, the next state; x has shape `(N,)` in one dimension and `(2, N)` in two, xi is one noise
            point. Functions of NumPy or JAX (in 64 bits) both serve.
        observables: sequence of functions of x, each returning shape `(N,)`.
        start: a number, or two.
        steps: number of steps.
        noise: a `NoiseLaw`.
        domain: box, shape `(d, 2)`; found from the tail probability by default.
        tolerance: of the residual; 1e-10 in one dimension, 1e-8 in two.

    Returns:
        An `Expectation`. Not having converged is data, not an error.

    Raises:
        ValueError: a state of more than two dimensions, an observable that is not finite or of another shape.

    Example:
        >>> import numpy as np
        >>> flip = chain_expectation(lambda x, xi: 0.9 * x + 0.1 * xi, [np.square], 1.0, 3, NoiseLaw.rademacher())
        >>> expected = 0.9**6 + 0.01 * (1 + 0.9**2 + 0.9**4)
        >>> bool(abs(flip.values[0] - expected) < 1e-10), flip.converged
        (True, True)
    """
    x0, lift = _as_vector(start)
    move = _lifted(lambda x, xi: step(x, xi), lift, "step")
    if domain is None:
        domain = find_domain(move, noise.at_level(8 if len(x0) == 1 else 5), x0, steps)

    def solve(grid, count, initial):
        return _chain_values(grid, move, noise.at_level(count), initial, steps)

    return _refined(solve, _lifted_observables(observables, lift), x0, domain, tolerance)


def sde_expectation(drift, diffusion, observables, start, time, *, domain=None, tolerance=None):
    r"""Expected observables of an Itô equation, by its backward Kolmogorov equation.

    $\partial_t u = b\cdot\nabla u + \tfrac12 SS^T : \nabla^2 u$ from $u = f$, on a Chebyshev grid: a matrix exponential
    in one dimension, the operator applied to vectors in two.

    Args:
        drift: `drift(x)`, shape of x: `(N,)` in one dimension, `(2, N)` in two.
        diffusion: `diffusion(x)`, the coefficient S: shape `(N,)` in one dimension, `(2, noises, N)` in two.
        observables: sequence of functions of x, each returning shape `(N,)`.
        start: a number, or two.
        time: duration.
        domain: box, shape `(d, 2)`; found from the tail probability by default.
        tolerance: of the residual; 1e-10 in one dimension, 1e-8 in two.

    Returns:
        An `Expectation`.

    Raises:
        ValueError: as `chain_expectation`.

    Example:
        >>> import numpy as np
        >>> decay = sde_expectation(lambda x: -x, lambda x: 0.3 + 0 * x, [np.square], 1.0, 1.0)
        >>> exact = np.exp(-2) + 0.3**2 * (1 - np.exp(-2)) / 2
        >>> bool(abs(decay.values[0] - exact) < 1e-10), decay.converged
        (True, True)
    """
    x0, lift = _as_vector(start)
    speed = _lifted(drift, lift, "drift")

    def factor(x):
        value = np.asarray(diffusion(x[0] if lift else x), dtype=float)
        return np.broadcast_to(value, x.shape) if lift else value

    if domain is None:
        domain = _sde_domain(speed, factor, x0, time)

    def solve(grid, count, initial):
        return _sde_values(grid, speed, factor, initial, time)

    return _refined(solve, _lifted_observables(observables, lift), x0, domain, tolerance)


def _refined(solve, observables, start, domain, tolerance):
    """Levels of refinement until successive values agree."""
    count = len(observables)
    dimension = len(start)
    tolerance = _TOLERANCE[dimension] if tolerance is None else tolerance
    if domain is None:
        return Expectation(np.full(count, np.nan), np.full(count, np.inf), None, 0, False)
    values = residuals = np.full(count, np.inf)
    converged = False
    for nodes, rule, stretch in _LEVELS[dimension]:
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
        generator = speed[0][:, None] * first + 0.5 * (factor[0] ** 2)[:, None] * (first @ first)
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
    duration = time / steps
    dimension = len(start)
    noises = 1 if dimension == 1 else diffusion(start[:, None]).shape[1]

    def move(x, xi):
        kick = diffusion(x) * xi if dimension == 1 else np.einsum("ian,a->in", diffusion(x), np.atleast_1d(xi))
        return x + duration * drift(x) + np.sqrt(duration) * kick

    return find_domain(move, NoiseLaw.gaussian(noises, 8 if dimension == 1 else 5), start, steps)


def _as_vector(start):
    """Start as a vector, and whether the user's functions speak scalars."""
    x0 = np.atleast_1d(np.asarray(start, dtype=float))
    if x0.ndim != 1 or len(x0) > 2:
        raise ValueError(
            f"start has {x0.size} components: transition operators serve states of one or two; "
            "use affine moments for linear problems, or coupled sampling"
        )
    return x0, np.ndim(start) == 0


def _lifted(function, lift, name):
    """The user's function on arrays of shape (d, N)."""

    def call(x, *rest):
        value = np.asarray(function(x[0] if lift else x, *rest), dtype=float)
        value = np.broadcast_to(value, x.shape[1:])[None] if lift else value
        if value.shape != x.shape:
            raise ValueError(f"{name} must return the shape of the state, {x.shape}, got {value.shape}")
        return value

    return call


def _lifted_observables(observables, lift):
    def wrap(index, function):
        def call(x):
            value = np.asarray(function(x[0] if lift else x), dtype=float)
            if value.shape != x.shape[1:]:
                raise ValueError(
                    f"observable {index} must return one number per state, shape {x.shape[1:]}, got {value.shape}"
                )
            if not np.all(np.isfinite(value)):
                raise NotApplicable(
                    f"observable {index} is not finite on the grid from {x.min():.4g} to {x.max():.4g}: choose one "
                    "that is finite and smooth there, or pass a smaller domain"
                )
            return value

        return call

    return [wrap(index, function) for index, function in enumerate(observables)]
