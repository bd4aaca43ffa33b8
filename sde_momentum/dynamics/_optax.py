"""Import of optax transformations: trace one, read it back as an update rule."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, get_args

import sympy as sp

from sde_momentum.dynamics._optax_reading import read
from sde_momentum.dynamics._optax_state import component, fast_variables
from sde_momentum.dynamics._optax_trace import hyperparameter_names, trace
from sde_momentum.optimizers import CATALOGUE
from sde_momentum.symbolic import Regime, Source, UpdateRule

# A vector, and a matrix of another size: norms, means and averages over rows show up in one of them.
_SHAPE, _OTHER_SHAPE = (3,), (5, 2)


def from_optax(
    factory: Callable[..., Any],
    *,
    hyperparameters: Sequence[str] | None = None,
    name: str | None = None,
    fast: Sequence[str] | None = None,
    sources: tuple[Source, ...] = (),
    regimes: Callable[[], tuple[Regime, ...]] | None = None,
) -> UpdateRule:
    r"""Read an optax gradient transformation back as an update rule, $x' = x + u(g, z, x)$, $z' = Z(g, z, x)$.

    `init` and `update` are traced in float64 on a vector and on a matrix, with the hyperparameters as inputs, and their
    programs are evaluated in sympy for one generic component. Constants become rationals (0.9 is 9/10). Guards against
    the overflow of a step counter are taken as never reached; a `where` on the sign of an accumulator that starts ≥ 0
    and stays so is decided for a generic component, with every hyperparameter but the learning rate in (0, 1). Where
    components interact (norms, means), or random numbers enter, there is no update of one component, and the primitive
    is named.

    State leaves that never influence the parameters are dropped and equal ones merged. A leaf that does not start at
    zero is measured from its start, so that a chain from zero repeats optax. The counter of bias corrections and
    schedules is the variable `k`; the other names follow `trace` → `v`, `mu` and `ema` → `m`, `nu` and
    `sum_of_squares` → `G`.

    Args:
        factory: function of hyperparameters that returns an `optax.GradientTransformation`; `learning_rate` is one.
        hyperparameters: names of the arguments that stay symbolic; those without a default unless said.
        name: name of the rule; that of the factory unless said.
        fast: state variables that may be eliminated; every average of gradients that moves the parameters linearly
            unless said.
        sources: published statements about the rule.
        regimes: returns the regimes that make sense for it, the default first.

    Returns:
        An `UpdateRule` with state `x` and the leaves that matter. A rule that is in the catalogue, with the same names,
        takes sources and regimes from there unless they are given.

    Raises:
        TypeError: `factory` is not a function, or does not return a gradient transformation.
        ValueError: an unknown hyperparameter, a primitive without a reading for one component, a Python side effect, or
            a dependence on the shape of the parameters.

    Example:
        >>> import optax
        >>> rule = from_optax(lambda learning_rate, momentum: optax.sgd(learning_rate, momentum, nesterov=True))
        >>> for variable, expression in rule.update.items():
        ...     print(variable, sp.expand(expression))
        x -g*learning_rate*momentum - g*learning_rate - learning_rate*momentum**2*v + x
        v g + momentum*v
        >>> rule.fast
        ('v',)

    References:
        DeepMind et al. (2020), "The DeepMind JAX Ecosystem", for optax; Ghosh et al. (2023), Theorem 4.1, for the heavy
        ball that its `trace` is.
    """
    names = hyperparameter_names(factory, hyperparameters)
    clash = [n for n in names if n in ("x", "g")]
    if clash:
        raise ValueError(f"a hyperparameter must not be called `{clash[0]}`, which is the state or the gradient.")
    update = component(read(trace(factory, names, _SHAPE), names), names)
    _require_same(update, component(read(trace(factory, names, _SHAPE), names), names), _SIDE_EFFECT)
    _require_same(update, component(read(trace(factory, names, _OTHER_SHAPE), names), names), _DIMENSION)
    known = _in_catalogue(update, names)
    return UpdateRule(
        name=name or _name(factory),
        update=update,
        hyperparameters=names,
        fast=fast_variables(update) if fast is None else tuple(fast),
        sources=sources or (known.sources if known else ()),
        regimes=regimes or (known.regimes if known else None),
    )


_SIDE_EFFECT = (
    "two traces of the transformation differ, so it has a Python side effect (it keeps or reads outside state)"
)
_DIMENSION = "the transformation depends on the number or the arrangement of the components"


def _require_same(first: dict[str, sp.Expr], second: dict[str, sp.Expr], otherwise: str) -> None:
    for variable in {**first, **second}:
        one, other = first.get(variable), second.get(variable)
        if one != other:
            raise ValueError(f"{otherwise}: the update of `{variable}` is {one} once and {other} the other time.")


def _name(factory: Callable[..., Any]) -> str:
    name = getattr(factory, "__name__", "")
    return name if name.isidentifier() else "from_optax"


def _in_catalogue(update: dict[str, sp.Expr], names: tuple[str, ...]) -> UpdateRule | None:
    """The catalogue's rule with the same state, hyperparameters and update."""
    for rule in _variants():
        # Plain gradient descent has the update of SGD, but a transformation is fed stochastic gradients.
        if rule.default_regime().noise_exponent is None:
            continue
        alike = rule.state == tuple(update) and set(rule.hyperparameters) == set(names)
        at_x = rule.gradient_at == sp.Symbol(rule.state[0], real=True)
        if alike and at_x and all(sp.expand(rule.update[v] - update[v]) == 0 for v in update):
            return rule
    return None


def _variants() -> Iterator[UpdateRule]:
    """The rules of the catalogue in all their forms: arguments are switches or choices of words."""
    for entry in CATALOGUE.values():
        arguments = inspect.signature(entry).parameters.values()
        choices = [(False, True) if p.annotation is bool else get_args(p.annotation) or (p.default,) for p in arguments]
        for values in product(*choices):
            yield entry(**dict(zip([p.name for p in arguments], values, strict=True)))
