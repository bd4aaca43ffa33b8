"""Expectations of processes without sampling: transition operators in moving frames, or on a box."""

import itertools

import numpy as np

from sde_momentum.compare.orders._measured import NotApplicable
from sde_momentum.compare.transition._expectation import Expectation as Expectation
from sde_momentum.compare.transition._ways import ways_of_chain, ways_of_sde

LARGEST = 20


def chain_expectation(step, observables, start, steps, noise, *, domain=None, tolerance=None):
    r"""Expected observables of a Markov chain after a number of steps, without sampling.

    $u_{k+1}(x) = \sum_j w_j\,u_k(\mathtt{step}(x, \xi_j))$ from $u_0 = f$. On a line each $u_k$ is a Chebyshev
    interpolant on a box; with two variables and more it is a Hermite polynomial in a Gaussian frame that moves with the
    law, of degree up to 7 in four variables, 4 in twelve and 3 beyond. In one and two dimensions the other way is tried
    where the first does not converge.

    Args:
        step: `step(x, xi)`, the next state; x has shape `(N,)` in one dimension and `(d, N)` in more, xi is one noise
            point. Functions of NumPy or JAX (in 64 bits) both serve.
        observables: sequence of functions of x, each returning shape `(N,)`.
        start: a number, or up to twenty of them.
        steps: number of steps.
        noise: a `NoiseLaw`.
        domain: have the box serve, and this one; shape `(d, 2)`. By default it is found from the tail probability.
        tolerance: of the residual; by default half of 1e-10 in one dimension, and half of 1e-8 in more.

    Returns:
        An `Expectation`. Not having converged is data, not an error.

    Raises:
        ValueError: a state of more than twenty components, an observable that is not finite or of another shape.

    Example:
        >>> import numpy as np
        >>> from sde_momentum.compare import NoiseLaw
        >>> flip = chain_expectation(lambda x, xi: 0.9 * x + 0.1 * xi, [np.square], 1.0, 3, NoiseLaw.rademacher())
        >>> expected = 0.9**6 + 0.01 * (1 + 0.9**2 + 0.9**4)
        >>> bool(abs(flip.values[0] - expected) < 1e-10), flip.converged
        (True, True)
    """
    x0, lift = _as_vector(start)
    move = _lifted(lambda x, xi: step(x, xi), lift, "step")
    watched = _lifted_observables(observables, lift)

    def moves(k, x, draws, which):
        edges = np.searchsorted(which, np.arange(len(draws) + 1))
        parts = zip(draws, itertools.pairwise(edges), strict=True)
        return np.concatenate([move(x[:, a:b], draw) for draw, (a, b) in parts if b > a], axis=1)

    return ways_of_chain(moves, watched, x0, steps, noise, domain=domain, tolerance=tolerance).expectation


def sde_expectation(drift, diffusion, observables, start, time, *, domain=None, tolerance=None):
    r"""Expected observables of an Itô equation, by its backward Kolmogorov equation.

    $\partial_t u = b\cdot\nabla u + \tfrac12 SS^T : \nabla^2 u$ from $u = f$, on Hermite polynomials in a Gaussian
    frame that moves with the law. In one and two dimensions, where that does not converge, on a Chebyshev box: a matrix
    exponential in one dimension, the operator applied to vectors in two.

    Args:
        drift: `drift(x)`, shape of x: `(N,)` in one dimension, `(d, N)` in more.
        diffusion: `diffusion(x)`, the coefficient S: shape `(N,)` in one dimension, `(d, noises, N)` in more.
        observables: sequence of functions of x, each returning shape `(N,)`.
        start: a number, or up to twenty of them.
        time: duration.
        domain: have the box serve, and this one; shape `(d, 2)`. By default it is found from the tail probability.
        tolerance: of the residual; by default half of 1e-10 in one dimension, and half of 1e-8 in more.

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

    watched = _lifted_observables(observables, lift)

    def factor(x):
        value = np.asarray(diffusion(x[0] if lift else x), dtype=float)
        return np.broadcast_to(value, x.shape)[:, None] if lift else value

    coefficients = lambda t, x: (speed(x), factor(x))
    return ways_of_sde(coefficients, watched, x0, time, domain=domain, tolerance=tolerance).expectation


def _as_vector(start):
    """Start as a vector, and whether the user's functions speak scalars."""
    x0 = np.atleast_1d(np.asarray(start, dtype=float))
    if x0.ndim != 1 or len(x0) > LARGEST:
        raise ValueError(
            f"start has {x0.size} components: transition operators serve states of up to {LARGEST}; "
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
