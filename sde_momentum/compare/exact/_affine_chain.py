"""Exact first and second moments of affine chains: linear optimizers on quadratic losses."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_discrete_lyapunov

from sde_momentum.compare.exact._affine import (
    AffineSystem,
    Moments,
    Transition,
    checked_start,
    stack_moments,
    unstack_moments,
)


@dataclass(frozen=True, eq=False)
class AffineChain(AffineSystem):
    r"""The chain $z' = Az + b + \sum_a (A_a z + c_a)\,\xi_a$ with uncorrelated noises of mean zero and variance one.

    Its first two moments are closed whatever the law of $\xi$. Without $A_a$ a state of 1 000 components is no problem;
    with them the operator on second moments has about $2d^2$ rows, which is meant for $d \le 20$.

    Args:
        matrix: $A$, shape `(d, d)`, or a number.
        offset: $b$, shape `(d,)`; zero by default.
        noise: $C = (c_1, c_2, …)$, shape `(d, noises)`; zero by default.
        multiplicative: $A_a$, shape `(noises, d, d)`; none by default.

    Raises:
        ValueError: shapes that do not match, or entries that are not finite.

    Example:
        SGD with learning rate 0.1 on ½·2·x² with noise of variance 9: variance ηs²/(h(2−ηh)).

        >>> chain = AffineChain(1 - 0.1 * 2.0, noise=0.1 * 3.0)
        >>> chain.stationary().covariance.round(12), 0.1 * 9 / (2 * (2 - 0.1 * 2))
        (array([[0.25]]), 0.25)
        >>> chain.moments([1.0], [0, 1, 1_000_000]).mean[:, 0]
        array([1. , 0.8, 0. ])
    """

    @classmethod
    def from_maps(cls, matrices, offsets, probabilities=None):
        r"""The chain that applies one of finitely many affine maps at random, such as one minibatch of least squares.

        Args:
            matrices: shape `(maps, d, d)`.
            offsets: shape `(maps, d)`.
            probabilities: shape `(maps,)`, summing to one; equal by default.

        Returns:
            An `AffineChain` with the same first two moments.

        Raises:
            ValueError: probabilities that are negative or do not sum to one.

        Example:
            >>> chain = AffineChain.from_maps([[[0.5]], [[0.7]]], [[0.0], [1.0]])
            >>> chain.moments([1.0], [1]).covariance[0].round(12)  # 0.5 or 1.7 with equal probability
            array([[0.36]])
        """
        matrices, offsets = np.asarray(matrices, dtype=float), np.asarray(offsets, dtype=float)
        count = len(matrices)
        weight = np.full(count, 1 / count) if probabilities is None else np.asarray(probabilities, dtype=float)
        if weight.shape != (count,) or np.any(weight < 0) or not np.isclose(weight.sum(), 1):
            raise ValueError(
                f"probabilities must be {count} numbers that are not negative and sum to one, got {weight}"
            )
        mean_matrix, mean_offset = np.tensordot(weight, matrices, 1), weight @ offsets
        root = np.sqrt(weight)
        return cls(
            mean_matrix,
            mean_offset,
            (root[:, None] * (offsets - mean_offset)).T,
            root[:, None, None] * (matrices - mean_matrix),
        )

    @property
    def transition(self):
        """Matrix, offset and covariance of one step; only without state-dependent noise."""
        if self.multiplicative is not None:
            raise ValueError("a chain with multiplicative noise has no fixed transition covariance: use moments()")
        return Transition(self.matrix, self.offset, self.noise @ self.noise.T)

    def moments(self, start, steps, *, covariance=None):
        """Mean and covariance after the given numbers of steps, exact for any number of them.

        Args:
            start: mean of z₀, shape `(d,)`.
            steps: counts, not negative, in any order; shape `(times,)`.
            covariance: of z₀, shape `(d, d)`; zero by default.

        Returns:
            `Moments` with one row per entry of `steps`.

        Raises:
            ValueError: negative or fractional counts, or a start of another shape.
        """
        counts = _checked_steps(steps)
        size = len(self.offset)
        mean, spread = checked_start(start, covariance, size)
        advance = self._advance_additive if self.multiplicative is None else self._advance_multiplicative
        found, done = {}, 0
        for count in sorted(set(counts)):
            mean, spread = advance(mean, spread, count - done)
            found[count], done = (mean, spread), count
        return Moments(np.stack([found[k][0] for k in counts]), np.stack([found[k][1] for k in counts]))

    def stationary(self):
        """Mean and covariance of the stationary law.

        Returns:
            `Moments` without leading axis.

        Raises:
            ValueError: the chain is unstable, in mean or in mean square; the spectral radius is named.
        """
        mean = self._stationary_mean()
        if self.multiplicative is None:
            return Moments(mean, solve_discrete_lyapunov(self.matrix, self.noise @ self.noise.T))
        operator = np.kron(self.matrix, self.matrix) + self.noise_spread()
        _check_radius(operator, "in mean square")
        return Moments(mean, self.stationary_covariance(operator, mean))

    def _stationary_mean(self):
        _check_radius(self.matrix, "in mean")
        return np.linalg.solve(np.eye(len(self.offset)) - self.matrix, self.offset)

    def _advance_additive(self, mean, covariance, count):
        return self.transition.repeated(count).apply(mean, covariance)

    def _advance_multiplicative(self, mean, covariance, count):
        vector = np.linalg.matrix_power(self.second_moments(rate=False), count) @ stack_moments(mean, covariance)
        return unstack_moments(vector, len(mean))


def schedule_moments(chains, start, *, covariance=None):
    """Exact moments along a schedule: one chain per step, or `(chain, steps)` pairs for constant stretches.

    Args:
        chains: sequence of `AffineChain` or of pairs `(AffineChain, steps)`.
        start: mean of z₀, shape `(d,)`.
        covariance: of z₀; zero by default.

    Returns:
        `Moments` with a row for the start and one after each entry of `chains`.

    Example:
        >>> warm, cold = AffineChain(0.5, noise=1.0), AffineChain(0.9, noise=0.1)
        >>> schedule_moments([(warm, 50), (cold, 50)], [1.0]).covariance.ravel().round(4)
        array([0.    , 1.3333, 0.0527])
    """
    means, covariances = [], []
    for index, entry in enumerate(chains):
        chain, steps = entry if isinstance(entry, tuple) else (entry, 1)
        if index == 0:
            mean, spread = checked_start(start, covariance, len(chain.offset))
            means, covariances = [mean], [spread]
        mean, spread = (part[0] for part in chain.moments(means[-1], [steps], covariance=covariances[-1]))
        means.append(mean)
        covariances.append(spread)
    if not means:
        raise ValueError("chains must not be empty: pass one AffineChain per step, or (chain, steps) pairs")
    return Moments(np.stack(means), np.stack(covariances))


def _checked_steps(steps):
    array = np.atleast_1d(np.asarray(steps))
    if array.ndim != 1 or np.any(array < 0) or np.any(array != np.floor(array)):
        raise ValueError(f"steps must be whole numbers that are not negative, got {steps}: round time over step time")
    return [int(k) for k in array]


def _check_radius(matrix, sense):
    radius = np.abs(np.linalg.eigvals(matrix)).max()
    if radius >= 1:
        raise ValueError(
            f"the chain is not stable {sense}: spectral radius {radius:.6g} is not below 1; lower the learning rate, "
            "or ask for moments() at finite steps"
        )
