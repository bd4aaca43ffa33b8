"""Averages over the gradient noise, in components."""

from itertools import combinations

from sde_momentum.symbolic.coordinates._jets import NOISE, JetRing
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial
from sde_momentum.symbolic.rules._regime import Regime


class NoiseAverage:
    """Replaces monomials of ξ by the moments that belong to the cumulants Σ, κ₃, κ₄ … at the point of the gradient.

    Args:
        ring: the jets.
        regime: gives the cumulants' scaling.
        point: components of that point minus the point where the jets are taken.
        cutoff: power of ε from which on nothing is kept.

    Raises:
        ValueError: the point does not come close as the learning rate vanishes, or a cumulant grows.
    """

    def __init__(self, ring: JetRing, regime: Regime, point: list[JetPolynomial], cutoff: int):
        self.ring, self.regime, self.point, self.cutoff = ring, regime, point, cutoff
        if any(offset.lowest <= 0 for offset in point):
            raise ValueError("the point of the gradient does not approach x as the learning rate vanishes.")
        self._scales = {order: ring.expand(scale, cutoff) for order, scale in regime.cumulant_scales.items()}
        if any(scale.lowest < 0 for scale in self._scales.values()):
            raise ValueError(f"regime `{regime.name}`: a cumulant of the noise grows as the learning rate vanishes.")
        self._moments: dict[tuple[int, ...], JetPolynomial] = {}

    def at_point(self, field: JetPolynomial) -> JetPolynomial:
        """Taylor's formula for a field at the point of the gradient."""
        parameters = self.ring.variables[0]
        terms = [(field, self.ring.one)]
        for axis, offset in enumerate(self.point):
            grown = []
            for value, factor in terms:
                power = 0
                while factor:
                    grown.append((value, factor))
                    power += 1
                    value = value.derivative((parameters, axis))
                    factor = factor.times(offset, self.cutoff).scaled(self.ring.domain.one / power)
            terms = grown
        total = self.ring.zero
        for value, factor in terms:
            total = total + value * factor
        return total

    def moment(self, axes: tuple[int, ...]) -> JetPolynomial:
        """E ξ_i ξ_j …: the first factor shares a cumulant with every subset of the others in turn."""
        if not axes:
            return self.ring.one
        if axes not in self._moments:
            first, rest = axes[0], axes[1:]
            total = self.ring.zero
            for size in range(1, len(axes)):
                for places in combinations(range(len(rest)), size):
                    block = (first, *(rest[place] for place in places))
                    others = tuple(axis for place, axis in enumerate(rest) if place not in places)
                    total = total + self._cumulant(block).times(self.moment(others), self.cutoff)
            self._moments[axes] = total
        return self._moments[axes]

    def _cumulant(self, block: tuple[int, ...]) -> JetPolynomial:
        order = len(block)
        field = self.ring.generator("Sigma" if order == 2 else f"kappa{order}", block, ())
        found = self.at_point(field)
        return found.times(self._scales[order], self.cutoff) if order in self._scales else found

    def average(self, polynomial: JetPolynomial, cutoff: int) -> JetPolynomial:
        """E of a polynomial that contains ξ."""
        parts: dict[tuple[int, ...], dict] = {}
        for (weight, ids), coefficient in polynomial.terms.items():
            axes = tuple(jet.base[0] for number in ids if (jet := self.ring.jets[number]).field == NOISE)
            rest = tuple(number for number in ids if self.ring.jets[number].field != NOISE)
            parts.setdefault(tuple(sorted(axes)), {})[weight, rest] = coefficient
        total = self.ring.zero
        for axes, terms in parts.items():
            total = total + JetPolynomial(self.ring, terms).times(self.moment(axes), cutoff)
        return total
