"""Recognising processes whose first two moments are closed: linear rules and limits on quadratic losses."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare.exact._affine import Moments
from sde_momentum.compare.exact._affine_chain import AffineChain
from sde_momentum.compare.exact._affine_sde import AffineSDE
from sde_momentum.compare.exact._stacked import affine_chains, affine_sdes
from sde_momentum.compare.exact._straight import TOLERANCE, is_straight
from sde_momentum.compare.orders._measured import NotApplicable
from sde_momentum.dynamics import SDE, Chain

_PROBES = 4
REMEDY = "; use method='transition' for states of few components, or method='coupled'"


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
    if chain.schedules:
        raise ValueError(
            "affine_chain reads one map for all steps, but schedules make each step another: pass chain.at(k) for the "
            "map of step k, or ask weak_error(…, method='exact') for moments along the schedules."
        )
    found = affine_chains([chain], chain.init(x0))
    return found and found[0]


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
    found = affine_sdes([sde], sde.init(x0))
    return found and found[0]


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
        if not abs(float(f(z) - model)) < TOLERANCE * (1 + abs(float(f(z)))):
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


def expected_and_size(quadratics: Sequence[Any], law: Moments, columns: np.ndarray) -> np.ndarray:
    """Expectations of quadratic observables of some components, and sizes of what they are sums of.

    Args:
        quadratics: from `quadratic_observable`.
        law: moments of the whole state over times.
        columns: positions of the components.

    Returns:
        Array of shape `(2, observables, times)`.
    """
    parts = [(m[columns], s[np.ix_(columns, columns)]) for m, s in zip(law.mean, law.covariance, strict=True)]
    return np.array([[[f(q, *part) for part in parts] for q in quadratics] for f in (expectation, magnitude)])


def require_linear(found: Any, what: str) -> Any:
    """An affine form or its moments, unless there are none.

    Raises:
        NotApplicable: there are none.
    """
    if found is None:
        raise NotApplicable(f"the {what} is not linear on this problem, so its moments are not closed{REMEDY}.")
    return found
