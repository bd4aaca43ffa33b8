"""Identities that hold exactly in every stationary state, whatever the loss: a check on any run."""

import math
from typing import NamedTuple

import numpy as np

from sde_momentum.compare.laws._distances import real_sample
from sde_momentum.compare.question._arguments import positive_number, real_number


class IdentityResidual(NamedTuple):
    """Left side minus right side of an identity, with its standard error over replicas.

    Attributes:
        residual: mean difference of the two sides.
        standard_error: of the residual.
        scale: mean of the left side, to judge the residual by.
    """

    residual: float
    standard_error: float
    scale: float

    @property
    def z_score(self):
        """Residual in standard errors; infinite where it is not zero and does not scatter."""
        if self.standard_error > 0:
            return self.residual / self.standard_error
        return math.copysign(math.inf, self.residual) if self.residual else 0.0


def fluctuation_dissipation(position, gradient, *, learning_rate, momentum=None, beta=None, noise_trace=None):
    r"""Residual of the fluctuation–dissipation identity in the stationary state.

    With momentum (EMA form, $m_k$ the buffer that produced $x_k$):
    $$E[x\cdot\nabla L] = \frac\eta2\,\frac{1+\beta}{1-\beta}\,E|m|^2,$$
    and without: $2E[x\cdot\nabla L] = \eta\,(E|\nabla L|^2 + \operatorname{tr}\Sigma)$.

    They hold for every loss, every martingale noise and every learning rate at which the moments exist, so a residual
    beyond its noise means: not stationary yet, or a wrong update. Rows must be independent replicas.

    Args:
        position: $x$, shape `(replicas, d)`, two replicas or more; the origin is arbitrary, since E ∇L = 0.
        gradient: $\nabla L(x)$, the exact one; shape `(replicas, d)`.
        learning_rate: $\eta$, positive.
        momentum: $m$, shape `(replicas, d)`; None for SGD.
        beta: momentum parameter in EMA form, in [0, 1), with `momentum`.
        noise_trace: $\operatorname{tr}\Sigma(x)$ for SGD, a number or shape `(replicas,)`, not negative.

    Returns:
        An `IdentityResidual`.

    Raises:
        TypeError: an argument holds no real numbers.
        ValueError: neither momentum with beta nor noise_trace, or both; shapes that do not match; fewer than two
            replicas; a number that is not finite or out of its range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> eta, x = 0.1, np.sqrt(0.1 / (2 - 0.1)) * rng.standard_normal((4000, 1))  # stationary SGD on ½x²
        >>> bool(abs(fluctuation_dissipation(x, x, learning_rate=eta, noise_trace=1.0).z_score) < 5)
        True

    References:
        Yaida, *Fluctuation-dissipation relations for stochastic gradient descent* (2019), equations (FDR1) and (FDR1').
    """
    x = _replicas(position, "position")
    slope = _replicas(gradient, "gradient", x.shape)
    rate, left = positive_number(learning_rate, "learning_rate"), (x * slope).sum(axis=1)
    if momentum is not None and beta is not None and noise_trace is None:
        buffer, number = _replicas(momentum, "momentum", x.shape), real_number(beta, "beta")
        if not 0 <= number < 1:
            raise ValueError(f"`beta` must lie in [0, 1), got {beta!r}.")
        right = rate / 2 * (1 + number) / (1 - number) * (buffer**2).sum(axis=1)
    elif momentum is None and beta is None and noise_trace is not None:
        right = rate / 2 * ((slope**2).sum(axis=1) + _trace(noise_trace, len(x)))
    else:
        raise ValueError("pass momentum= with beta= for SGDM, or noise_trace= alone for SGD.")
    difference = left - right
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return IdentityResidual(float(difference.mean()), float(error), float(left.mean()))


def _replicas(sample, name, shape=None):
    """A sample of at least two replicas, finite, and of the shape of another one."""
    array = real_sample(sample, f"`{name}`")
    if shape is not None and array.shape != shape:
        raise ValueError(f"`{name}` must have the shape of `position`, {shape}, got {array.shape}.")
    if array.ndim != 2 or len(array) < 2 or not array.size:
        raise ValueError(f"`{name}` must have shape (replicas, d) with at least two replicas, got {array.shape}.")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"`{name}` must be finite, got {int((~np.isfinite(array)).sum())} numbers that are not.")
    return array


def _trace(noise_trace, replicas):
    """The trace of a covariance at every replica, or one for all."""
    trace = real_sample(noise_trace, "`noise_trace`")
    if trace.shape not in ((), (replicas,)):
        raise ValueError(f"`noise_trace` must be a number or have shape ({replicas},), got shape {trace.shape}.")
    if not np.all((trace >= 0) & np.isfinite(trace)):
        raise ValueError(f"`noise_trace` must be finite and not negative, got {noise_trace!r}.")
    return trace
