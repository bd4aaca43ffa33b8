r"""Gaussian frames that move and widen with a law: Hermite–Galerkin without a grid.

Let $\gamma_k$ be a Gaussian close to the law of the state at step k. A transition operator maps $L^2(\gamma_{k+1})$
into $L^2(\gamma_k)$ and, were $\gamma$ the law itself, would be a contraction (Jensen). Backward functions are kept as
Hermite polynomials of $\gamma_k$, of bounded total degree, and nothing has to be said about boundaries. Laws that are
narrow beside the scale on which loss and noise change need few polynomials, in many dimensions.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray
# Width of the first frame, as a part of the largest. A narrow one widens fast, which costs points in time: 1/√(t + δ)
# with δ = T/16 in place of T/4 needs twice as many.
SPREAD = 0.5


class FrameLost(ArithmeticError):
    """No Gaussian follows the law: moments overflow, or a covariance is not positive."""


class Frame(NamedTuple):
    r"""Coordinates z of the state $\mu + Az$; rows of A are zero for components that never scatter."""

    mean: Array
    factor: Array

    def states(self, z: Array) -> Array:
        """States at points of shape `(a, N)`."""
        return self.mean[:, None] + self.factor @ z

    def local(self, states: Array, active: Array) -> Array:
        """Coordinates of states of shape `(d, N)`, from the components that scatter."""
        return np.linalg.inv(self.factor[active]) @ (states[active] - self.mean[active][:, None])


class FrameLevel(NamedTuple):
    """One level of approximation.

    Attributes:
        degree: total degree of the polynomials.
        noise: points per axis of a Gaussian rule of the noise, where state and noise are few.
        times: points in time at which the coefficients of an equation are tabulated.
        accuracy: tolerance of the integration of an equation in time.
    """

    degree: int
    noise: int
    times: int
    accuracy: float = 1e-12


def scatter(covariances: Sequence[Array], start: Array) -> tuple[Array, Array]:
    """Which components scatter at all, and how far at most."""
    width = np.sqrt(np.maximum(np.max([np.diag(c) for c in covariances], axis=0), 0.0))
    active = np.flatnonzero(width > 1e-9 * (1 + np.abs(start)))
    return active, width[active]


def framed(mean: Array, covariance: Array, active: Array) -> Frame:
    """The frame of a mean and of the covariance of the components that scatter."""
    factor = np.zeros((len(mean), len(active)))
    factor[active] = triangular(covariance)
    return Frame(mean, factor)


def triangular(covariance: Array) -> Array:
    """The lower root of a covariance, or of a stack of them.

    Raises:
        FrameLost: it is not positive, or not finite.
    """
    if not np.all(np.isfinite(covariance)):
        raise FrameLost("the moments of the process overflow")
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise FrameLost("the covariance of the process is singular") from error


def root(covariance: Array) -> Array:
    """A root of a covariance that may be singular.

    Raises:
        FrameLost: it is not finite.
    """
    if not np.all(np.isfinite(covariance)):
        raise FrameLost("the moments of the process overflow")
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def observed(observables: Sequence[Callable[[Array], Array]], states: Array) -> Array:
    """Observables at states of shape `(d, N)`; shape `(N, observables)`."""
    return np.stack([f(states) for f in observables], axis=1)
