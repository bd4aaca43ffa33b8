"""Stochastic gradient descent."""

from sde_momentum.symbolic import Regime, Source, UpdateRule, update_rule

_SOURCES = (Source("li2019stochastic", "Theorem 9"), Source("barrett2021implicit", "Theorem 3.1"))


def sgd() -> UpdateRule:
    r"""Stochastic gradient descent, $x' = x - \eta g(x)$.

    Returns:
        The rule, with state `x` and hyperparameter `learning_rate` η. Regimes: noise of unit size, noise-dominated.

    Example:
        >>> sgd().state
        ('x',)

    References:
        Li, Tai, E (2019), Theorem 9 (order 1 and order 2 equations at σ = 1).
    """

    @update_rule(state=("x",), sources=_SOURCES, regimes=lambda: (Regime.small_noise(), Regime.noise_dominated()))
    def sgd(x, g, *, learning_rate):
        return x - learning_rate * g

    return sgd
