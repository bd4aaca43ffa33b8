"""SGD with momentum, in the form of an exponential moving average."""

from sde_momentum.optimizers._momentum_regimes import momentum_regimes
from sde_momentum.symbolic import Source, UpdateRule, update_rule

_SOURCES = (
    Source("wang2024marginal", "Definition 2.3 and Theorem 3.5"),
    Source("ghosh2023implicit", "Theorem 4.1 (without noise)"),
)


def sgdm() -> UpdateRule:
    r"""SGD with momentum in EMA form, $m' = \beta m + (1-\beta) g(x)$, $x' = x - \eta m'$.

    With γ = η(1 − β) and v = m/(1 − β) it is `heavy_ball`, the form of PyTorch and of optax's `trace`.

    Returns:
        The rule, with state `x, m`, hyperparameters `learning_rate` η and `momentum` β. Regimes: noise of unit size at
        fixed β, noise-dominated at fixed β and with 1 − β = λ η^α for α = 1/2 and 1.

    Example:
        >>> sgdm().fast
        ('m',)

    References:
        Wang, Malladi, Wang, Lyu, Li (2024), Definition 2.3.
    """

    @update_rule(state=("x", "m"), fast=("m",), sources=_SOURCES, regimes=lambda: momentum_regimes(sgdm))
    def sgdm(x, m, g, *, learning_rate, momentum):
        m = momentum * m + (1 - momentum) * g
        return x - learning_rate * m, m

    return sgdm
