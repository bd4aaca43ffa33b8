"""Heavy ball: momentum as Polyak wrote it, and as PyTorch and optax's `trace` do."""

from sympy import Rational

from sde_momentum.symbolic import LEARNING_RATE, MOMENTUM, Regime, Source, UpdateRule, update_rule

_SOURCES = (Source("ghosh2023implicit", "Theorem 4.1 (without noise)"), Source("li2019stochastic", "Theorem 15"))


def heavy_ball() -> UpdateRule:
    r"""Heavy ball, $v' = \mu v + g(x)$, $x' = x - \gamma v'$.

    Here `learning_rate` is γ and `momentum` μ; the same iterates as `sgdm` with γ = η(1 − β), μ = β, v = m/(1 − β).

    Returns:
        The rule, with state `x, v`. Default regime: noise of unit size on the clock t = kγ/(1 − μ), in which the drift
        is −∇L.

    Example:
        >>> heavy_ball().state
        ('x', 'v')

    References:
        Ghosh et al. (2023), Theorem 4.1.
    """

    @update_rule(state=("x", "v"), fast=("v",), sources=_SOURCES, regimes=heavy_ball_regimes)
    def heavy_ball(x, v, g, *, learning_rate, momentum):
        v = momentum * v + g
        return x - learning_rate * v, v

    return heavy_ball


def heavy_ball_regimes() -> tuple[Regime, ...]:
    """Return both noise scales on the clock t = kγ/(1 − μ), on which the drift is −∇L."""
    clock = LEARNING_RATE / (1 - MOMENTUM)
    return (
        Regime("small-noise", clock=clock),
        Regime(
            "noise-dominated",
            LEARNING_RATE ** -Rational(1, 2),
            clock=clock,
            cumulant_scales={3: LEARNING_RATE ** Rational(1, 2)},
        ),
    )
