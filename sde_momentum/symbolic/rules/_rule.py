"""Update rules: one step of an optimizer, componentwise, in sympy."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import sympy as sp

from sde_momentum.symbolic.rules._regime import Regime
from sde_momentum.symbolic.symbols._doors import has_limit, text
from sde_momentum.symbolic.symbols._expression_reading import exact
from sde_momentum.symbolic.symbols._symbols import GRADIENT, RESERVED, hyperparameter, variable

_GRADIENT_AT = sp.Function("gradient_at")
_HIGHEST_CUMULANT = 12  # far beyond what any order below 5 can reach


@dataclass(frozen=True)
class Source:
    """A published statement: BibTeX key in `references.bib`, and where in that source."""

    key: str
    where: str = ""


@dataclass(frozen=True)
class UpdateRule:
    r"""One step of an optimizer, $z_{k+1} = Z(z_k, g_k)$ with $g_k$ the stochastic gradient at `gradient_at`.

    Every expression stands for one generic component; vectors never appear. The gradient is read once a step.

    Args:
        name: the name on the command line and in printouts.
        update: state variable → its next value, in the symbols of the state, of the hyperparameters and `g`. The first
            variable holds the parameters.
        hyperparameters: names; `learning_rate` is always among them.
        gradient_at: the point where the gradient is taken, `x` unless the method looks ahead.
        fast: state variables that may be eliminated where a regime lets them relax faster than the clock.
        sources: published statements about this rule.
        regimes: returns the regimes that make sense for it, the default first.
        start: state variable → `"x"` (the name of the first variable) where it starts at the parameters' own start, as
            averages of iterates do; the others start at zero. Limits describe such a variable as its distance from x,
            a − x, which starts at zero too.
        draw_weights: $w_a$ in $g = \sum_a w_a g_a$, a combination of independent draws of the stochastic gradient at
            that point; one draw unless said. They add up to one, so that the mean is kept, and the j-th cumulant of the
            noise is multiplied by $\sum_a w_a^j$.

    Raises:
        ValueError: a state variable has no update, an expression uses a symbol that is neither state nor hyperparameter
            nor `g`, or the weights of the draws do not add up to one.

    Example:
        >>> from sde_momentum.symbolic import update_rule
        >>> @update_rule(state=("x", "m"), fast=("m",))
        ... def mine(x, m, g, *, learning_rate, momentum):
        ...     m = momentum * m + (1 - momentum) * g
        ...     return x - learning_rate * m, m
        >>> mine.state
        ('x', 'm')
    """

    name: str
    update: Mapping[str, sp.Expr]
    hyperparameters: tuple[str, ...]
    gradient_at: sp.Expr | None = None
    fast: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    # None stands for the usual regimes, which need the rule itself: they are put in after the other fields.
    regimes: Callable[[], tuple[Regime, ...]] = field(default=None, compare=False)  # pyright: ignore[reportAssignmentType]
    draw_weights: tuple[sp.Expr, ...] = (sp.S.One,)
    start: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        _require_free_names(self)
        update = {
            name: exact(value, f"rule `{self.name}`: the update of `{name}`") for name, value in self.update.items()
        }
        object.__setattr__(self, "update", MappingProxyType(update))
        at = variable(self.state[0]) if self.gradient_at is None else self.gradient_at
        point = exact(at, f"rule `{self.name}`: `gradient_at`")
        object.__setattr__(self, "gradient_at", point)
        if "learning_rate" not in self.hyperparameters:
            raise ValueError(f"rule `{self.name}`: the hyperparameter `learning_rate` is missing.")
        for name in self.fast:
            if name == self.state[0]:
                raise ValueError(
                    f"rule `{self.name}`: `{name}` stands for the parameters and cannot be fast; where it relaxes to "
                    "another variable, that one is the fast one by its distance: declare it in `fast` and in `start`."
                )
            if name not in self.state:
                raise ValueError(f"rule `{self.name}`: fast variable `{name}` is not among {self.state[1:]}.")
        object.__setattr__(self, "start", MappingProxyType(_checked_start(self)))
        allowed = {variable(v) for v in self.state} | {hyperparameter(h) for h in self.hyperparameters} | {GRADIENT}
        for name, expression in [*self.update.items(), ("gradient_at", point)]:
            unknown = sorted(str(s) for s in expression.free_symbols - allowed)
            if unknown:
                raise ValueError(
                    f"rule `{self.name}`: the update of `{name}` uses {unknown[0]}, which is neither a state variable "
                    f"{self.state}, nor a hyperparameter {self.hyperparameters}, nor the gradient `g`."
                )
        if self.regimes is None or isinstance(self.regimes, _UsualRegimes):
            object.__setattr__(self, "regimes", _UsualRegimes(self))
        weights = tuple(
            exact(weight, f"rule `{self.name}`: a weight in `draw_weights`") for weight in self.draw_weights
        )
        object.__setattr__(self, "draw_weights", weights)
        unknown = sorted(str(s) for weight in self.draw_weights for s in weight.free_symbols - allowed)
        if unknown:
            raise ValueError(f"rule `{self.name}`: a weight in `draw_weights` uses {unknown[0]}, not a hyperparameter.")
        if sp.expand(sp.Add(*self.draw_weights) - 1) != 0:
            raise ValueError(
                f"rule `{self.name}`: `draw_weights` add up to {sp.Add(*self.draw_weights)}; for an unbiased gradient "
                "they must add up to 1."
            )
        if point.has(GRADIENT):
            raise ValueError(f"rule `{self.name}`: the gradient is taken at a point that depends on the gradient.")

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.update.items()), self.gradient_at, tuple(self.start)))

    @property
    def state(self) -> tuple[str, ...]:
        """Names of the state variables, the parameters first."""
        return tuple(self.update)

    def default_regime(self) -> Regime:
        """The regime used when none is given: the first of its own, or unit noise scale at fixed hyperparameters."""
        if isinstance(self.regimes, _UsualRegimes):
            return Regime.small_noise()
        return self.regimes()[0]

    def require_suited(self, regime: Regime) -> None:
        """Refuse a regime made for another rule.

        Args:
            regime: the scaling that is to be used with this rule.

        Raises:
            TypeError: it is no regime.
            ValueError: it scales or schedules something that the rule does not have.
        """
        if not isinstance(regime, Regime):
            raise TypeError(f"`regime` must be a Regime, such as one of rule.regimes(), got {type(regime).__name__}.")
        owned = {"hyperparameter": self.hyperparameters, "state variable": self.state}
        for kind, scaled in (("hyperparameter", regime.scalings), ("state variable", regime.state_scales)):
            for name in scaled:
                if name not in owned[kind]:
                    raise ValueError(
                        f"regime `{regime.name}` scales `{name}`, which is not a {kind} of `{self.name}` "
                        f"{owned[kind]}; take one of rule.regimes()."
                    )
        numbers = [name for name in self.hyperparameters if name not in regime.scalings]
        numbers += sorted(str(symbol) for value in regime.scalings.values() for symbol in value.free_symbols)
        for name in regime.schedules:
            if name not in numbers:
                raise ValueError(
                    f"regime `{regime.name}` schedules `{name}`, which is none of the numbers {', '.join(numbers)} "
                    f"that `{self.name}` has in it."
                )

    def noise_of_step(self, regime: Regime) -> Regime:
        """Return the regime with the cumulants of the combined draws in place of those of one draw."""
        if len(self.draw_weights) == 1:
            return regime
        scales = {}
        for order in range(2, _HIGHEST_CUMULANT + 1):
            power_sum = sp.expand(sp.Add(*(weight**order for weight in self.draw_weights)))
            scales[order] = sp.factor(power_sum) * regime.cumulant_scales.get(order, sp.S.One)
        return replace(regime, cumulant_scales=scales)

    def __str__(self) -> str:
        letters = [f"{name} {text(hyperparameter(name))}" for name in self.hyperparameters]
        lines = [f"{self.name}: state {', '.join(self.state)}; hyperparameters {', '.join(letters)}"]
        lines += [f"  {name}' = {text(expression)}" for name, expression in self.update.items()]
        kind = "stochastic gradient"
        if len(self.draw_weights) > 1:
            weights = ", ".join(text(weight) for weight in self.draw_weights)
            kind = f"sum of {len(self.draw_weights)} independent stochastic gradients with weights {weights},"
        lines.append(f"  g = {kind} at {text(self.gradient_at)}")
        if self.start:
            lines.append(f"  start {', '.join(f'{name} = {at}' for name, at in self.start.items())}, others 0")
        return "\n".join(lines)


def _require_free_names(rule: UpdateRule) -> None:
    """Names that a limit needs for its own fields cannot be those of state variables."""
    for name in rule.state:
        # The second route follows schedules as variables of its own, called v@0, v@1, ….
        word, mark, place = name.partition("@")
        if not word.isidentifier() or (mark and not place.isdigit()) or name in RESERVED or name.startswith("kappa"):
            raise ValueError(
                f"rule `{rule.name}`: a state variable cannot be called `{name}`, which limits use for the loss, its "
                "noise or an index; choose another name."
                if name.isidentifier()
                else f"rule `{rule.name}`: a state variable cannot be called {name!r}; choose a Python name."
            )


def _checked_start(rule: UpdateRule) -> dict[str, str]:
    """Variable → name of the parameters, for variables that start there."""
    first, *others = rule.state
    for name, value in rule.start.items():
        if name not in others:
            raise ValueError(f"rule `{rule.name}`: `start` names `{name}`, which is not among {tuple(others)}.")
        if str(value) != first:
            raise ValueError(
                f"rule `{rule.name}`: `{name}` starts at {value}, but a variable starts at zero or at the parameters, "
                f'`start={{"{name}": "{first}"}}`.'
            )
    return dict.fromkeys((name for name in others if name in rule.start), first)


def require_rule(rule: object) -> UpdateRule:
    """Return what is an update rule; refuse its name, its maker or anything else.

    Args:
        rule: what was given as a rule.

    Raises:
        TypeError: it is none.

    Example:
        >>> from sde_momentum.optimizers import sgd
        >>> require_rule(sgd)
        Traceback (most recent call last):
            ...
        TypeError: `rule` must be an UpdateRule, such as sde_momentum.optimizers.sgd(), got function.
    """
    if not isinstance(rule, UpdateRule):
        raise TypeError(
            f"`rule` must be an UpdateRule, such as sde_momentum.optimizers.sgd(), got {type(rule).__name__}."
        )
    return rule


class _UsualRegimes:
    """The regimes of a rule that names none: those of the SGD family under which it has a limit."""

    def __init__(self, rule: UpdateRule):
        self.rule = rule

    def __call__(self) -> tuple[Regime, ...]:
        indices = (0, Fraction(1, 2), 1) if "momentum" in self.rule.hyperparameters else (0,)
        usual = (Regime.small_noise(), *map(Regime.noise_dominated, indices))
        return tuple(regime for regime in usual if self._fits(regime))

    def _fits(self, regime: Regime) -> bool:
        return has_limit(self.rule, regime)


class _GradientArgument(sp.Symbol):
    """The `g` a user's function receives: used bare it is g(x); called, the gradient at another point."""

    def __call__(self, point: Any) -> sp.Expr:
        return _GRADIENT_AT(sp.sympify(point))


def update_rule(
    *,
    state: tuple[str, ...] = ("x",),
    fast: tuple[str, ...] = (),
    start: Mapping[str, str] | None = None,
    sources: tuple[Source, ...] = (),
    regimes: Callable[[], tuple[Regime, ...]] | None = None,
) -> Callable[[Callable], UpdateRule]:
    """Turn a Python function of one generic component into an `UpdateRule`.

    The function takes the state variables and `g` by position and the hyperparameters by keyword; it returns the next
    state in order. `g` is the stochastic gradient at x; `g(point)` takes it elsewhere, once.

    Args:
        state: names of the state variables, the parameters first.
        fast: those that may be eliminated.
        start: variable → `"x"` for those that start at the parameters, as averages of iterates do.
        sources: published statements about the rule.
        regimes: returns the regimes that make sense for the rule, the default first.

    Returns:
        A decorator that gives the rule, named as the function.

    Raises:
        ValueError: the signature does not match `state`, the gradient is read at two points, or a state variable has no
            update.

    Example:
        >>> @update_rule(state=("x",))
        ... def plain(x, g, *, learning_rate):
        ...     return x - learning_rate * g
        >>> print(plain.update["x"])
        -g*learning_rate + x
    """

    def decorate(function: Callable) -> UpdateRule:
        name = function.__name__
        parameters = inspect.signature(function).parameters.values()
        positional = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
        keywords = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        if positional != (*state, "g"):
            raise ValueError(
                f"rule `{name}` must take ({', '.join((*state, 'g'))}) by position, but takes {positional}."
            )
        arguments = [variable(v) for v in state]
        try:
            returned = function(
                *arguments, _GradientArgument("g", real=True), **{k: hyperparameter(k) for k in keywords}
            )
        except TypeError as error:
            raise TypeError(
                f"rule `{name}` is evaluated on sympy symbols, and something in it cannot be ({error}): use sympy's "
                "functions, and no branch on a value."
            ) from error
        values = returned if isinstance(returned, tuple | list) else (returned,)
        if isinstance(returned, Mapping | set):
            raise TypeError(
                f"rule `{name}` returns a {type(returned).__name__}; return the next values in the order of the state, "
                f"`return {', '.join(state)}`."
            )
        if any(value is None for value in values):
            raise ValueError(
                f"rule `{name}` returns None for {state[list(values).index(None)]}: is a `return` missing?"
            )
        if len(values) != len(state):
            raise ValueError(
                f"rule `{name}` returns {len(values)} value(s) for the {len(state)} state variables {state}: "
                "every state variable needs an update."
            )
        expressions, point = _single_gradient(name, [sp.sympify(v) for v in values], arguments[0])
        return UpdateRule(
            name=name,
            update=dict(zip(state, expressions, strict=True)),
            hyperparameters=keywords,
            gradient_at=point,
            fast=fast,
            sources=sources,
            regimes=regimes,
            start=start or {},
        )

    return decorate


def _single_gradient(name: str, values: list[sp.Expr], x: sp.Symbol) -> tuple[list[sp.Expr], sp.Expr]:
    """Replace the gradient, wherever it was taken, by the symbol g; refuse a second point."""
    bare = _GradientArgument("g", real=True)
    points = {call.args[0] for value in values for call in value.atoms(_GRADIENT_AT)}
    if any(value.has(bare) for value in values):
        points.add(x)
    if len(points) > 1:
        found = ", ".join(sorted(map(str, points)))
        raise ValueError(
            f"rule `{name}` reads the gradient at {len(points)} points ({found}); one step may read it once."
        )
    point = points.pop() if points else x
    return [value.subs({_GRADIENT_AT(point): GRADIENT, bare: GRADIENT}) for value in values], point
