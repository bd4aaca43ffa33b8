"""From a rule and a regime to slow variables: which are fast, and which combination of them with x is slow."""

from dataclasses import dataclass
from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic.rules._regime import Regime
from sde_momentum.symbolic.rules._rule import UpdateRule
from sde_momentum.symbolic.step._expansion import leading_power, monomials
from sde_momentum.symbolic.symbols._symbols import GRADIENT, LEARNING_RATE, SCHEDULE, hyperparameter, variable

_BOUNDS = tuple(map(Fraction, (1, 2, 4, 8)))  # powers of the learning rate to look for a leading part below


@dataclass(frozen=True)
class Reduced:
    """A rule in the variables of a limit.

    Args:
        displacement: slow variable → v' − v; that of the first one is x, or what is conserved without gradients.
        replacement: fast variable → v'.
        relaxation: fast variable → its factor per step.
        gradient_offset: point of the gradient minus the slow variable.
        raw_offset: x minus the y that is conserved without gradients, linear in the fast variables.
    """

    displacement: dict[str, sp.Expr]
    replacement: dict[str, sp.Expr]
    relaxation: dict[str, sp.Expr]
    gradient_offset: sp.Expr
    raw_offset: sp.Expr


def reduce_rule(rule: UpdateRule, regime: Regime, *, follow: str = "x") -> Reduced:
    """Scale the hyperparameters and the state, and find the fast variables.

    Args:
        rule: the optimizer.
        regime: its scaling.
        follow: what the first slow variable is: "x" itself, or the y that is "conserved" without gradients.
    """
    update, point = _scaled(rule, regime)
    _require_started(rule, regime, update, point)
    x = variable(rule.state[0])
    fast = _fast_variables(rule, regime, update)
    symbols = [variable(name) for name in fast]
    _require_linear(rule, fast, update)
    offset = _slow_offset(rule, fast, update)
    slow = [name for name in rule.state if name not in fast]
    scale = {name: _natural_scale(name, update, regime, slow) for name in fast}
    # x = y + offset(m), m = scale · m̂
    substitution = {x: x + offset} if follow == "conserved" else {}
    moved = {name: sp.expand(value.subs(substitution, simultaneous=True)) for name, value in update.items()}
    hats = {variable(name): scale[name] * variable(name) for name in fast}
    rescale = lambda expression: sp.expand(expression.subs(hats, simultaneous=True))
    displacement = {
        name: rescale(sp.expand(value - variable(name))) for name, value in moved.items() if name not in fast
    }
    if fast and follow == "conserved":
        move = _conserved_move(rule, update, offset, [variable(name) for name in slow])
        displacement[rule.state[0]] = rescale(move.subs(substitution, simultaneous=True))
    return Reduced(
        displacement=displacement,
        replacement={name: rescale(moved[name] / scale[name]) for name in fast},
        relaxation={name: sp.diff(update[name], symbol) for name, symbol in zip(fast, symbols, strict=True)},
        gradient_offset=rescale(sp.expand(point.subs(substitution, simultaneous=True) - x)),
        raw_offset=offset,
    )


def _conserved_move(rule: UpdateRule, update: dict, offset: sp.Expr, slow: list[sp.Symbol]) -> sp.Expr:
    """The displacement of x − offset in the rule's own variables."""
    x = variable(rule.state[0])
    after = offset.subs({variable(name): update[name] for name in rule.state}, simultaneous=True)
    move = sp.expand(update[rule.state[0]] - after - (x - offset))
    # Where functions of slow variables are in the offset they cancel in the expansion only.
    return sp.cancel(sp.together(move)) if offset.is_polynomial(*slow) else move


def _scaled(rule: UpdateRule, regime: Regime) -> tuple[dict[str, sp.Expr], sp.Expr]:
    """Insert the regime's scalings of hyperparameters and of the state."""
    rule.require_suited(regime)
    values: dict[sp.Symbol, sp.Expr] = {hyperparameter(name): value for name, value in regime.scalings.items()}
    if "learning_rate" in regime.schedules:
        values[LEARNING_RATE] = LEARNING_RATE * SCHEDULE
    x, scales = variable(rule.state[0]), {name: regime.state_scales.get(name, sp.S.One) for name in rule.state}
    # A variable that starts at x is described by its distance from it: a = x + s â, a' - x' = s â'.
    values |= {variable(name): scales[name] * variable(name) + (x if name in rule.start else 0) for name in rule.state}
    update = {}
    for name, expression in rule.update.items():
        moved = expression - rule.update[rule.state[0]] if name in rule.start else expression
        update[name] = sp.expand(moved.subs(values, simultaneous=True) / scales[name])
    return update, sp.expand(sp.sympify(rule.gradient_at).subs(values, simultaneous=True))


def in_rule_variables(expression: sp.Expr, rule: UpdateRule) -> sp.Expr:
    """An expression in distances from x, in the rule's own variables."""
    x = variable(rule.state[0])
    return sp.expand(expression.subs({variable(name): variable(name) - x for name in rule.start}, simultaneous=True))


def _require_started(rule: UpdateRule, regime: Regime, update: dict[str, sp.Expr], point: sp.Expr) -> None:
    """What the parameters or the gradient's point follow at once must not start far from them."""
    first = rule.state[0]
    x = variable(first)
    still = {variable(name): 0 for name in rule.start} | {GRADIENT: 0, LEARNING_RATE: 0}
    at_once = point.subs(LEARNING_RATE, 0).free_symbols | update[first].subs(LEARNING_RATE, 0).free_symbols
    for name in rule.fast:
        a = variable(name)
        if name in rule.start or a not in at_once or regime.state_scales.get(name, 1) != 1:
            continue
        if sp.expand(update[name].subs({**still, a: x}, simultaneous=True) - x) == 0:
            raise ValueError(
                f"rule `{rule.name}`: `{first}` and `{name}` approach each other within some steps, so they must start "
                f'together and not with `{name}` at zero: say `start={{"{name}": "{first}"}}`.'
            )


def _fast_variables(rule: UpdateRule, regime: Regime, update: dict[str, sp.Expr]) -> tuple[str, ...]:
    """Candidates whose relaxation outruns the clock: 1 − A of lower order than the time per step."""
    found = []
    for name in rule.fast:
        gap = sp.cancel(1 - sp.diff(update[name], variable(name)))
        coefficient, exponent = leading_power(gap)
        if coefficient != 0 and exponent < regime.clock_exponent:
            _require_forgetting(rule, name, 1 - gap)
            found.append(name)
    return _ordered(rule, found, update)


def _require_forgetting(rule: UpdateRule, name: str, factor: sp.Expr) -> None:
    """A fast variable must relax: |A| < 1."""
    if sp.expand(factor - 1).is_nonnegative or sp.expand(factor + 1).is_nonpositive:
        raise ValueError(
            f"rule `{rule.name}`: `{name}` is multiplied by {factor} in every step, so it never forgets and cannot be "
            "eliminated; leave it out of `fast`, or correct its update."
        )


def _ordered(rule: UpdateRule, names: list[str], update: dict[str, sp.Expr]) -> tuple[str, ...]:
    """Fast variables sorted so that each depends on earlier ones only."""
    pending, ordered = list(names), []
    while pending:
        free = [n for n in pending if not any(update[n].has(variable(other)) for other in pending if other != n)]
        if not free:
            raise ValueError(
                f"rule `{rule.name}`: the fast variables {', '.join(pending)} depend on each other in a circle, so "
                "they cannot be eliminated one after the other; rewrite them as independent averages."
            )
        ordered.append(free[0])
        pending.remove(free[0])
    return tuple(ordered)


def _require_linear(rule: UpdateRule, fast: tuple[str, ...], update: dict[str, sp.Expr]) -> None:
    """Fast variables are linear averages that enter the others as polynomials."""
    symbols = [variable(name) for name in fast]
    for name in rule.state:
        if fast and name not in fast and not update[name].is_polynomial(*symbols):
            raise ValueError(
                f"rule `{rule.name}`: the update of `{name}` is not polynomial in the fast variables "
                f"{', '.join(fast)}, so they cannot be eliminated."
            )
    for name in fast:
        own = update[name]
        others = {variable(v) for v in rule.state} - set(symbols)
        for other in symbols:
            slope = sp.diff(own, other)
            if slope.free_symbols & ({*symbols, GRADIENT} | others):
                raise ValueError(
                    f"rule `{rule.name}`: `{name}` cannot be eliminated, its update is not linear in `{other}`."
                )


def _slow_offset(rule: UpdateRule, fast: tuple[str, ...], update: dict[str, sp.Expr]) -> sp.Expr:
    """X − y: with x' = x + B m and m' = A m (no gradient), y = x + B (I − A)⁻¹ m does not move.

    B may depend on slow variables, as the denominator of Adam does: y then moves as they do, which is little.
    """
    if not fast:
        return sp.S.Zero
    parameters = rule.state[0]
    symbols = sp.Matrix([variable(name) for name in fast])
    others = {variable(v): 0 for v in rule.state if v not in fast} | {GRADIENT: 0}
    slope = sp.Matrix([update[name].subs(others) for name in fast]).jacobian(symbols)
    # What is of higher degree in m moves y, as little as it moves x.
    move = (update[parameters] - variable(parameters)).subs({variable(parameters): 0, GRADIENT: 0})
    push = sp.Matrix([move]).jacobian(symbols).subs(dict.fromkeys(symbols, 0))
    slow = [variable(v) for v in rule.state if v not in fast]
    push = push.applyfunc(lambda e: e if e.is_polynomial(*slow) else _leading_part(e, slow))
    conserved = (push * (sp.eye(len(fast)) - slope).inv()).applyfunc(
        lambda e: sp.cancel(e) if e.is_polynomial(*slow) else e
    )
    return sp.expand(-(conserved * symbols)[0])


def _leading_part(expression: sp.Expr, state: list[sp.Symbol]) -> sp.Expr:
    """The lowest power of the learning rate in a function of the state: functions inside need no more."""
    for bound in _BOUNDS:
        if found := monomials(expression, tuple(state), bound):
            lowest = min(m.exponent for m in found)
            scale = LEARNING_RATE ** sp.Rational(lowest.numerator, lowest.denominator)
            terms = [m for m in found if m.exponent == lowest]
            return sp.Add(*(m.coefficient * scale * sp.Mul(*(s**p for s, p in m.powers)) * m.function for m in terms))
    return sp.S.Zero


def _natural_scale(name: str, update: dict[str, sp.Expr], regime: Regime, slow: list[str]) -> sp.Expr:
    """The power of η that a relaxed EMA state has: the largest of its mean, its noise and what other variables give."""
    own = update[name]
    _, gain = leading_power(sp.diff(own, GRADIENT))
    _, gap = leading_power(1 - sp.diff(own, variable(name)))
    exponents = [gain - gap]
    level = sp.expand(own.subs({GRADIENT: 0, variable(name): 0}))
    if level.free_symbols & {variable(v) for v in slow}:
        exponents.append(leading_power(level)[1] - gap)
    if regime.noise_exponent is not None:
        exponents.append(gain - gap / 2 + regime.noise_exponent)
    lowest: Fraction = min(exponents)
    return LEARNING_RATE ** sp.Rational(lowest.numerator, lowest.denominator)
