"""Identities that hold exactly in every stationary state, whatever the loss: a check on any run."""

from typing import NamedTuple

import numpy as np


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
        """Residual in standard errors."""
        return self.residual / self.standard_error


def fluctuation_dissipation(position, gradient, *, learning_rate, momentum=None, beta=None, noise_trace=None):
    r"""Residual of the fluctuation–dissipation identity in the stationary state.

    With momentum (EMA form, $m_k$ the buffer that produced $x_k$):
    $$E[x\cdot\nabla L] = \frac\eta2\,\frac{1+\beta}{1-\beta}\,E|m|^2,$$
    and without: $2E[x\cdot\nabla L] = \eta\,(E|\nabla L|^2 + \operatorname{tr}\Sigma)$.

    They hold for every loss, every martingale noise and every learning rate at which the moments exist, so a residual
    beyond its noise means: not stationary yet, or a wrong update. Rows must be independent replicas.

    Args:
        position: $x$, shape `(replicas, d)`; the origin is arbitrary, since E ∇L = 0.
        gradient: $\nabla L(x)$, the exact one; shape `(replicas, d)`.
        learning_rate: $\eta$.
        momentum: $m$, shape `(replicas, d)`; None for SGD.
        beta: momentum parameter in EMA form, with `momentum`.
        noise_trace: $\operatorname{tr}\Sigma(x)$ for SGD, a number or shape `(replicas,)`.

    Returns:
        An `IdentityResidual`.

    Raises:
        ValueError: neither momentum with beta nor noise_trace, or shapes that do not match.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> eta, x = 0.1, np.sqrt(0.1 / (2 - 0.1)) * rng.standard_normal((4000, 1))  # stationary SGD on ½x²
        >>> bool(abs(fluctuation_dissipation(x, x, learning_rate=eta, noise_trace=1.0).z_score) < 5)
        True

    References:
        Yaida, *Fluctuation-dissipation relations for stochastic gradient descent* (2019), equations (FDR1) and (FDR1').
    """
    x, slope = np.asarray(position, dtype=float), np.asarray(gradient, dtype=float)
    if x.ndim != 2 or x.shape != slope.shape:
        raise ValueError(f"position and gradient must have one shape (replicas, d), got {x.shape} and {slope.shape}")
    left = (x * slope).sum(axis=1)
    if momentum is not None and beta is not None:
        buffer = np.asarray(momentum, dtype=float)
        if buffer.shape != x.shape:
            raise ValueError(f"momentum must have the shape of position, {x.shape}, got {buffer.shape}")
        right = learning_rate / 2 * (1 + beta) / (1 - beta) * (buffer**2).sum(axis=1)
    elif momentum is None and noise_trace is not None:
        right = learning_rate / 2 * ((slope**2).sum(axis=1) + np.asarray(noise_trace, dtype=float))
    else:
        raise ValueError("pass momentum= with beta= for SGDM, or noise_trace= for SGD")
    difference = left - right
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return IdentityResidual(float(difference.mean()), float(error), float(left.mean()))
