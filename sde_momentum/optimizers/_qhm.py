"""Quasi-hyperbolic momentum."""

from sde_momentum.optimizers._momentum_regimes import momentum_regimes
from sde_momentum.symbolic import UpdateRule, update_rule


def qhm() -> UpdateRule:
    r"""Quasi-hyperbolic momentum, $m' = \beta m + (1-\beta) g(x)$, $x' = x - \eta[(1-\nu) g + \nu m']$.

    ν = 1 is `sgdm`, ν = 0 is `sgd`.

    Returns:
        The rule, with hyperparameters `learning_rate` η, `momentum` β and `dampening` ν.

    Example:
        >>> sorted(qhm().hyperparameters)
        ['dampening', 'learning_rate', 'momentum']

    References:
        Ma, Yarats (2019), "Quasi-hyperbolic momentum and Adam for deep learning", equation (3).
    """

    @update_rule(state=("x", "m"), fast=("m",), regimes=lambda: momentum_regimes(qhm))
    def qhm(x, m, g, *, learning_rate, momentum, dampening):
        m = momentum * m + (1 - momentum) * g
        return x - learning_rate * ((1 - dampening) * g + dampening * m), m

    return qhm
