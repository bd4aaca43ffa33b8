"""Nesterov's accelerated gradient, with the gradient at a look-ahead point or in the form of PyTorch."""

from typing import Literal

from sde_momentum.optimizers._heavy_ball import heavy_ball_regimes
from sde_momentum.optimizers._momentum_regimes import momentum_regimes
from sde_momentum.symbolic import Source, UpdateRule, update_rule

_SOURCES = (Source("ghosh2023implicit", "Theorem 4.1 (heavy ball, for comparison)"),)


def nesterov(form: Literal["textbook", "full", "pytorch"] = "textbook") -> UpdateRule:
    r"""Nesterov momentum, $m' = \beta m + (1-\beta) g(x - c\eta m)$, $x' = x - \eta m'$.

    Args:
        form: `"textbook"` looks ahead by c = β; `"full"` by c = 1; `"pytorch"` is $v' = \mu v + g(x)$,
            $x' = x - \gamma (g + \mu v')$, whose x is the textbook's look-ahead point at constant hyperparameters.

    Returns:
        The rule, with hyperparameters `learning_rate` (η, or γ in PyTorch's form) and `momentum` (β or μ).

    Raises:
        ValueError: there is no such form.

    Example:
        >>> from sde_momentum.symbolic import modified_equation
        >>> print(modified_equation(nesterov(), order=2).drift["x"])
        -∇(L + 1/4·η·(1 - β + 2·β²)/(1 - β)·|∇L|²)

    References:
        Sutskever, Martens, Dahl, Hinton (2013), for the look-ahead form.
    """
    makers = {"textbook": _textbook, "full": _full, "pytorch": _pytorch}
    if form not in makers:
        raise ValueError(f"`form` must be one of {', '.join(makers)}, got {form!r}.")
    return makers[form]()


def _textbook() -> UpdateRule:
    @update_rule(state=("x", "m"), fast=("m",), sources=_SOURCES, regimes=lambda: momentum_regimes(nesterov))
    def nesterov(x, m, g, *, learning_rate, momentum):
        m = momentum * m + (1 - momentum) * g(x - momentum * learning_rate * m)
        return x - learning_rate * m, m

    return nesterov


def _full() -> UpdateRule:
    @update_rule(state=("x", "m"), fast=("m",), sources=_SOURCES, regimes=lambda: momentum_regimes(nesterov))
    def nesterov(x, m, g, *, learning_rate, momentum):
        m = momentum * m + (1 - momentum) * g(x - learning_rate * m)
        return x - learning_rate * m, m

    return nesterov


def _pytorch() -> UpdateRule:
    @update_rule(state=("x", "v"), fast=("v",), sources=_SOURCES, regimes=heavy_ball_regimes)
    def nesterov(x, v, g, *, learning_rate, momentum):
        v = momentum * v + g
        return x - learning_rate * (g + momentum * v), v

    return nesterov
