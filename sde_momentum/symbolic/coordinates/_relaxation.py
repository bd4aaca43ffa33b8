r"""Rules with fast variables: moments over k steps in closed form, read where k is large.

The parameters start at z_0 and the fast variables at zero. The joint moments of the displacement and of the fast
variables after k steps obey linear recursions with jets at z_0 as coefficients, triangular in the power of ε and in the
degree. Each is solved exactly as a sum of $c\,k^n\rho^k$. Where the geometric transients have died out, a polynomial in
k remains, and

$$\mathbb E f(z_k) = S\,e^{k h\mathcal L} f\,(z_0)$$

says that its constant part is S, the shift of the start, and the part linear in k is S h𝓛.
"""

from functools import cache
from math import comb, factorial, prod
from typing import Any

from sde_momentum.symbolic.coordinates._jets import Coordinate
from sde_momentum.symbolic.coordinates._operator import CoordinateOperator, MultiIndex, identity, multi_indices, solved
from sde_momentum.symbolic.coordinates._polynomial import NOWHERE, JetPolynomial
from sde_momentum.symbolic.coordinates._reading import Reading

Mode = tuple[Any, int]
ExponentialPolynomial = dict[Mode, JetPolynomial]


class Relaxation:
    """S and h𝓛 of a rule with fast variables at fixed hyperparameters.

    Args:
        reading: the rule in coordinates.
        describes: `"x"` for the parameters, `"slow"` for the combination with the fast variables that is conserved.
    """

    def __init__(self, reading: Reading, describes: str):
        self.reading, self.ring, self.work, self.cutoff = reading, reading.field, reading.ring, reading.cutoff
        followed = [reading.moving(c) for c in self.ring.coordinates]
        self._place = {number: place for place, (number, _) in enumerate(followed)}
        self._weight = [
            weight if c[0] in reading.slow else 0
            for c, (_, weight) in zip(self.ring.coordinates, followed, strict=True)
        ]
        self.after = cache(self._after)
        self._steps: dict[MultiIndex, tuple[int, dict]] = {}
        self._solutions: dict[tuple[Any, Any, int], list[Any]] = {}
        self._seen = {c: self._observed(c, describes) for c in self.ring.coordinates if c[0] in reading.slow}
        self.start = self.part(0)

    def generator(self) -> CoordinateOperator:
        """Multi-index → coefficient of ∂^α in h𝓛."""
        return solved(self.start, self.part(1), self.ring, self.cutoff)

    def _observed(self, coordinate: Coordinate, describes: str) -> JetPolynomial:
        """What is compared: the displacement of the parameters, or of the conserved combination."""
        number, weight = self.reading.moving(coordinate)
        own = JetPolynomial(self.work, {(weight, (number,)): self.work.domain.one})
        if describes == "x" or coordinate[0] != self.reading.rule.state[0]:
            return own
        return own + self.reading.conserved(coordinate[1])

    def part(self, power: int) -> CoordinateOperator:
        """The operator that multiplies k^power once the transients have died out."""
        found = identity(self.ring) if power == 0 else {}
        weights = tuple(self._seen[c].lowest if c in self._seen else NOWHERE for c in self.ring.coordinates)
        for index in multi_indices(weights, self.cutoff):
            observed = [self._seen.get(c, self.work.one) for c in self.ring.coordinates]
            total = self.ring.zero
            for (extra, inner), factor in self._sorted(self._power(observed, index, self.cutoff)).items():
                for weight in reversed(range(self._lowest(inner), self.cutoff - extra)):
                    value = self.after(inner, weight).get((self.ring.domain.one, power))
                    total = total + (value * factor).raised(weight + extra) if value else total
            if total:
                found[index] = total.scaled(self.ring.domain.one / prod(map(factorial, index)))
        return found

    def _lowest(self, index: MultiIndex) -> int:
        return sum(n * w for n, w in zip(index, self._weight, strict=True))

    # --- one step of a moment ----------------------------------------------------------------------------------------

    def _next(self, coordinate: Coordinate) -> JetPolynomial:
        """A coordinate's next value: of a slow one the displacement from its start."""
        if coordinate[0] in self.reading.fast:
            return self.reading.replacement[coordinate]
        return self._observed(coordinate, "x") + self.reading.displacement[coordinate]

    def _power(self, values: list[JetPolynomial], index: MultiIndex, cutoff: int) -> JetPolynomial:
        power = self.work.one
        for value, times in zip(values, index, strict=True):
            for _ in range(times):
                power = power.times(value, cutoff)
        return power

    def _sorted(self, polynomial: JetPolynomial) -> dict[tuple[int, MultiIndex], JetPolynomial]:
        """Tell the followed generators from the jets: (extra power of ε, moment) → jets at the start."""
        found: dict[tuple[int, MultiIndex], dict] = {}
        for (weight, ids), coefficient in self.work.thawed(polynomial).terms.items():
            places = [self._place[number] for number in ids if number in self._place]
            inner = tuple(map(places.count, range(len(self.ring.coordinates))))
            rest = tuple(number for number in ids if number not in self._place)
            found.setdefault((weight - self._lowest(inner), inner), {})[0, rest] = coefficient
        return {key: JetPolynomial(self.ring, terms) for key, terms in found.items()}

    def step(self, index: MultiIndex, cutoff: int) -> dict[tuple[int, MultiIndex], JetPolynomial]:
        """The average next value of a moment below ε^cutoff, or somewhat further if that is known already."""
        known, found = self._steps.get(index, (0, {}))
        if known < cutoff:
            values = [value.below(cutoff) for value in map(self._next, self.ring.coordinates)]
            found = self._sorted(self.reading.noise.average(self._power(values, index, cutoff), cutoff))
            self._steps[index] = cutoff, found
        return found

    def _after(self, index: MultiIndex, weight: int) -> ExponentialPolynomial:
        """The ε^weight part of a moment after k steps."""
        if not any(index):
            return {(self.ring.domain.one, 0): self.ring.one} if weight == 0 else {}
        if weight < self._lowest(index):
            return {}
        own, driven = self.ring.domain.zero, {}
        for (extra, inner), factor in self.step(index, weight + 1).items():
            if inner == index and extra == 0:
                own = factor.terms[0, ()]  # the product of the relaxation factors
                continue
            for mode, value in self.after(inner, weight - extra).items():
                driven[mode] = driven.get(mode, self.ring.zero) + factor * value
        return self._solved(own, {mode: value for mode, value in driven.items() if value})

    # --- first-order recursions --------------------------------------------------------------------------------------

    def _solved(self, ratio: Any, driven: ExponentialPolynomial) -> ExponentialPolynomial:
        """W with W(k+1) = ratio · W(k) + driven(k) and W(0) = 0."""
        total: ExponentialPolynomial = {}
        for (base, power), value in driven.items():
            response = enumerate(self._response(ratio, base, power)) if base else ()
            modes = [((base, degree), c) for degree, c in response if c] if base else self._after_impulse(ratio, power)
            for mode, coefficient in modes:
                total[mode] = total.get(mode, self.ring.zero) + value.scaled(coefficient)
        initial = sum((value for (_, degree), value in total.items() if degree == 0), self.ring.zero)
        if initial:
            total[ratio, 0] = total.get((ratio, 0), self.ring.zero) - initial
        return {mode: value for mode, value in total.items() if value}

    def _after_impulse(self, ratio: Any, step: int) -> list[tuple[Mode, Any]]:
        """The W with W(k+1) − ratio · W(k) = [k = step]; (0, j) stands for [k = j], what memory of one step leaves."""
        zero, one = self.ring.domain.zero, self.ring.domain.one
        if not ratio:
            return [((zero, step + 1), one)]
        before = [((zero, j), -one / ratio ** (step + 1 - j)) for j in range(step + 1)]
        return [((ratio, 0), one / ratio ** (step + 1)), *before]

    def _response(self, ratio: Any, base: Any, power: int) -> list[Any]:
        """The c with W = Σ_i c_i k^i base^k solving W(k+1) − ratio · W(k) = k^power base^k."""
        key = (ratio, base, power)
        if key not in self._solutions:
            zero, resonant = self.ring.domain.zero, int(base == ratio)
            c = [zero] * (power + 1 + resonant)
            for i in range(power, -1, -1):
                # The equation of k^i; c_{i + resonant} is the highest unknown left in it.
                rest = self.ring.domain.one if i == power else zero
                for j in range(i + 1 + resonant, len(c)):
                    rest = rest - base * c[j] * comb(j, i)
                c[i + resonant] = rest / (base * (i + 1) if resonant else base - ratio)
            self._solutions[key] = c
        return self._solutions[key]
