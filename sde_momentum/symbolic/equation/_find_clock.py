r"""Finding the clock: at which power of the learning rate does a rule have a limit that is not trivial?

A clock $\eta^c$ and scales $\eta^{s_v}$ of the state variables are tried wherever two sides of an equation balance: for
every variable one term, its mean or its noise, is asked to be of size one per unit of time. What is left are finitely
many linear systems. A candidate is kept if nothing diverges on it and the gradient reaches the parameters.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, product

import sympy as sp

from sde_momentum.symbolic.equation._clock_rates import Rate, branches
from sde_momentum.symbolic.equation._modified_equation import leading_correction
from sde_momentum.symbolic.rules._regime import Regime, by_name, power_of_learning_rate
from sde_momentum.symbolic.rules._rule import UpdateRule
from sde_momentum.symbolic.step._expansion import leading_power, monomials
from sde_momentum.symbolic.step._reduction import Reduced, reduce_rule
from sde_momentum.symbolic.symbols._symbols import GRADIENT, LEARNING_RATE, hyperparameter, variable

_FAR = Fraction(40)  # a clock slower than every relaxation: all candidates count as fast on it


def find_clock(
    rule: UpdateRule,
    scalings: Mapping[str, sp.Expr] | None = None,
    *,
    noise_scale: sp.Expr | int = 1,
    cumulant_scales: Mapping[int, sp.Expr] | None = None,
) -> Regime:
    r"""Find the regime in which a rule has a non-trivial limit under given scalings of its hyperparameters.

    Args:
        rule: the optimizer.
        scalings: hyperparameter → its expression in `learning_rate` and new constants; others stay fixed.
        noise_scale: σ in g = ∇L + σ ξ, a power of the learning rate times a constant.
        cumulant_scales: as in `Regime`; where the noise grows, skewness is O(1/σ) unless said otherwise.

    Returns:
        The regime: clock, scales of the state variables that stay, small parameter (the size of the first correction)
        and a name. *Overdamped*: fast variables relax and are eliminated; *underdamped*: they stay and lose their
        memory on the clock; *frictionless*: they stay and keep it; *first-order*: there are none; *adaptive*: the
        parameters' steps are a function of variables that stay.

    Raises:
        ValueError: no clock gives a limit that the gradient enters.

    Example:
        >>> import sympy as sp
        >>> from sde_momentum.optimizers import sgdm
        >>> from sde_momentum.symbolic import LEARNING_RATE, RELAXATION_RATE
        >>> for index in (sp.Rational(1, 2), 1, 2):
        ...     print(find_clock(sgdm(), {"momentum": 1 - RELAXATION_RATE * LEARNING_RATE**index}).name)
        overdamped
        underdamped
        frictionless
    """
    unknown = [name for name in scalings or {} if name not in rule.hyperparameters]
    if unknown:
        raise ValueError(
            f"`{rule.name}` has no hyperparameter `{unknown[0]}`; it has {', '.join(rule.hyperparameters)}."
        )
    given = tuple((name, by_name(value, f"`scalings[{name!r}]`")) for name, value in (scalings or {}).items())
    noise = by_name(noise_scale, "`noise_scale`")
    if cumulant_scales is None:
        exponent = Fraction(0) if noise == 0 else power_of_learning_rate(noise, "noise_scale")[1]
        cumulant_scales = {3: LEARNING_RATE ** sp.Rational(-exponent)} if exponent < 0 else {}
    return _found(rule, given, noise, tuple(sorted(cumulant_scales.items())))


@lru_cache(maxsize=256)
def _found(rule: UpdateRule, scalings: tuple, noise_scale: sp.Expr, cumulants: tuple) -> Regime:
    start = Regime("found", noise_scale, LEARNING_RATE, dict(scalings), cumulant_scales=dict(cumulants))
    kept = [candidate for fast in _subsets(rule.fast) for candidate in _candidates(rule, fast, start)]
    if not kept:
        raise ValueError(
            f"rule `{rule.name}`: on no clock does a limit exist that the gradient enters, with σ = {noise_scale} and "
            f"{dict(scalings) or 'fixed hyperparameters'}; {_short_memories(rule, start)}change the noise scale or the "
            "scalings."
        )
    # The longest time on which all is still finite; faster clocks show less. What starts from zero has the scale to
    # which something drives it, so that comes first.
    reason = ValueError()
    for candidate in sorted(dict.fromkeys(kept), key=lambda candidate: (not candidate.driven, -candidate.clock)):
        regime = candidate.regime(start, rule)
        try:
            return replace(regime, small_parameter=LEARNING_RATE ** sp.Rational(leading_correction(rule, regime)))
        except ValueError as error:  # a function has no expansion there
            reason = error
    raise reason


def _short_memories(rule: UpdateRule, start: Regime) -> str:
    """Which variables forget faster than anything moves and cannot be eliminated, where the update is no polynomial."""
    if _is_polynomial(rule):
        return ""
    update = {v: rule.update[v].subs({hyperparameter(n): e for n, e in start.scalings.items()}) for v in rule.state[1:]}
    gaps = {v: leading_power(sp.cancel(1 - sp.diff(e, variable(v)))) for v, e in update.items() if _is_linear(e, v)}
    short = [v for v, (coefficient, power) in gaps.items() if coefficient != 0 and power < 1 and v not in rule.fast]
    if not short:
        return ""
    return f"{', '.join(short)} must relax as slowly as {rule.state[0]} moves, being inside a function; "


def _is_linear(expression: sp.Expr, name: str) -> bool:
    slope = sp.diff(expression, variable(name))
    return not any(s == variable(s.name) for s in slope.free_symbols)


def _subsets(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for size in range(len(names), -1, -1):
        yield from combinations(names, size)


@dataclass(frozen=True)
class _Candidate:
    """A clock and scales on which nothing diverges and the gradient reaches the parameters."""

    clock: Fraction
    scales: tuple[tuple[str, Fraction], ...]
    fast: tuple[str, ...]
    relaxing: bool
    driven: bool  # all variables are, if indirectly, by the gradient

    def regime(self, start: Regime, rule: UpdateRule) -> Regime:
        if self.fast:
            kind = "overdamped"
        elif not _is_polynomial(rule):
            kind = "adaptive"
        elif len(rule.state) == 1:
            kind = "first-order"
        else:
            kind = "underdamped" if self.relaxing else "frictionless"
        states = {name: LEARNING_RATE ** sp.Rational(scale) for name, scale in self.scales if scale}
        clock = LEARNING_RATE ** sp.Rational(self.clock)
        return replace(start, name=kind, clock=clock, state_scales=states, small_parameter=clock)


def _candidates(rule: UpdateRule, fast: tuple[str, ...], start: Regime) -> Iterator[_Candidate]:
    far = replace(start, clock=LEARNING_RATE ** sp.Rational(_FAR), small_parameter=None)
    try:
        reduced = reduce_rule(replace(rule, fast=fast), far, follow="conserved")
    except ValueError:
        return
    if set(reduced.replacement) != set(fast):
        return
    slow = [name for name in rule.state if name not in fast]
    rates = [rate for name in slow for rate in _rates(rule, reduced, name, start)]
    gaps = [leading_power(1 - factor)[1] for factor in reduced.relaxation.values()]
    unknowns = slow[1:]
    choices = product(*([rate for rate in rates if rate.target == name] for name in slow))
    solutions = (_solve([rate.row(unknowns) for rate in choice]) for choice in choices)
    for *scales, clock in dict.fromkeys(tuple(solution) for solution in solutions if solution is not None):
        named = dict(zip(unknowns, scales, strict=True))
        if clock <= 0 or any(gap >= clock for gap in gaps) or not _near(rule, reduced, named):
            continue
        sizes = [rate.at(named, clock) for rate in rates]
        active = [rate for rate, size in zip(rates, sizes, strict=True) if size == 0]
        driven = _driven(active)
        if min(sizes) >= 0 and rule.state[0] in driven:
            relaxing = all(any(r.target == v and dict(r.powers) == {v: 1} for r in active) for v in unknowns)
            yield _Candidate(clock, tuple(named.items()), fast, relaxing, set(slow) <= driven)


def _rates(rule: UpdateRule, reduced: Reduced, name: str, start: Regime) -> Iterator[Rate]:
    """The terms of one variable's displacement; what holds an eliminated variable is a correction and left out."""
    expression = sp.expand(reduced.displacement[name])
    gone = {variable(v) for v in reduced.replacement}
    if expression.is_polynomial(*(variable(v) for v in rule.state), GRADIENT):
        yield from _monomial_rates(rule, name, expression, gone, start)
        return
    for term in sp.Add.make_args(expression):
        if not term.free_symbols & gone:
            yield from _function_rates(rule, name, term, start)


def _monomial_rates(
    rule: UpdateRule, name: str, expression: sp.Expr, gone: set[sp.Symbol], start: Regime
) -> Iterator[Rate]:
    symbols = {variable(v): v for v in rule.state}
    for monomial in monomials(expression, tuple(symbols), _FAR):
        powers = {symbols[s]: p for s, p in monomial.powers if s != GRADIENT and symbols[s] != rule.state[0]}
        reads = next((p for s, p in monomial.powers if s == GRADIENT), 0)
        if not gone & {s for s, _ in monomial.powers}:
            yield from _mean_and_noise(
                Rate(name, monomial.exponent, tuple(sorted(powers.items())), False, False), reads, start
            )


def _function_rates(rule: UpdateRule, name: str, term: sp.Expr, start: Regime) -> Iterator[Rate]:
    """A term with a function such as 1/(√G + ε), once for every way in which its sums can be dominated."""
    exponent, powers, reads, function = Fraction(0), {}, 0, sp.S.One
    states = {variable(v): v for v in rule.state[1:]}
    for factor in sp.Mul.make_args(term):
        base, power = factor.as_base_exp()
        if base in states and power.is_Integer and power > 0:
            powers[states[base]] = int(power)
        elif base == GRADIENT and power.is_Integer and power > 0:
            reads = int(power)
        elif factor.free_symbols & {*states, GRADIENT, LEARNING_RATE}:
            function *= factor
    gain = min(start.noise_exponent or Fraction(0), Fraction(0))
    for constant, weights in branches(function, gain):
        held = {v: w for v, w in weights.items() if v != rule.state[0]}
        branch = (constant, tuple(sorted(held.items())))
        rate = Rate(name, exponent, tuple(sorted(powers.items())), False, False, function, branch, gain)
        yield from _mean_and_noise(rate, reads, start)


def _mean_and_noise(rate: Rate, reads: int, start: Regime) -> Iterator[Rate]:
    """A term that holds the gradient `reads` times: its mean, with the noise in pairs, and its noise."""
    noise = start.noise_exponent
    mean = rate.constant + (reads // 2 * 2 * min(noise or 0, 0) if noise is not None else 0)
    yield replace(rate, constant=Fraction(mean), gradient=reads > 0)
    if reads and noise is not None:
        yield replace(rate, constant=Fraction(rate.constant + reads * noise), gradient=reads > 1, noise=True)


def _is_polynomial(rule: UpdateRule) -> bool:
    symbols = [*(variable(name) for name in rule.state), GRADIENT]
    return all(value.is_polynomial(*symbols) for value in rule.update.values())


def _near(rule: UpdateRule, reduced: Reduced, scales: Mapping[str, Fraction]) -> bool:
    """Whether the point of the gradient approaches the parameters when slow variables have these scales."""
    symbols = {variable(v): scales.get(v, Fraction(0)) for v in rule.state}
    found = monomials(sp.expand(reduced.gradient_offset), tuple(symbols), _FAR)
    return all(m.exponent + sum(symbols[s] * p for s, p in m.powers) > 0 for m in found)


def _solve(rows: list[tuple[list[Fraction], Fraction]]) -> list[Fraction] | None:
    matrix = sp.Matrix([[sp.Rational(a) for a in row] for row, _ in rows])
    if matrix.det() == 0:
        return None
    found = matrix.LUsolve(sp.Matrix([-sp.Rational(constant) for _, constant in rows]))
    return [Fraction(int(value.p), int(value.q)) for value in found]


def _driven(active: list[Rate]) -> set[str]:
    """What ∇L moves by terms of size one, directly or through other variables, and what counts steps."""
    driven = {rate.target for rate in active if rate.gradient and not rate.noise}
    for _ in active:
        driven |= {rate.target for rate in active if driven & rate.variables}
    counting = [rate for rate in active if not (rate.variables or rate.gradient or rate.noise)]
    return driven | {rate.target for rate in counting}
