"""SVAG, the wrapper that follows a rule towards its diffusion limit."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import sympy as sp

from sde_momentum.symbolic import (
    LEARNING_RATE,
    Regime,
    Source,
    UpdateRule,
    hyperparameter,
    require_rule,
    squared_norm,
    variable,
)

NAME = "amplification"
_SOURCES = {False: Source("li2021validity"), True: Source("malladi2022sdes")}


def svag(rule: UpdateRule, adaptive: bool = False) -> UpdateRule:
    r"""Amplify a rule's gradient noise and shorten its steps: the same limit from finer steps.

    $\hat g = r_+ g_1 + r_- g_2$ from two independent draws, $r_\pm = \frac12(1 \pm \sqrt{2\ell - 1})$, learning rate
    $\eta/\ell$, ℓ times the steps, momentum unchanged: the mean is kept, the covariance multiplied by ℓ and the j-th
    cumulant by $r_+^j + r_-^j$. For adaptive methods ℓ² takes the place of ℓ in $r_\pm$ and in the number of steps,
    every 1 − β is divided by ℓ², and ε grows with the gradient.

    Args:
        rule: the optimizer; `learning_rate` stays that of the rule.
        adaptive: use the scaling of methods that divide by averages of g².

    Returns:
        A rule with the further hyperparameter `amplification` ℓ. Its regimes are those of the rule with the clock per
        step divided by ℓ (ℓ²), so that limits of rule and wrapper run on the same time.

    Raises:
        ValueError: the rule is wrapped already, or `adaptive` is asked for and the rule's step depends on the size of
            the gradient.

    Example:
        >>> from sde_momentum.optimizers import sgd
        >>> from sde_momentum.symbolic import modified_equation
        >>> print(modified_equation(svag(sgd()), order=2).drift["x"])
        -∇(L + 1/4·η/ℓ·|∇L|²)

    References:
        Li, Malladi, Arora (2021); for adaptive methods Malladi, Lyu, Panigrahi, Arora (2022).
    """
    require_rule(rule)
    if NAME in rule.hyperparameters or len(rule.draw_weights) > 1:
        raise ValueError(f"rule `{rule.name}` combines draws already: amplify the original rule by the product.")
    ell = hyperparameter(NAME)
    values = {LEARNING_RATE: LEARNING_RATE / ell}
    clock, scales = ell, {}
    if adaptive:
        values |= _adaptive_values(rule, ell)
        clock, scales = ell**2, _state_scales(rule, ell)
    root = sp.sqrt(2 * clock - 1)
    return replace(
        rule,
        name=f"{rule.name}_svag",
        update={name: value.subs(values, simultaneous=True) for name, value in rule.update.items()},
        hyperparameters=(*rule.hyperparameters, NAME),
        gradient_at=sp.sympify(rule.gradient_at).subs(values, simultaneous=True),
        sources=(*rule.sources, _SOURCES[adaptive]),
        regimes=_regimes(rule, clock, scales),
        draw_weights=((1 + root) / 2, (1 - root) / 2),
    )


def _regimes(rule: UpdateRule, clock: sp.Expr, scales: dict[str, sp.Expr]) -> Callable[[], tuple[Regime, ...]]:
    def finer(regime: Regime) -> Regime:
        states = {name: regime.state_scales.get(name, sp.S.One) * scale for name, scale in scales.items()}
        return replace(
            regime,
            clock=regime.clock / clock,
            state_scales={**regime.state_scales, **states},
            small_parameter=regime.small_parameter,
        )

    return lambda: tuple(map(finer, rule.regimes()))


def _averages(rule: UpdateRule) -> list[str]:
    """Hyperparameters that are the rate A of an average, v' = A v + (1 − A)(…)."""
    slopes = [sp.diff(value, variable(name)) for name, value in rule.update.items() if name != rule.state[0]]
    return [name for name in rule.hyperparameters if hyperparameter(name) in slopes]


def _adaptive_values(rule: UpdateRule, ell: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    values = {hyperparameter(name): 1 - (1 - hyperparameter(name)) / ell**2 for name in _averages(rule)}
    degrees = _degrees(rule)
    if "eps" in degrees:
        values[hyperparameter("eps")] = hyperparameter("eps") * ell ** degrees["eps"]
    return values


def _state_scales(rule: UpdateRule, ell: sp.Expr) -> dict[str, sp.Expr]:
    """Averages of squares grow with the covariance, and counters with the number of steps."""
    degrees = _degrees(rule)
    counters = [name for name, value in rule.update.items() if sp.expand(value - variable(name)) == 1]
    return dict.fromkeys([*counters, *(name for name in rule.state[1:] if degrees[name] == 2)], ell**2)


def _degrees(rule: UpdateRule) -> dict[str, int]:
    """Powers of s by which state and ε grow with the gradient, g ↦ s g, while the parameters' step stays the same."""
    others = rule.state[1:]
    names = (*others, *(("eps",) if "eps" in rule.hyperparameters else ()))
    # Equality of algebraic functions, decided at a point without special values.
    point = {hyperparameter(name): sp.Rational(7 + 2 * j, 31) for j, name in enumerate(rule.hyperparameters)}
    point |= {variable(name): sp.Rational(13 + 4 * j, 17) for j, name in enumerate((*rule.state, "g"))}
    symbol = {name: hyperparameter(name) if name == "eps" else variable(name) for name in names}
    size = sp.Rational(9, 4)
    update = {name: value.replace(squared_norm, lambda g: g**2) for name, value in rule.update.items()}
    for powers in product((0, 1, 2), repeat=len(names)):
        degrees = dict(zip(names, powers, strict=True))
        larger = point | {symbol[name]: point[symbol[name]] * size**power for name, power in degrees.items()}
        larger[variable("g")] = point[variable("g")] * size
        grown = {rule.state[0]: 0} | {name: degrees[name] for name in others}
        gap = [update[v].subs(larger) - size**power * update[v].subs(point) for v, power in grown.items()]
        if all(abs(sp.N(value, 30)) < 1e-20 for value in gap):
            return degrees
    raise ValueError(
        f"rule `{rule.name}`: its step depends on the size of the gradient, so the scaling of adaptive methods does "
        "not apply; leave `adaptive` out."
    )
