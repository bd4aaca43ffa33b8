"""Gradient descent without noise."""

from sde_momentum.symbolic import Regime, Source, UpdateRule, update_rule

_SOURCES = (Source("barrett2021implicit", "Theorem 3.1"),)


def gd() -> UpdateRule:
    r"""Gradient descent, $x' = x - \eta \nabla L(x)$.

    Returns:
        The rule, with state `x` and hyperparameter `learning_rate` η. Its regime has no noise: limits are ordinary
        differential equations, of every order.

    Example:
        >>> from sde_momentum.symbolic import modified_equation
        >>> print(modified_equation(gd(), order=2).drift["x"])
        -∇(L + 1/4·η·|∇L|²)

    References:
        Barrett, Dherin (2021), Theorem 3.1.
    """

    @update_rule(state=("x",), sources=_SOURCES, regimes=lambda: (Regime.noiseless(),))
    def gd(x, g, *, learning_rate):
        return x - learning_rate * g

    return gd
