"""Recognising processes whose first two moments are closed: linear rules and limits on quadratic losses."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare.exact._affine_chain import AffineChain
from sde_momentum.compare.exact._affine_sde import AffineSDE
from sde_momentum.compare.question._independent_steps import require_independent_steps
from sde_momentum.dynamics import SDE, Chain

_TOLERANCE = 1e-9
_PROBES = 4


def affine_chain(chain: Chain, x0: PyTree[Any]) -> AffineChain | None:
    """The chain as z' = Az + b + Σ (A_a z + c_a) ξ_a on the raveled state, or None if it is not of that form.

    The raveled state goes through the variables in alphabetical order of their names, as JAX ravels a dict: m and v
    come before x, each with all its components; `chain.init(x0)` raveled is a start in this order.

    Only the first two cumulants of the noise enter the moments of such a chain, so the Gaussian twin of the problem is
    what is linearized.

    Args:
        chain: a process whose update is linear in state and gradient.
        x0: parameters of one replica, for shapes.

    Raises:
        ValueError: the problem walks through reshuffled epochs, so that steps are dependent, or schedules make every
            step another map.
    """
    require_independent_steps(chain.problem, "affine_chain", ", or simulate the chain")
    if chain.schedules:
        raise ValueError(
            "affine_chain reads one map for all steps, but schedules make each step another: pass chain.at(k) for the "
            "map of step k, or ask weak_error(…, method='exact') for moments along the schedules."
        )
    flat, unravel = ravel_pytree(chain.init(x0))
    twin = Chain(
        problem=chain.problem.gaussian(),
        hyperparameters=chain.hyperparameters,
        noise_scale=chain.noise_scale,
        state_scales=chain.state_scales,
        step_time=chain.step_time,
        rule=chain.rule,
        regime=chain.regime,
    )
    step = lambda z, w: ravel_pytree(twin.step(0, unravel(z), w))[0]
    found = _bilinear(step, flat.shape[0], chain.noise_dim)
    return found and AffineChain(found[0], found[1], found[2], found[3])


def affine_sde(sde: SDE, x0: PyTree[Any]) -> AffineSDE | None:
    """The equation as dz = (Fz + c) dt + Σ (G_a z + g_a) dW_a on the raveled state, or None.

    The raveled state goes through the variables in alphabetical order of their names, m before x, as in `affine_chain`.

    Args:
        sde: a process with linear drift and a factor that is affine in the state.
        x0: parameters of one replica, for shapes.

    Raises:
        ValueError: schedules make the coefficients depend on time.
    """
    if sde.schedules:
        raise ValueError(
            "affine_sde reads coefficients that stay, but schedules change them: pass sde.at(t) for those of time t, "
            "or ask weak_error(…, method='exact') for moments along the schedules."
        )
    flat, unravel = ravel_pytree(sde.init(x0))
    both = lambda z, w: ravel_pytree(sde.increment(0.0, unravel(z), None, 1.0, w))[0]
    found = _bilinear(both, flat.shape[0], sde.noise_dim)
    return found and AffineSDE(found[0], found[1], found[2], found[3])


def _bilinear(function: Callable[[Array, Array], Array], size: int, noises: int):
    """(A, b, C, multiplicative or None) of f(z, w) = Az + b + Σ_a (A_a z + c_a) w_a, or None where f is not that."""
    zero, quiet = jnp.zeros(size), jnp.zeros(noises)
    if not is_straight(lambda z: function(z, quiet), size):
        # The matrices below are large for a network; that it is not linear shows along one line.
        return None
    matrix = jax.jacfwd(function)(zero, quiet)
    offset = function(zero, quiet)
    noise = jax.jacfwd(function, argnums=1)(zero, quiet)
    mixed = jnp.moveaxis(jax.jacfwd(jax.jacfwd(function), argnums=1)(zero, quiet), -1, 0)

    def residual(z: Array, w: Array) -> Array:
        model = matrix @ z + offset + noise @ w + jnp.einsum("aij,j,a->i", mixed, z, w)
        value = function(z, w)
        return jnp.max(jnp.abs(value - model)) / (1 + jnp.max(jnp.abs(value)))

    generator = np.random.default_rng(0)
    for _ in range(_PROBES):
        z, w = generator.normal(size=size), generator.normal(size=noises)
        if not float(residual(jnp.asarray(z), jnp.asarray(w))) < _TOLERANCE:
            return None
    mixed = np.asarray(mixed)
    return np.asarray(matrix), np.asarray(offset), np.asarray(noise), mixed if np.any(np.abs(mixed) > 1e-14) else None


def is_straight(function: Callable[[Array], Array], size: int, order: int = 2) -> bool:
    """Whether the differences of this order vanish along a random line, as those of a polynomial of lower degree do."""
    direction = jnp.asarray(np.random.default_rng(2).normal(size=size))
    values = np.stack([np.asarray(function(k * direction)) for k in range(order + 1)])
    return bool(np.max(np.abs(np.diff(values, n=order, axis=0))) < _TOLERANCE * (1 + np.max(np.abs(values))))


def quadratic_observable(function: Callable[[PyTree[Array]], Array], x0: PyTree[Any]):
    """(value at 0, gradient at 0, Hessian) of a quadratic observable on the raveled parameters; None otherwise."""
    flat, unravel = ravel_pytree(jax.tree.map(jnp.asarray, x0))
    f = lambda z: jnp.asarray(function(unravel(z)))
    if not is_straight(f, len(flat), order=3):
        return None
    zero = jnp.zeros_like(flat)
    value, slope, bend = f(zero), jax.grad(f)(zero), jax.hessian(f)(zero)
    generator = np.random.default_rng(1)
    for _ in range(_PROBES):
        z = jnp.asarray(generator.normal(size=flat.shape), flat.dtype)
        model = value + slope @ z + 0.5 * z @ bend @ z
        if not abs(float(f(z) - model)) < _TOLERANCE * (1 + abs(float(f(z)))):
            return None
    return float(value), np.asarray(slope), np.asarray(bend)


def expectation(observable, mean: np.ndarray, covariance: np.ndarray) -> float:
    """E of a quadratic observable under a law with this mean and covariance."""
    value, slope, bend = observable
    return float(value + slope @ mean + 0.5 * mean @ bend @ mean + 0.5 * np.sum(bend * covariance))


def magnitude(observable, mean: np.ndarray, covariance: np.ndarray) -> float:
    """Size of the numbers that the expectation of a quadratic observable is the sum of."""
    value, slope, bend = (np.abs(part) for part in observable)
    return float(value + slope @ np.abs(mean) + 0.5 * np.sum(bend * np.abs(covariance + np.outer(mean, mean))))
