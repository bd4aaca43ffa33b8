r"""Near-identity rules: the moments of one step, matched with the Itô–Taylor expansion of a diffusion.

A step moves the state by Δ with $\mathbb E\,\Delta^\alpha/\alpha! = p_\alpha$, powers of ε with jets at the start as
coefficients. A process with generator 𝓛 has $p_\alpha = e^{h\mathcal L} w^\alpha/\alpha!$ at w = z − z_0 = 0. Order by
order in ε, the first power of h𝓛 is the only unknown: its first-order coefficients are the drift, the second-order ones
half the covariance. What remains in the equations of moments of order three and more is what no diffusion can meet.
"""

from functools import cache
from math import factorial, prod

from sde_momentum.symbolic.coordinates._jets import DISPLACEMENT
from sde_momentum.symbolic.coordinates._operator import CoordinateOperator, MultiIndex, differentiated, multi_indices
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial
from sde_momentum.symbolic.coordinates._reading import Reading


class Matching:
    """h𝓛 of a rule without fast variables.

    Args:
        reading: the rule in coordinates.
    """

    def __init__(self, reading: Reading):
        self.reading, self.ring = reading, reading.ring
        self._marks = [self.ring.generator(DISPLACEMENT + v, (i,)) for v, i in self.ring.coordinates]
        self._numbers = {number for mark in self._marks for _, ids in mark.terms for number in ids}
        self._graded: dict[int, CoordinateOperator] = {}
        self.applied = cache(self._applied)
        moments = self.moments()
        for weight in range(1, reading.cutoff):
            self._graded[weight] = self._matched(moments, weight)

    def generator(self) -> CoordinateOperator:
        """Multi-index → coefficient of ∂^α in h𝓛."""
        total: CoordinateOperator = {}
        for weight, operator in self._graded.items():
            for index, value in operator.items():
                total[index] = total.get(index, self.ring.zero) + value.raised(weight)
        return {index: self.ring.thawed(value) for index, value in total.items()}

    def moments(self) -> CoordinateOperator:
        """The p_α of one step."""
        moves = [self.reading.displacement[c].below(self.reading.cutoff) for c in self.ring.coordinates]
        found = {}
        for index in multi_indices(tuple(move.lowest for move in moves), self.reading.cutoff):
            power = self.ring.one
            for move, times in zip(moves, index, strict=True):
                for _ in range(times):
                    power = power.times(move, self.reading.cutoff)
            average = self.reading.noise.average(power, self.reading.cutoff)
            found[index] = average.scaled(self.ring.domain.one / prod(map(factorial, index)))
        return found

    def _matched(self, moments: CoordinateOperator, weight: int) -> CoordinateOperator:
        """The coefficients of ε^weight in h𝓛, from lower ones."""
        found = {}
        for index, moment in moments.items():
            value = moment.at(weight)
            for times in range(2, weight + 1):
                value = value - self._at_start(self.applied(times, weight, index)).scaled(
                    self.ring.domain.one / factorial(times)
                )
            if value:
                found[index] = value
        return found

    def _applied(self, times: int, weight: int, index: MultiIndex) -> JetPolynomial:
        """The ε^weight part of (h𝓛)^times w^α/α!, a polynomial in jets and w."""
        if times == 0:
            return self._monomial(index) if weight == 0 else self.ring.zero
        total = self.ring.zero
        for outer in range(1, weight - times + 2):
            inner = self.applied(times - 1, weight - outer, index)
            for alpha, coefficient in self._graded[outer].items():
                total = total + coefficient * differentiated(self.ring, inner, alpha)
        return total

    def _monomial(self, index: MultiIndex) -> JetPolynomial:
        power = self.ring.constant(self.ring.domain.one / prod(map(factorial, index)))
        for mark, times in zip(self._marks, index, strict=True):
            for _ in range(times):
                power = power * mark
        return power

    def _at_start(self, polynomial: JetPolynomial) -> JetPolynomial:
        kept = {key: c for key, c in polynomial.terms.items() if not self._numbers.intersection(key[1])}
        return JetPolynomial(self.ring, kept)
