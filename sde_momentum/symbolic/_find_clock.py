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

from ._expansion import leading_power, monomials
from ._modified_equation import leading_correction
from ._reduction import Reduced, reduce_rule
from ._regime import Regime, by_name, power_of_learning_rate
from ._rule import UpdateRule
from ._symbols import GRADIENT, LEARNING_RATE, variable

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
        rule: the optimizer; its update must be polynomial in state and gradient.
        scalings: hyperparameter → its expression in `learning_rate` and new constants; others stay fixed.
        noise_scale: σ in g = ∇L + σ ξ, a power of the learning rate times a constant.
        cumulant_scales: as in `Regime`; where the noise grows, skewness is O(1/σ) unless said otherwise.

    Returns:
        The regime: clock, scales of the state variables that stay, small parameter (the size of the first correction)
        and a name. *Overdamped*: fast variables relax and are eliminated; *underdamped*: they stay and lose their
        memory on the clock; *frictionless*: they stay and keep it; *first-order*: there are none.

    Raises:
        ValueError: no clock gives a limit that the gradient enters, or the rule is not polynomial.

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
    given = tuple((name, by_name(value)) for name, value in (scalings or {}).items())
    noise = by_name(noise_scale)
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
            f"{dict(scalings) or 'fixed hyperparameters'}; change the noise scale or the scalings."
        )
    # The longest time on which all is still finite; faster clocks show less.
    best = max(kept, key=lambda candidate: candidate.clock)
    regime = best.regime(start, rule)
    return replace(regime, small_parameter=LEARNING_RATE ** sp.Rational(leading_correction(rule, regime)))


def _subsets(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for size in range(len(names), -1, -1):
        yield from combinations(names, size)


@dataclass(frozen=True)
class _Rate:
    """One term of a variable's change, of size η^(constant + Σ scales − c) per unit of time; doubled for noise."""

    target: str
    constant: Fraction
    powers: tuple[tuple[str, int], ...]
    gradient: bool
    noise: bool

    def row(self, unknowns: list[str]) -> tuple[list[Fraction], Fraction]:
        """Coefficients of the unknown scales and of the clock, and the constant: their sum is the exponent."""
        times = 2 if self.noise else 1
        powers = dict(self.powers)
        scales = [Fraction(times * (powers.get(name, 0) - (name == self.target))) for name in unknowns]
        return [*scales, Fraction(-1)], times * self.constant

    def at(self, scales: Mapping[str, Fraction], clock: Fraction) -> Fraction:
        """The exponent for given scales and clock."""
        row, constant = self.row(list(scales))
        return constant + sum((a * s for a, s in zip(row, (*scales.values(), clock), strict=True)), Fraction(0))


@dataclass(frozen=True)
class _Candidate:
    """A clock and scales on which nothing diverges and the gradient reaches the parameters."""

    clock: Fraction
    scales: tuple[tuple[str, Fraction], ...]
    fast: tuple[str, ...]
    relaxing: bool

    def regime(self, start: Regime, rule: UpdateRule) -> Regime:
        if self.fast:
            kind = "overdamped"
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
        reduced = reduce_rule(replace(rule, fast=fast), far)
    except ValueError:
        return
    if set(reduced.replacement) != set(fast):
        return
    slow = [name for name in rule.state if name not in fast]
    rates = [rate for name in slow for rate in _rates(rule, reduced, name, start)]
    gaps = [leading_power(1 - factor)[1] for factor in reduced.relaxation.values()]
    unknowns = slow[1:]
    for choice in product(*([rate for rate in rates if rate.target == name] for name in slow)):
        solution = _solve([rate.row(unknowns) for rate in choice])
        if solution is None:
            continue
        *scales, clock = solution
        named = dict(zip(unknowns, scales, strict=True))
        if clock <= 0 or any(rate.at(named, clock) < 0 for rate in rates) or any(gap >= clock for gap in gaps):
            continue
        if not _near(rule, reduced, named):
            continue
        active = [rate for rate in rates if rate.at(named, clock) == 0]
        if _reached(active, rule.state[0]):
            relaxing = all(any(r.target == v and dict(r.powers) == {v: 1} for r in active) for v in unknowns)
            yield _Candidate(clock, tuple(named.items()), fast, relaxing)


def _rates(rule: UpdateRule, reduced: Reduced, name: str, start: Regime) -> Iterator[_Rate]:
    """The terms of one variable's displacement; what holds an eliminated variable is a correction and left out."""
    symbols = {variable(v): v for v in rule.state}
    noise = start.noise_exponent
    expression = sp.expand(reduced.displacement[name])
    for monomial in monomials(expression, tuple(symbols), _FAR):
        if monomial.function != 1:
            raise ValueError(
                f"rule `{rule.name}`: the update of `{name}` is not polynomial in the state ({monomial.function}); "
                "state its clock in a `Regime`."
            )
        powers = {symbols[s]: p for s, p in monomial.powers if s != GRADIENT and symbols[s] != rule.state[0]}
        reads = next((p for s, p in monomial.powers if s == GRADIENT), 0)
        if set(powers) & set(reduced.replacement):
            continue
        held = tuple(sorted(powers.items()))
        mean = monomial.exponent + (reads // 2 * 2 * min(noise or 0, 0) if noise is not None else 0)
        yield _Rate(name, Fraction(mean), held, reads > 0, noise=False)
        if reads and noise is not None:
            yield _Rate(name, Fraction(monomial.exponent + reads * noise), held, reads > 1, noise=True)


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


def _reached(active: list[_Rate], parameters: str) -> bool:
    """Whether ∇L, by terms of size one, moves the parameters, directly or through other variables."""
    reached = {rate.target for rate in active if rate.gradient and not rate.noise}
    for _ in active:
        reached |= {rate.target for rate in active if reached & {name for name, _ in rate.powers}}
    return parameters in reached
