"""Panels of time on which coefficients are resolved, kinks and jumps included, and Gauss collocation on each."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre

# Points a panel: where coefficients are smooth, 12 of them meet every tolerance within a few halvings.
POINTS = 12
# More panels than this, and than four times as many as at first, that are not resolved: that is noise.
_MOST = 128
_PLACES, _WEIGHTS = legendre.leggauss(POINTS)
# Values at the points → Legendre coefficients.
_ANALYSIS = np.linalg.inv(legendre.legvander(_PLACES, POINTS - 1))
# Places where a polynomial is tried: just inside the ends, for a jump may hide between the last point and the end.
_ENDS = np.array([0.5**40, 1 - 0.5**40])
_AT_ENDS = legendre.legvander(2 * _ENDS - 1, POINTS - 1) @ _ANALYSIS
_INTEGRATED = legendre.legint(np.eye(POINTS), lbnd=-1)


class GaussRule(NamedTuple):
    r"""Gauss–Legendre collocation on $[0, 1]$.

    Attributes:
        places: $\tau_i$, shape `(points,)`.
        within: $\int_0^{\tau_i}\ell_j$, shape `(points, points)`.
        weights: $\int_0^1\ell_j$, shape `(points,)`.

    References:
        Hairer, Lubich, Wanner, *Geometric Numerical Integration* (2006), II.1.3: order twice the number of points.
    """

    places: np.ndarray
    within: np.ndarray
    weights: np.ndarray


GAUSS = GaussRule((_PLACES + 1) / 2, legendre.legvander(_PLACES, POINTS) @ _INTEGRATED @ _ANALYSIS / 2, _WEIGHTS / 2)


def times_in(panels: np.ndarray) -> np.ndarray:
    """The points of panels of shape `(count, 2)`; shape `(count, points)`."""
    return panels[:, :1] + np.diff(panels) * GAUSS.places


def halves(panels: np.ndarray) -> np.ndarray:
    """Twice as many panels, in the same order."""
    middle = panels.mean(axis=1)
    return np.stack([panels[:, 0], middle, middle, panels[:, 1]], axis=1).reshape(-1, 2)


def resolved_panels(
    panels: np.ndarray,
    values: Callable[[np.ndarray], np.ndarray],
    speed: Callable[[np.ndarray], np.ndarray],
    tolerance: float,
    halvings: int,
) -> np.ndarray:
    r"""Halve panels until polynomials through their points are the coefficients.

    On a panel of width h the last two Legendre coefficients of the polynomial, and what it is off by at the ends, say
    how far it is from the function, $\epsilon$; the panel stays where $h\epsilon$, what a solution is off by in turn,
    is below a tolerance times $\int|f|\,dt$. A kink is met within some 20 halvings, a jump within some 40; functions
    that are nowhere smooth, such as those of single precision, are given up.

    Args:
        panels: shape `(count, 2)`.
        values: times of shape `(n,)` → functions of time, shape `(n, functions)`.
        speed: values of shape `(n, functions)` → rates of the equation, shape `(n,)`; panels become no longer than
            1/rate, so that fixed-point iteration converges.
        tolerance: relative.
        halvings: after how many of them what is left of a jump or of a singularity stays.

    Raises:
        ValueError: a function is not finite at some time.
    """
    ready, scale, most = [], None, max(_MOST, 4 * len(panels))
    for left in range(halvings, -1, -1):
        width = np.diff(panels)
        everywhere = _table(panels, values, np.concatenate([GAUSS.places, _ENDS]))
        table, ends = everywhere[:, :POINTS], everywhere[:, POINTS:]
        if scale is None:
            scale = np.einsum("p,j,pjf->f", width[:, 0], GAUSS.weights, np.abs(table))
        off = np.concatenate([_ANALYSIS[-2:] @ table, _AT_ENDS @ table - ends], axis=1)
        tail = np.abs(off).max(axis=1)
        rate = speed(table.reshape(-1, table.shape[-1])).reshape(len(panels), -1).max(axis=1)
        rough = np.any(width * tail > tolerance * scale, axis=1) & (len(panels) <= most)
        coarse = (rough | (width[:, 0] * rate > 1)) & (left > 0)
        ready.append(panels[~coarse])
        panels = halves(panels[coarse])
        if not len(panels):
            break
    found = np.concatenate(ready)
    return found[np.argsort(found[:, 0])]


def _table(panels: np.ndarray, values: Callable[[np.ndarray], np.ndarray], places: np.ndarray) -> np.ndarray:
    """Values at places of the panels, shape `(panels, places, functions)`."""
    times = panels[:, :1] + np.diff(panels) * places
    return finite_values(values, times.ravel()).reshape(*times.shape, -1)


def finite_values(values: Callable[[np.ndarray], np.ndarray], times: np.ndarray) -> np.ndarray:
    """Functions at times, shape `(times, functions)`.

    Raises:
        ValueError: a function is not finite at some time.
    """
    found = values(times)
    if not np.all(np.isfinite(found)):
        bad = times[~np.all(np.isfinite(found), axis=1)][0]
        raise ValueError(
            f"the coefficients of the limit are not finite at time {bad:.6g}: choose schedules that are finite, with "
            "their derivatives, from 0 to t1."
        )
    return found
