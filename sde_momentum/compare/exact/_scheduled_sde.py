"""Exact moments of a linear equation whose coefficients change with time, and what they may be off by."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from sde_momentum.compare.exact._affine import Moments
from sde_momentum.compare.exact._affine_forms import AffineForms, affine_forms
from sde_momentum.compare.exact._panels import GAUSS, finite_values, halves, resolved_panels, times_in
from sde_momentum.dynamics import SDE

# Tolerance of the panels, and halvings after which they stay, of the moments and of the rough ones beside them.
_SHARP, _ROUGH = (1e-14, 45), (1e-12, 35)
# Steps of the optimizer in the longest panel: the points in time are then as dense as the steps.
_STEPS = 8
# Times at which coefficients are evaluated in one call, so that one compiled program serves all meshes.
_CHUNK = 1024
# Distance from an edge, as a part of the whole time, and change across it in relation to the largest value, of a jump.
_BESIDE, _JUMP = 1e-11, 1e-6
# On panels no longer than 1/rate, the k-th iterate of Picard is off by 1/k!.
_ITERATIONS = 20


class IntegratedMoments(NamedTuple):
    """Moments of an equation in time, and what is to be said of them.

    Attributes:
        sharp: the moments, one row per time.
        rough: the same at a looser tolerance: the difference is the error of these, and a bound on that of `sharp`.
        jump: a time inside a step of the optimizer at which coefficients jump or are singular, None without: there a
            limit misses the step by a part of it, and errors follow no power of the learning rate.
    """

    sharp: Moments
    rough: Moments
    jump: float | None


def scheduled_sde_moments(sde: SDE, x0: PyTree[Any], times: Sequence[float]) -> IntegratedMoments | None:
    r"""Moments of $dz = (F(t)z + c(t))\,dt + \sum_a(G_a(t)z + g_a(t))\,dW_a$; None if the equation is not of this form.

    $\dot\mu = F\mu + c$ and $\dot P = FP + PF^T + \sum_aG_aPG_a^T + \sum_a(G_a\mu + g_a)(G_a\mu + g_a)^T$ are
    collocated at Gauss points, on panels that are halved until the coefficients are resolved to 1e-14, at kinks and
    jumps of the schedules too. An equation is linear in its coefficients, so that each term is read by differentiation
    once; what depends on time are their numbers.

    Args:
        sde: a limit under a regime with schedules.
        x0: parameters at the start, of one replica, or the start of every variable.
        times: increasing times at which the moments are wanted.

    Returns:
        `IntegratedMoments` of the raveled state, variables in alphabetical order of their names.

    Raises:
        ValueError: a coefficient is not finite at some time.
    """
    state = sde.init(x0)
    still = replace(sde, schedules=(), beside_schedules=())
    count = sum(np.size(leaf) for leaf in jax.tree.leaves((sde.drift_numbers, sde.factor_numbers)))
    terms = affine_forms(_increment, still, jnp.eye(count), state)
    if terms is None:
        return None
    values = _in_chunks(jax.jit(jax.vmap(lambda t: _numbers(sde, t))))
    first, speed = _first_panels(times, float(sde.step_time)), _speed(terms)
    sharp, rough = (resolved_panels(first, values, speed, *accuracy) for accuracy in (_SHARP, _ROUGH))
    start = np.asarray(ravel_pytree(state)[0], dtype=float)
    # Halved once more, so that no two points in time are the same and nothing narrow is missed by both.
    laws = [_march(start, terms, values, panels, times) for panels in (halves(sharp), rough)]
    return IntegratedMoments(*laws, _jump_inside_a_step(sharp[1:, 0], values, float(sde.step_time)))


def _numbers(sde: SDE, t: Any) -> Array:
    """The coefficients of all terms at a time, in one vector."""
    now = sde.at(t)
    return ravel_pytree((now.drift_numbers, now.factor_numbers))[0]


def _increment(sde: SDE, numbers: Array, state: PyTree[Array], w: Array) -> PyTree[Array]:
    """Drift and noise with these coefficients."""
    drift, factor = ravel_pytree((sde.drift_numbers, sde.factor_numbers))[1](numbers)
    return replace(sde, drift_numbers=drift, factor_numbers=factor).increment(0.0, state, None, 1.0, w)


def _in_chunks(function: Callable[[np.ndarray], Array]) -> Callable[[np.ndarray], np.ndarray]:
    def values(times: np.ndarray) -> np.ndarray:
        padded = np.pad(times, (0, -len(times) % _CHUNK), mode="edge").reshape(-1, _CHUNK)
        return np.concatenate([np.asarray(function(chunk)) for chunk in padded])[: len(times)]

    return values


def _first_panels(times: Sequence[float], step_time: float) -> np.ndarray:
    """Panels of some whole steps, where schedules have their kinks, that end at every time."""
    edges, begin, longest = [0.0], 0.0, _STEPS * step_time
    for end in times:
        count = int(np.ceil((end - begin) / longest - 1e-9))
        edges.extend([*(begin + longest * np.arange(1, count)), end])
        begin = end
    return np.stack([edges[:-1], edges[1:]], axis=1)


def _jump_inside_a_step(edges: np.ndarray, values: Callable, step_time: float) -> float | None:
    """The first edge of panels at which coefficients jump and no step begins."""
    steps = edges / step_time
    edges = edges[np.abs(steps - np.round(steps)) > 1e-6]
    if not len(edges):
        return None
    before, after = (values(edges + beside * edges[-1]) for beside in (-_BESIDE, _BESIDE))
    scale = np.max(np.abs(after), axis=0)
    jumps = np.flatnonzero(np.any(np.abs(after - before) > _JUMP * scale, axis=1))
    return float(edges[jumps[0]]) if len(jumps) else None


def _speed(terms: AffineForms) -> Callable[[np.ndarray], np.ndarray]:
    """Bound on the rate of second moments, for coefficients of shape `(n, terms)`."""
    drift = np.linalg.norm(terms.matrix, 2, axis=(1, 2))
    if terms.multiplicative is None:
        return lambda numbers: np.abs(numbers) @ (2 * drift)
    spread = np.sqrt((np.linalg.norm(terms.multiplicative, 2, axis=(2, 3)) ** 2).sum(axis=1))
    return lambda numbers: np.abs(numbers) @ (2 * drift) + (np.abs(numbers) @ spread) ** 2


def _march(start: np.ndarray, terms: AffineForms, values: Callable, panels: np.ndarray, times: Sequence) -> Moments:
    """Mean and covariance at the times, panel by panel."""
    mean, covariance, found = start, np.zeros((len(start),) * 2), {}
    numbers = finite_values(values, times_in(panels).ravel()).reshape(len(panels), len(GAUSS.places), -1)
    for (begin, end), weights in zip(panels, numbers, strict=True):
        mean, covariance = _across(mean, covariance, terms, weights, end - begin)
        if end in times:
            found[end] = mean, covariance
    return Moments(*(np.stack([found[time][part] for time in times]) for part in (0, 1)))


def _across(mean: np.ndarray, covariance: np.ndarray, terms: AffineForms, weights: np.ndarray, width: float) -> tuple:
    """Moments at the end of a panel, from those at its begin and the coefficients at its points."""
    matrix, offset, kicks = (np.tensordot(weights, part, 1) for part in terms[:3])
    means, mean = _collocated(lambda z: np.einsum("sij,sj->si", matrix, z) + offset, mean, width)
    if terms.multiplicative is not None:
        kicks = kicks + np.einsum("sl,laij,sj->sia", weights, terms.multiplicative, means, optimize=True)
    source = kicks @ kicks.swapaxes(1, 2)

    def slope(covariances: np.ndarray) -> np.ndarray:
        moved = matrix @ covariances
        total = moved + moved.swapaxes(1, 2) + source
        return total if terms.multiplicative is None else total + _spread(terms.multiplicative, weights, covariances)

    return mean, _collocated(slope, covariance, width)[1]


def _spread(products: np.ndarray, weights: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    r"""$\sum_aG_aPG_a^T$ with $G_a = \sum_lw_lG_{la}$ at all points, as two large products with what is constant."""
    live = np.any(products, axis=(1, 2, 3))
    products, weights = products[live], weights[:, live]
    inner = np.einsum("sjlai,sl->sjai", np.tensordot(covariances, products, axes=((1,), (3,))), weights)
    outer = np.tensordot(inner, products, axes=((1, 2), (3, 1)))
    return np.einsum("simk,sm->sik", outer, weights)


def _collocated(slope: Callable[[np.ndarray], np.ndarray], start: np.ndarray, width: float) -> tuple:
    """Values at the points and at the end of a panel, by fixed-point iteration."""
    values = np.broadcast_to(start, (len(GAUSS.places), *start.shape))
    for _ in range(_ITERATIONS):
        slopes = slope(values)
        before, values = values, start + width * np.tensordot(GAUSS.within, slopes, 1)
        if np.max(np.abs(values - before)) <= np.finfo(float).eps * np.max(np.abs(values)):
            break
    return values, start + width * np.tensordot(GAUSS.weights, slopes, 1)
