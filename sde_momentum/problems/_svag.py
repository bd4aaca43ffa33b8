"""SVAG: the same mean gradient with amplified noise, to follow an optimizer towards its diffusion limit."""

import math

import equinox as eqx

from sde_momentum.problems._base import AbstractProblem
from sde_momentum.problems._check import check_count
from sde_momentum.problems._combined_draws import AbstractCombinedDraws


class Svag(AbstractCombinedDraws):
    r"""Stochastic variance amplified gradient. Built by `svag`, which describes the arguments.

    Attributes:
        problem: The problem at ℓ = 1.
        ell: Amplification ℓ.
        adaptive: Whether the scaling is that of adaptive methods.
    """

    problem: AbstractProblem
    ell: int = eqx.field(static=True)
    adaptive: bool = eqx.field(static=True)

    @property
    def covariance_scale(self) -> int:
        """Factor on the noise covariance: ℓ, or ℓ² for adaptive methods."""
        return self.ell**2 if self.adaptive else self.ell

    @property
    def learning_rate_scale(self) -> float:
        """Factor that the learning rate must get: 1/ℓ."""
        return 1.0 / self.ell

    @property
    def steps_scale(self) -> int:
        """Factor on the number of steps over the same time: ℓ, or ℓ² for adaptive methods."""
        return self.ell**2 if self.adaptive else self.ell

    @property
    def weights(self) -> tuple[float, float]:
        """The pair r± = (1 ± √(2 covariance_scale − 1))/2, with r₊ + r₋ = 1."""
        root = math.sqrt(2 * self.covariance_scale - 1)
        return (1 + root) / 2, (1 - root) / 2


def svag(problem: AbstractProblem, ell: int, adaptive: bool = False) -> Svag:
    r"""Amplify a problem's gradient noise by SVAG: ĝ = r₊ g₁ + r₋ g₂ from two independent draws.

    With r± = (1 ± √(2ℓ − 1))/2 the mean is kept and the covariance is multiplied by ℓ; run ℓ times as many steps with
    learning rate η/ℓ and the same momentum. For adaptive methods r± = (1 ± √(2ℓ² − 1))/2, covariance times ℓ²,
    ℓ² times as many steps with learning rate η/ℓ, 1 − β divided by ℓ². The limit equation is the same for every ℓ.

    Args:
        problem: Any problem with independent steps.
        ell: ℓ ≥ 1; 1 leaves the problem's law unchanged.
        adaptive: Whether to use the scaling of adaptive methods.

    Returns:
        The amplified problem; `learning_rate_scale` and `steps_scale` say what the run must change.

    Raises:
        ValueError: If ℓ is not a positive whole number, or steps are dependent.

    Example:
        >>> from sde_momentum import problems
        >>> amplified = svag(problems.quadratic(1.0, noise=2.0), ell=4)
        >>> round(float(amplified.covariance(0.0)[0, 0]), 4), amplified.learning_rate_scale
        (16.0, 0.25)

    References:
        Z. Li, S. Malladi, S. Arora, On the validity of modeling SGD with stochastic differential equations, 2021;
        S. Malladi, K. Lyu, A. Panigrahi, S. Arora, On the SDEs and scaling rules for adaptive gradient algorithms,
        2022.
    """
    return Svag(problem, check_count(ell, "ell"), bool(adaptive))
