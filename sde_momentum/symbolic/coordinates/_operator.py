"""Differential operators in coordinates: multi-index → polynomial in jets."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from math import comb, prod

from sde_momentum.symbolic.coordinates._jets import JetRing
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial

MultiIndex = tuple[int, ...]
CoordinateOperator = dict[MultiIndex, JetPolynomial]


def multi_indices(weights: tuple[int, ...], cutoff: int) -> Iterator[MultiIndex]:
    """Every multi-index α ≠ 0 with Σ α_c weight_c < cutoff, for positive weights."""
    for index in product(*(range((cutoff - 1) // weight + 1) for weight in weights)):
        if any(index) and sum(n * w for n, w in zip(index, weights, strict=True)) < cutoff:
            yield index


def differentiated(ring: JetRing, polynomial: JetPolynomial, index: MultiIndex) -> JetPolynomial:
    """D^index of a polynomial in jets."""
    for coordinate, times in zip(ring.coordinates, index, strict=True):
        for _ in range(times):
            polynomial = polynomial.derivative(coordinate)
    return polynomial


def added(*operators: CoordinateOperator) -> CoordinateOperator:
    """The sum, without zeros."""
    total: CoordinateOperator = {}
    for operator in operators:
        for index, value in operator.items():
            total[index] = total[index] + value if index in total else value
    return {index: value for index, value in total.items() if value}


def scaled(operator: CoordinateOperator, factor: Fraction | int) -> CoordinateOperator:
    """The product with a number."""
    return {index: value.scaled(factor) for index, value in operator.items()}


def truncated(operator: CoordinateOperator, cutoff: int) -> CoordinateOperator:
    """Without the powers of ε from `cutoff` on."""
    kept = {index: value.below(cutoff) for index, value in operator.items()}
    return {index: value for index, value in kept.items() if value}


def composed(left: CoordinateOperator, right: CoordinateOperator, cutoff: int | None = None) -> CoordinateOperator:
    """A ∂^α ∘ b ∂^β = Σ_γ (α over γ) a D^γ b ∂^{α−γ+β}, without the powers of ε from `cutoff` on."""
    total: CoordinateOperator = {}
    for alpha, a in left.items():
        room = None if cutoff is None else cutoff - a.lowest
        reached = truncated(right, room) if room is not None else right
        for gamma in product(*(range(n + 1) for n in alpha)):
            weight = prod(comb(n, k) for n, k in zip(alpha, gamma, strict=True))
            for beta, b in reached.items():
                value = a.times(differentiated(a.ring, b, gamma), cutoff).scaled(weight)
                if value:
                    index = tuple(n - k + m for n, k, m in zip(alpha, gamma, beta, strict=True))
                    total[index] = total[index] + value if index in total else value
    return {index: value for index, value in total.items() if value}


def identity(ring: JetRing) -> CoordinateOperator:
    """F ↦ f."""
    return {(0,) * len(ring.coordinates): ring.one}


def logarithm(operator: CoordinateOperator, ring: JetRing, cutoff: int) -> CoordinateOperator:
    """Σ_n (−1)^{n+1} (S − 1)^n / n for an operator that starts from the identity."""
    change = added(operator, scaled(identity(ring), -1))
    power, total, n = change, change, 1
    while power:
        n += 1
        power = composed(power, change, cutoff)
        total = added(total, scaled(power, Fraction((-1) ** (n + 1), n)))
    return total


def solved(operator: CoordinateOperator, right: CoordinateOperator, ring: JetRing, cutoff: int) -> CoordinateOperator:
    """The X with `operator` X = `right`, for an operator that starts from the identity."""
    change = added(operator, scaled(identity(ring), -1))
    term, total = right, right
    while term:
        term = scaled(composed(change, term, cutoff), -1)
        total = added(total, term)
    return total
