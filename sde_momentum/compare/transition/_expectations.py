"""Expectations of processes without sampling: transition operators in moving frames, or on a box."""

import itertools

import numpy as np

from sde_momentum.compare.question._arguments import checked_function, positive_number, whole_number
from sde_momentum.compare.transition._domain import checked_domain
from sde_momentum.compare.transition._expectation import Expectation as Expectation
from sde_momentum.compare.transition._noise import checked_noise
from sde_momentum.compare.transition._user_functions import (
    finite,
    lifted,
    lifted_factor,
    lifted_observables,
    numbers,
    probe,
)
from sde_momentum.compare.transition._ways import ways_of_chain, ways_of_sde

LARGEST = 20
# Steps times components: minutes on a line, gigabytes of frames beyond.
_MOST_STEPS = 200_000


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
        steps: number of steps; times the components of the state at most 200 000.
        noise: a `NoiseLaw`.
        domain: have the box serve, and this one; shape `(d, 2)`. By default it is found from the tail probability.
        tolerance: of the residual; by default half of 1e-10 in one dimension, and half of 1e-8 in more.

    Returns:
        An `Expectation`. Not having converged is data, not an error.

    Raises:
        TypeError: a step or observable that is no function or gives no real numbers, or a start, number of steps, noise
            or tolerance that is none.
        ValueError: a start that is not finite or has more than twenty components; a step, or an observable, of another
            shape; an observable that is not finite, or none; too many steps, or none; a domain that is no box around
            the start; a tolerance that is not positive and finite.

    Example:
        >>> import numpy as np
        >>> from sde_momentum.compare import NoiseLaw
        >>> flip = chain_expectation(lambda x, xi: 0.9 * x + 0.1 * xi, [np.square], 1.0, 3, NoiseLaw.rademacher())
        >>> expected = 0.9**6 + 0.01 * (1 + 0.9**2 + 0.9**4)
        >>> bool(abs(flip.values[0] - expected) < 1e-10), flip.converged
        (True, True)
    """
    return chain_ways(step, observables, start, steps, noise, domain=domain, tolerance=tolerance).expectation


def chain_ways(step, observables, start, steps, noise, *, domain=None, tolerance=None):
    """The ways to what `chain_expectation` gives; arguments are checked, and nothing is found yet."""
    x0, lift = _as_vector(start, "start")
    steps, accuracy = _checked_steps(steps, len(x0)), checked_tolerance(tolerance)
    points, box = checked_noise(noise).points, checked_domain(domain, x0)
    move = lifted(checked_function(step, "step"), lift, "step")
    shaped = lifted_observables(observables, lift)
    probe([lambda x: move(x, points[0]), *shaped], x0)

    def moves(k, x, draws, which):
        edges = np.searchsorted(which, np.arange(len(draws) + 1))
        parts = zip(draws, itertools.pairwise(edges), strict=True)
        return np.concatenate([move(x[:, a:b], draw) for draw, (a, b) in parts if b > a], axis=1)

    return ways_of_chain(moves, finite(shaped), x0, steps, noise, domain=box, tolerance=accuracy)


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
        TypeError: as `chain_expectation`, or a time that is no number.
        ValueError: as `chain_expectation`; a drift or diffusion of another shape; a time that is not positive and
            finite.

    Example:
        >>> import numpy as np
        >>> decay = sde_expectation(lambda x: -x, lambda x: 0.3 + 0 * x, [np.square], 1.0, 1.0)
        >>> exact = np.exp(-2) + 0.3**2 * (1 - np.exp(-2)) / 2
        >>> bool(abs(decay.values[0] - exact) < 1e-10), decay.converged
        (True, True)
    """
    return sde_ways(drift, diffusion, observables, start, time, domain=domain, tolerance=tolerance).expectation


def sde_ways(drift, diffusion, observables, start, time, *, domain=None, tolerance=None, prefix=""):
    """The ways to what `sde_expectation` gives; `prefix` stands before the names of start and domain in errors."""
    x0, lift = _as_vector(start, f"{prefix}start")
    time, accuracy = positive_number(time, "time"), checked_tolerance(tolerance)
    box = checked_domain(domain, x0, f"{prefix}domain")
    speed = lifted(checked_function(drift, "drift"), lift, "drift")
    factor = lifted_factor(checked_function(diffusion, "diffusion"), lift)
    shaped = lifted_observables(observables, lift)
    probe([speed, factor, *shaped], x0)
    coefficients = lambda t, x: (speed(x), factor(x))
    return ways_of_sde(coefficients, finite(shaped), x0, time, domain=box, tolerance=accuracy)


def checked_tolerance(tolerance):
    """A tolerance above zero, or None."""
    return None if tolerance is None else positive_number(tolerance, "tolerance")


def _checked_steps(steps, components):
    count = whole_number(steps, "steps")
    if count * components > _MOST_STEPS:
        raise ValueError(
            f"`steps` = {count} would take too long, at most {_MOST_STEPS // components} do for a state of size "
            f"{components}: take fewer, or the exact moments of a linear chain, AffineChain."
        )
    return count


def _as_vector(start, name):
    """Start as a vector, and whether the user's functions speak scalars."""
    x0 = np.atleast_1d(numbers(start, f"`{name}` must hold"))
    if x0.ndim != 1 or not 1 <= len(x0) <= LARGEST:
        raise ValueError(
            f"`{name}` has {x0.size} components, in shape {x0.shape}: transition operators serve one vector of 1 to "
            f"{LARGEST}; use affine moments for linear problems, or coupled sampling."
        )
    if not np.all(np.isfinite(x0)):
        raise ValueError(f"`{name}` must be finite, got {start!r}.")
    return x0, np.ndim(start) == 0
