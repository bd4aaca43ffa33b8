r"""Hyperparameters that change with time: coefficients with a time derivative.

On functions f(z, t) one step acts as $(P f)(z, t) = \mathbb E f(Z(z, \xi, t), t + h)$, and its logarithm is
$h(\partial_t + \mathcal L_t)$. The schedules and their derivatives are symbols of the coefficients; the algebra needs
Leibniz' rule for $\partial_t$ acting on a coefficient, and Taylor's formula for a coefficient one step later.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise

import sympy as sp

from sde_momentum.symbolic.graphs._algebra import Algebra
from sde_momentum.symbolic.graphs._operator import Operator
from sde_momentum.symbolic.graphs._time_derivative import TIME
from sde_momentum.symbolic.rules._regime import Regime
from sde_momentum.symbolic.symbols._coefficients import Coefficient
from sde_momentum.symbolic.symbols._symbols import SCHEDULE, hyperparameter, rate_of


def scheduled_symbols(regime: Regime) -> tuple[sp.Symbol, ...]:
    """The symbols that are functions of time: φ for the learning rate η φ(t), hyperparameters themselves otherwise."""
    return tuple(SCHEDULE if name == "learning_rate" else hyperparameter(name) for name in regime.schedules)


def chains(regime: Regime, count: int) -> list[tuple[sp.Symbol, ...]]:
    """Every schedule with its first `count` derivatives."""
    found = []
    for symbol in scheduled_symbols(regime):
        chain = [symbol]
        for _ in range(count):
            chain.append(rate_of(chain[-1]))
        found.append(tuple(chain))
    return found


def mark_time(algebra: Algebra, derivatives: Iterable[tuple[sp.Symbol, ...]]) -> None:
    """Tell the coefficient field which symbol is the time derivative of which."""
    position = {symbol: place for place, symbol in enumerate(algebra.symbols)}
    for chain in derivatives:
        for symbol, rate in pairwise(chain):
            algebra.field.rates[position[symbol]] = position[rate]


def step_later(
    coefficient: Coefficient, clock: tuple[Coefficient, Fraction], cutoff: Fraction
) -> Iterator[tuple[Fraction, Coefficient]]:
    """Taylor's formula for c(t + h), as (exponent of η, coefficient) below `cutoff`."""
    constant, exponent = clock
    power, times = Fraction(0), 0
    while power < cutoff and coefficient:
        yield power, coefficient
        times += 1
        power += exponent
        coefficient = coefficient.time_derivative() * constant / times


def at_frozen_time(generator: Operator) -> Operator:
    """𝓛_t out of ∂_t + 𝓛_t."""
    algebra = generator.algebra
    return generator.select(lambda graph: all(variable != TIME for variable, _ in algebra.derivatives(graph)))
