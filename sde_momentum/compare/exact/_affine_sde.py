"""Exact first and second moments of affine stochastic differential equations."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm, solve_continuous_lyapunov

from sde_momentum.compare.exact._affine import (
    AffineSystem,
    Moments,
    Transition,
    checked_start,
    stack_moments,
    unstack_moments,
)


@dataclass(frozen=True, eq=False)
class AffineSDE(AffineSystem):
    r"""The Itô equation $dz = (Fz + c)\,dt + \sum_a (G_a z + g_a)\,dW_a$.

    Args:
        matrix: $F$, shape `(d, d)`, or a number; per unit of time.
        offset: $c$, shape `(d,)`; zero by default.
        noise: $(g_1, g_2, …)$, shape `(d, noises)`; zero by default.
        multiplicative: $G_a$, shape `(noises, d, d)`; none by default.

    Raises:
        ValueError: shapes that do not match, or entries that are not finite.

    Example:
        >>> ornstein_uhlenbeck = AffineSDE(-2.0, noise=3.0)
        >>> ornstein_uhlenbeck.stationary().covariance
        array([[2.25]])
        >>> ornstein_uhlenbeck.moments([1.0], [0.0, 0.5]).mean[:, 0].round(6)
        array([1.      , 0.367879])

    References:
        Van Loan, *IEEE Transactions on Automatic Control* 23 (1978), integrals with the matrix exponential.
    """

    def transition(self, duration):
        """Law of the move over `duration`: matrix, offset and covariance; only without state-dependent noise.

        The block exponential contains e^{-F duration}, which overflows for stiff equations, so it is formed over a
        short time and doubled.
        """
        if self.multiplicative is not None:
            raise ValueError("an equation with multiplicative noise has no fixed transition covariance: use moments()")
        size = len(self.offset)
        scale = np.abs(self.matrix).sum(axis=1).max() * duration
        doublings = max(0, int(np.ceil(np.log2(scale))) + 1) if scale > 0 else 0
        short = duration / 2**doublings
        block = np.zeros((2 * size + 1, 2 * size + 1))
        block[:size, :size], block[:size, -1] = self.matrix, self.offset
        block[:size, size:-1], block[size:-1, size:-1] = self.noise @ self.noise.T, -self.matrix.T
        exponential = expm(block * short)
        matrix = exponential[:size, :size]
        covariance = exponential[:size, size:-1] @ matrix.T
        step = Transition(matrix, exponential[:size, -1], (covariance + covariance.T) / 2)
        return step.repeated(2**doublings)

    def moments(self, start, times, *, covariance=None):
        """Mean and covariance at the given times.

        Args:
            start: mean of z(0), shape `(d,)`.
            times: not negative, in any order; shape `(times,)`.
            covariance: of z(0), shape `(d, d)`; zero by default.

        Returns:
            `Moments` with one row per entry of `times`.

        Raises:
            ValueError: negative times, or a start of another shape.
        """
        instants = np.atleast_1d(np.asarray(times, dtype=float))
        if instants.ndim != 1 or not np.all(np.isfinite(instants)) or np.any(instants < 0):
            raise ValueError(f"times must be finite and not negative, got {times}")
        mean, spread = checked_start(start, covariance, len(self.offset))
        laws = [self._law_at(mean, spread, time) for time in instants]
        return Moments(np.stack([law[0] for law in laws]), np.stack([law[1] for law in laws]))

    def stationary(self):
        """Mean and covariance of the stationary law.

        Returns:
            `Moments` without leading axis.

        Raises:
            ValueError: the equation is unstable, in mean or in mean square; the largest real part is named.
        """
        _check_abscissa(self.matrix, "in mean")
        mean = np.linalg.solve(-self.matrix, self.offset)
        if self.multiplicative is None:
            return Moments(mean, solve_continuous_lyapunov(self.matrix, -self.noise @ self.noise.T))
        eye = np.eye(len(mean))
        generator = np.kron(self.matrix, eye) + np.kron(eye, self.matrix) + self.noise_spread()
        _check_abscissa(generator, "in mean square")
        # 0 = generator C + source, written as a fixed point.
        return Moments(mean, self.stationary_covariance(np.eye(len(generator)) + generator, mean))

    def _law_at(self, mean, covariance, time):
        if self.multiplicative is None:
            return self.transition(time).apply(mean, covariance)
        return unstack_moments(expm(self.second_moments(rate=True) * time) @ stack_moments(mean, covariance), len(mean))


def _check_abscissa(matrix, sense):
    abscissa = np.linalg.eigvals(matrix).real.max()
    if abscissa >= 0:
        raise ValueError(
            f"the equation is not stable {sense}: an eigenvalue has real part {abscissa:.6g}, not below 0; "
            "ask for moments() at finite times"
        )
