"""Weight decay, as a wrapper of any rule."""

from collections.abc import Callable
from dataclasses import replace

from sde_momentum.symbolic import LEARNING_RATE, Regime, UpdateRule, hyperparameter, require_rule, variable

NAME = "weight_decay"


def weight_decay(rule: UpdateRule, decoupled: bool = False) -> UpdateRule:
    r"""Add weight decay with rate ω to a rule.

    Coupled, $g \mapsto g + \omega p$ at the point p of the gradient: the rule descends $L + \frac\omega2|x|^2$,
    momentum and normalization included. Decoupled, $x' = x'_{\text{rule}} - \eta\omega x$: the decay passes by both.

    Args:
        rule: the optimizer.
        decoupled: shrink the parameters beside the rule's step, as AdamW does, rather than through the gradient.

    Returns:
        A rule with the further hyperparameter `weight_decay` ω (per unit of learning rate), under the same regimes. On
        a clock h slower than kη, decoupled decay is scaled to stay in the limit, ω = ω₀ h/η.

    Raises:
        ValueError: the rule has a hyperparameter `weight_decay` already.

    Example:
        >>> from sde_momentum.optimizers import sgd
        >>> from sde_momentum.symbolic import modified_equation
        >>> print(modified_equation(weight_decay(sgd())).drift["x"])
        -∇(L + 1/2·ω·|x|²)

    References:
        Loshchilov, Hutter (2019), "Decoupled weight decay regularization", algorithms 1 and 2.
    """
    require_rule(rule)
    if NAME in rule.hyperparameters:
        raise ValueError(f"rule `{rule.name}` has the hyperparameter `{NAME}` already; wrap the rule without it.")
    parameters, rate = rule.state[0], hyperparameter(NAME)
    if decoupled:
        update = {**rule.update, parameters: rule.update[parameters] - LEARNING_RATE * rate * variable(parameters)}
    else:
        gradient = variable("g")
        update = {name: value.subs(gradient, gradient + rate * rule.gradient_at) for name, value in rule.update.items()}
    return replace(
        rule,
        name=f"{rule.name}_with_{'decoupled_' if decoupled else ''}weight_decay",
        update=update,
        hyperparameters=(*rule.hyperparameters, NAME),
        regimes=_regimes(rule) if decoupled else rule.regimes,
    )


def _regimes(rule: UpdateRule) -> Callable[[], tuple[Regime, ...]]:
    def with_decay(regime: Regime) -> Regime:
        if regime.clock_exponent <= 1:
            return regime
        scaled = hyperparameter(f"{NAME}0") * regime.clock / LEARNING_RATE
        return replace(regime, scalings={**regime.scalings, NAME: scaled})

    return lambda: tuple(map(with_decay, rule.regimes()))
