r"""Schedules in the second route: functions of time as further state variables.

With time per step h, a schedule φ and its derivatives move by Taylor's formula, $\varphi^{(j)\prime} = \sum_i
\varphi^{(j+i)} h^i/i!$. Written as state variables that nothing else moves, they make a rule without schedules, whose
equation is read in coordinates; in the result they are what they were.
"""

from dataclasses import replace
from math import ceil, factorial

import sympy as sp

from sde_momentum.symbolic.coordinates._jets import Jet, JetRing
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial
from sde_momentum.symbolic.rules._regime import Regime
from sde_momentum.symbolic.rules._rule import UpdateRule
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE, SCHEDULE, hyperparameter, rate_of, variable


def without_schedules(rule: UpdateRule, regime: Regime, order: int) -> tuple[UpdateRule, Regime, dict[str, sp.Symbol]]:
    """A rule and a regime with the schedules as state variables, and the symbol that each of these stands for."""
    count = ceil(order * regime.grade / regime.clock_exponent) + 1
    stands_for: dict[str, sp.Symbol] = {}
    update: dict[str, sp.Expr] = {}
    for name in regime.schedules:
        symbol, chain = SCHEDULE if name == "learning_rate" else hyperparameter(name), []
        for place in range(count):
            chain.append(variable(f"{name}@{place}"))
            stands_for[f"{name}@{place}"] = symbol
            symbol = rate_of(symbol)
        for place, own in enumerate(chain):
            later = (derivative * regime.clock**k / factorial(k) for k, derivative in enumerate(chain[place:]))
            update[own.name] = sp.Add(*later)
    values = {hyperparameter(name): value for name, value in regime.scalings.items()}
    scheduled = {symbol: variable(name) for name, symbol in stands_for.items() if not str(symbol).endswith("'")}
    scheduled.pop(SCHEDULE, None)
    factor = {LEARNING_RATE: LEARNING_RATE * variable("learning_rate@0")} if "learning_rate" in regime.schedules else {}

    def inserted(expression: sp.Expr) -> sp.Expr:
        return sp.sympify(expression).subs({**values, **factor}, simultaneous=True).subs(scheduled, simultaneous=True)

    update = {**{name: inserted(value) for name, value in rule.update.items()}, **update}
    point = inserted(rule.gradient_at)
    names = {s.name for e in (*update.values(), point) for s in e.free_symbols if s == hyperparameter(s.name)}
    names |= {s.name for s in sp.sympify(regime.clock).free_symbols}
    known = [variable(name) for name in update]
    hyperparameters = sorted(name for name in names - {"g"} if variable(name) not in known)
    plain = replace(
        rule,
        update=update,
        gradient_at=point,
        hyperparameters=tuple(dict.fromkeys(["learning_rate", *hyperparameters])),
        regimes=None,
    )
    return plain, replace(regime, scalings={}, schedules=()), stands_for


class Unscheduled:
    """Brings polynomials of a ring with schedules as variables to one where they are symbols.

    Args:
        old: the ring of the rule without schedules.
        new: the ring of the rule.
        stands_for: variable → symbol.
    """

    def __init__(self, old: JetRing, new: JetRing, stands_for: dict[str, sp.Symbol]):
        self.old, self.new, self.stands_for = old, new, stands_for

    def polynomial(self, polynomial: JetPolynomial) -> JetPolynomial:
        """The same polynomial, schedules in its coefficients."""
        total = self.new.zero
        for (weight, ids), value in polynomial.terms.items():
            coefficient, factor = self.old.domain.to_sympy(value), self.new.one
            for jet in (self.old.jets[number] for number in ids):
                if jet.field in self.stands_for:
                    coefficient *= self.stands_for[jet.field]
                else:
                    factor = factor * self._generator(jet)
            constant = self.new.constant(self.new.domain.from_sympy(coefficient), weight)
            total = total + constant * factor
        return total

    def _generator(self, jet: Jet) -> JetPolynomial:
        if jet.field not in self.old.functions:
            return JetPolynomial(self.new, {(0, (self.new.number(jet),)): self.new.domain.one})
        function, kept = self.old.functions[jet.field], []
        for name, times in zip(self.old.variables, jet.derivative, strict=True):
            if name in self.stands_for:
                function = sp.diff(function, variable(name), times)
            else:
                kept.append(times)
        symbols = {variable(name): symbol for name, symbol in self.stands_for.items()}
        own = self.new.function(function.subs(symbols), jet.base[0])
        ((_, (number,)),) = own.terms
        moved = Jet(self.new.jets[number].field, jet.base, tuple(kept))
        return JetPolynomial(self.new, {(0, (self.new.number(moved),)): self.new.domain.one})
