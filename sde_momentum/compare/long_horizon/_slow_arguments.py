"""What the studies on the slow clock can be asked: each argument is refused in one sentence before anything runs."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from numbers import Rational
from typing import Any

import jax
import numpy as np

from sde_momentum.compare.long_horizon._slow_setting import AdaptiveSetting, LinearSetting
from sde_momentum.compare.question._arguments import real_number
from sde_momentum.dynamics._hyperparameters import require_range
from sde_momentum.manifold import AdamSlowSDE, SlowSDE
from sde_momentum.symbolic import UpdateRule


def checked_rules(rules: Any) -> tuple[UpdateRule, ...]:
    """One rule or several, of different names.

    Raises:
        TypeError: something that is no rule.
        ValueError: none, or two of one name.
    """
    given = tuple(rules) if isinstance(rules, Iterable) and not isinstance(rules, str | UpdateRule) else (rules,)
    if not given:
        raise ValueError("`rules` is empty: pass an optimizer, such as sde_momentum.optimizers.sgd(), or several.")
    for rule in given:
        if not isinstance(rule, UpdateRule):
            raise TypeError(
                "`rules` must be an UpdateRule or several, such as sde_momentum.optimizers.sgd(), got "
                f"{type(rule).__name__}{' that was not called' if callable(rule) else ''}."
            )
    if len({rule.name for rule in given}) < len(given):
        raise ValueError(f"two of `rules` have one name: {', '.join(rule.name for rule in given)}; compare them apart.")
    return given


def checked_index(momentum_index: Any) -> Any:
    """A momentum index α with 0 ≤ α < 2, as it was given: fractions stay exact.

    Raises:
        TypeError: it is no number.
        ValueError: it is not in [0, 2).
    """
    exact = isinstance(momentum_index, Rational) and not isinstance(momentum_index, bool)
    index = real_number(float(momentum_index) if exact else momentum_index, "momentum_index")
    if not 0 <= index < 2:
        raise ValueError(f"`momentum_index` must lie in [0, 2) on the slow clock kη², got {momentum_index!r}.")
    return momentum_index


def checked_limit(limit: Any) -> SlowSDE | AdamSlowSDE | None:
    """A slow equation to compare with, or None.

    Raises:
        TypeError: it is something else.
    """
    if limit is not None and not isinstance(limit, SlowSDE | AdamSlowSDE):
        raise TypeError(
            "`limit` must be a slow equation, made by sde_momentum.manifold.slow_sde or adam_slow_sde, got "
            f"{type(limit).__name__}; leave it out for that of each rule."
        )
    return limit


def checked_numbers(
    hyperparameters: Mapping[str, Any], settings: Sequence[LinearSetting | AdaptiveSetting], study: Callable[..., Any]
) -> None:
    """Refuse a keyword that no rule takes, and what is no number.

    Args:
        hyperparameters: keywords that are no arguments of the study.
        settings: of each rule.
        study: the function, whose arguments may be what was meant.

    Raises:
        ValueError: a keyword that no rule takes, or a number out of range.
        TypeError: one that is no number.
    """
    known = sorted(set().union(*(setting.takes for setting in settings)))
    for name, value in hyperparameters.items():
        if name not in known:
            raise ValueError(_unknown(name, known, settings, study))
        require_range(name, real_number(value, name))


def _unknown(name: str, known: Sequence[str], settings: Sequence[Any], study: Callable[..., Any]) -> str:
    if name == "learning_rate":
        return "pass `learning_rates`, several of them, in place of one `learning_rate`."
    for setting in settings:
        if name in setting.regime.scalings and name in setting.rule.hyperparameters:
            scaled = str(setting.regime.scalings[name]).replace("**", "^")
            instead = [one for one in ("relaxation_rate", "decay_rate") if one in setting.takes]
            return f"`{name}` of rule `{setting.rule.name}` is {scaled} here: pass `{instead[0]}` in its place."
    names = [setting.rule.name for setting in settings]
    text = f"no rule among {', '.join(names)}" if len(names) > 1 else f"neither the study nor rule `{names[0]}`"
    arguments = [key for key, one in signature(study).parameters.items() if one.kind is not Parameter.VAR_KEYWORD]
    near = difflib.get_close_matches(name, [*known, *arguments], 1, cutoff=0.75)
    if name == "relaxation_rate":
        hint = "it belongs to rules with momentum at a `momentum_index` above 0."
    elif near:
        hint = f"did you mean `{near[0]}`?"
    else:
        hint = f"there are {', '.join(known)}." if known else "it has no number besides its learning rate."
    return f"{text} takes `{name}`; {hint}"


def checked_scales(learning_rates: Any, exponents: Any) -> tuple[list[float], list[float]]:
    """Learning rates and exponents of a study between the clocks.

    Raises:
        TypeError: no sequence, or not of numbers.
        ValueError: none; a rate that is not positive, or given twice; an exponent that is not finite.
    """
    rates = _numbers(learning_rates, "learning_rates", "(0.02, 0.01)")
    powers = _numbers(exponents, "exponents", "(1.0, 1.5, 2.0)")
    if not all(rate > 0 for rate in rates) or len(set(rates)) < len(rates):
        raise ValueError(f"`learning_rates` must be positive and different from each other, got {learning_rates!r}.")
    return rates, powers


def _numbers(values: Any, name: str, example: str) -> list[float]:
    array = isinstance(values, np.ndarray | jax.Array) and values.ndim == 1
    if not array and (isinstance(values, str) or not isinstance(values, Sequence)):
        raise TypeError(f"`{name}` must be a sequence of numbers, such as {example}, got {values!r}.")
    numbers = [real_number(value, name) for value in values]
    if not numbers:
        raise ValueError(f"`{name}` is empty: pass one number or more, such as {example}.")
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"`{name}` must be finite, got {values!r}.")
    return numbers


def whole_slow_steps(t1: float, rate: float) -> int:
    """t1 in steps of η².

    Raises:
        ValueError: it is not a whole number of them.
    """
    count = t1 / rate**2
    if round(count) < 1 or abs(count - round(count)) > 1e-6 * count:
        raise ValueError(
            f"t1 = {t1} is {count:.6g} steps of η² at η = {rate}; choose η = √(t1/n) with a whole number n."
        )
    return round(count)
