"""The generator of a rule in coordinates, by whichever method its time scales call for."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import lcm

import sympy as sp

from sde_momentum.symbolic.coordinates._jets import JetRing
from sde_momentum.symbolic.coordinates._matching import Matching
from sde_momentum.symbolic.coordinates._operator import CoordinateOperator, truncated
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial
from sde_momentum.symbolic.coordinates._reading import Intermediate, Reading, root_of
from sde_momentum.symbolic.coordinates._relaxation import Relaxation
from sde_momentum.symbolic.rules._regime import Regime
from sde_momentum.symbolic.rules._rule import UpdateRule
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE, hyperparameter, variable

Operators = tuple[JetRing, CoordinateOperator, CoordinateOperator]


def generator_and_start(
    rule: UpdateRule, regime: Regime, below: Fraction, dimension: int, describes: str, extra: tuple[sp.Expr, ...]
) -> Operators:
    """The ring, the generator 𝓛 and the operator S of the start (empty without fast variables), below η^`below`.

    Args:
        rule: the optimizer.
        regime: its scaling.
        below: power of the learning rate.
        dimension: number of components.
        describes: `"x"` or `"slow"`.
        extra: expressions whose symbols and powers of η the ring shall hold.
    """
    cutoff = below + regime.clock_exponent
    try:
        reading = Reading(rule, regime, dimension, cutoff, extra)
    except Intermediate as found:
        return _between(rule, regime, below, dimension, describes, extra, found.variable)
    ring, limit = reading.field, int(below * reading.field.root)
    if reading.fast:
        relaxation = Relaxation(reading, describes)
        generator, start = relaxation.generator(), relaxation.start
    else:
        generator, start = Matching(reading).generator(), {}
    ((weight, _), clock), *_ = reading.clock.terms.items()
    inverse = ring.domain.one / clock
    per_time = {index: value.scaled(inverse).raised(-weight) for index, value in generator.items()}
    return ring, truncated(per_time, limit), truncated(start, limit)


def _between(
    rule: UpdateRule,
    regime: Regime,
    below: Fraction,
    dimension: int,
    describes: str,
    extra: tuple[sp.Expr, ...],
    fast: str,
) -> Operators:
    """Where `fast` relaxes between one step and the clock: solve at fixed hyperparameters, then scale them.

    At fixed β the generator's term of order η^n has at most n powers of 1/(1 − β), which become η^{n (1 − α)}: those
    from η^p on stay beyond the p-th power of the small parameter η^{1 − α}.
    """
    own = rule.update[fast] - (rule.update[rule.state[0]] if fast in rule.start else 0)
    held = {str(s) for s in sp.diff(own, variable(fast)).free_symbols} & set(regime.scalings)
    kept = {name: value for name, value in regime.scalings.items() if name not in held}
    values = {hyperparameter(name): regime.scalings[name] for name in held}
    fixed = replace(regime, scalings=kept, small_parameter=regime.clock)
    wide = below / regime.grade * regime.clock_exponent
    inner, generator, start = generator_and_start(rule, fixed, wide, dimension, describes, extra)
    constants = set().union(*(value.free_symbols for value in values.values())) - {LEARNING_RATE}
    symbols = (set(inner.symbols) - set(values)) | constants
    ring = JetRing(dimension, rule.state, symbols, lcm(inner.root, root_of(tuple(values.values()))))
    limit = int(below * ring.root)
    moved = (_transferred(operator, inner, ring, values, limit) for operator in (generator, start))
    return ring, *(truncated(operator, limit) for operator in moved)


def _transferred(
    operator: CoordinateOperator, old: JetRing, new: JetRing, values: Mapping[sp.Symbol, sp.Expr], limit: int
) -> CoordinateOperator:
    """The operator in another ring, hyperparameters replaced by their values."""
    ratio = new.root // old.root

    @cache
    def coefficient(value, weight: int) -> JetPolynomial:
        return new.expand(old.domain.to_sympy(value).subs(values), limit - weight)

    moved = {}
    for index, polynomial in operator.items():
        total = new.zero
        for (weight, ids), value in polynomial.terms.items():
            numbers = tuple(sorted(new.number(old.jets[number]) for number in ids))
            jets = JetPolynomial(new, {(weight * ratio, numbers): new.domain.one})
            total = total + coefficient(value, weight * ratio) * jets
        moved[index] = total
    return moved
