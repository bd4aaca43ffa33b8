"""The second route: equations and their terms in coordinates, for checking the calculus of graphs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import sympy as sp

from sde_momentum.symbolic.coordinates._generator import generator_and_start
from sde_momentum.symbolic.coordinates._jets import Coordinate, JetRing
from sde_momentum.symbolic.coordinates._operator import CoordinateOperator, logarithm, truncated
from sde_momentum.symbolic.coordinates._polynomial import NOWHERE, JetPolynomial
from sde_momentum.symbolic.coordinates._schedules import Unscheduled, without_schedules
from sde_momentum.symbolic.coordinates._settling import settled
from sde_momentum.symbolic.rules._regime import Regime
from sde_momentum.symbolic.rules._rule import UpdateRule

Index = tuple[Coordinate, ...]


@dataclass(frozen=True)
class CoordinateEquation:
    r"""An Itô equation, written out component by component in jets of the loss and of the noise.

    Args:
        rule: the optimizer.
        regime: the scaling.
        order: weak order, counted as a `Limit` counts it.
        dimension: number of components.
        ring: the jets and the coefficient field.
        drift: variable → components.
        covariance: (variable, variable), in the order of the state → rows of components.
        initial_shift: variable → components of the shift of the start.
        obstruction: tuple of coordinates (variable, component), sorted → coefficient of those derivatives of f, at the
            lowest power of η where three or more occur, or two or more in the shift of the start; empty when the
            equation has the order.
        describes: `"x"` or `"slow"`.
    """

    rule: UpdateRule
    regime: Regime
    order: int
    dimension: int
    ring: JetRing
    drift: Mapping[str, tuple[JetPolynomial, ...]]
    covariance: Mapping[tuple[str, str], tuple[tuple[JetPolynomial, ...], ...]]
    initial_shift: Mapping[str, tuple[JetPolynomial, ...]]
    obstruction: Mapping[Index, JetPolynomial]
    describes: str = "x"

    __hash__ = None  # type: ignore[assignment]

    def __post_init__(self):
        for name in ("drift", "covariance", "initial_shift", "obstruction"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def exists(self) -> bool:
        """Whether a diffusion of this order exists."""
        return not self.obstruction


def coordinate_equation(
    rule: UpdateRule, regime: Regime | None = None, order: int = 1, dimension: int = 1, *, describes: str = "x"
) -> CoordinateEquation:
    r"""Derive the equation of a rule in coordinates, independently of `modified_equation`.

    Without fast variables, the moments of one step are matched with the Itô–Taylor expansion of a diffusion. With fast
    variables, the moments after k steps are summed in closed form from a start where those variables vanish, and the
    equation is read off where the transients have died out.

    Args:
        rule: the optimizer; its update must be polynomial in the state and the gradient.
        regime: scaling of noise, time and hyperparameters; the rule's default when omitted.
        order: weak order p ≥ 1.
        dimension: number of components; the cost grows steeply above 2.
        describes: `"x"` for the law of the parameters, `"slow"` for the conserved combination with the fast variables.

    Returns:
        The equation, or its obstruction.

    Raises:
        ValueError: `order` or `dimension` is not positive, or the rule is not polynomial.

    Example:
        >>> from sde_momentum.optimizers import sgd
        >>> coordinate_equation(sgd(), order=2).drift["x"]
        (-L,1*L,11*learning_rate/2 - L,1,)

    References:
        Li, Tai, E (2019), section 3: matching moments of one step.
    """
    return equation_with(rule, regime or rule.default_regime(), order, dimension, describes, ())


def equation_with(
    rule: UpdateRule, regime: Regime, order: int, dimension: int, describes: str, extra: tuple[sp.Expr, ...]
) -> CoordinateEquation:
    """The equation in a ring that also holds what the expressions `extra` need."""
    if order < 1 or dimension < 1:
        raise ValueError(f"`order` and `dimension` must be positive integers, got {order} and {dimension}.")
    if regime.schedules:
        return _scheduled(rule, regime, order, dimension, describes, extra)
    below = order * regime.grade

    def read(exponent):
        ring, generator, start = generator_and_start(rule, regime, exponent, dimension, describes, extra)
        reduced = {index: settled(value) for index, value in generator.items()} if ring.functions else generator
        return ring, {index: value for index, value in reduced.items() if value}, start

    ring, generator, start = read(below)
    second = _of_order(generator, 2)
    if not second and regime.noise_exponent is not None:
        # By convention the leading covariance belongs to every order.
        beyond = regime.grade
        ring, wider, start = read(below + beyond)
        while not _of_order(wider, 2) and beyond < regime.clock_exponent:
            beyond += regime.grade
            ring, wider, start = read(below + beyond)
        generator, second = truncated(wider, int(below * ring.root)), _leading(_of_order(wider, 2))
    shift = logarithm(truncated(start, int(below * ring.root)), ring, int(below * ring.root)) if start else {}
    return CoordinateEquation(
        rule=rule,
        regime=regime,
        order=order,
        dimension=dimension,
        ring=ring,
        drift=_vectors(ring, generator),
        covariance=_matrices(ring, second),
        initial_shift=_vectors(ring, shift),
        obstruction=_lowest_high(ring, generator, 2) or _lowest_high(ring, shift, 1),
        describes=describes,
    )


def _scheduled(
    rule: UpdateRule, regime: Regime, order: int, dimension: int, describes: str, extra: tuple[sp.Expr, ...]
) -> CoordinateEquation:
    """The equation with time-dependent coefficients, schedules followed as state variables."""
    plain, fixed, stands_for = without_schedules(rule, regime, order)
    found = equation_with(plain, fixed, order, dimension, describes, extra)
    symbols = set(found.ring.symbols) | set(stands_for.values())
    ring = JetRing(dimension, rule.state, symbols, found.ring.root)
    moved = Unscheduled(found.ring, ring, stands_for).polynomial
    own = lambda name: name not in stands_for
    return replace(
        found,
        rule=rule,
        regime=regime,
        ring=ring,
        drift={name: tuple(map(moved, values)) for name, values in found.drift.items() if own(name)},
        covariance={
            pair: tuple(tuple(map(moved, row)) for row in rows)
            for pair, rows in found.covariance.items()
            if all(map(own, pair))
        },
        initial_shift={name: tuple(map(moved, values)) for name, values in found.initial_shift.items() if own(name)},
        obstruction={index: moved(value) for index, value in found.obstruction.items()},
    )


def _of_order(operator: CoordinateOperator, order: int) -> CoordinateOperator:
    return {index: value for index, value in operator.items() if sum(index) == order}


def _leading(operator: CoordinateOperator) -> CoordinateOperator:
    """The lowest power of ε."""
    lowest = min((value.lowest for value in operator.values()), default=NOWHERE)
    kept = {index: value.at(lowest).raised(lowest) for index, value in operator.items()}
    return {index: value for index, value in kept.items() if value}


def _lowest_high(ring: JetRing, operator: CoordinateOperator, allowed: int) -> dict[Index, JetPolynomial]:
    """The lowest coefficients of more than `allowed` derivatives."""
    found = _leading({index: value for index, value in operator.items() if sum(index) > allowed})
    return {_coordinates(ring, index): value for index, value in found.items()}


def _coordinates(ring: JetRing, index: tuple[int, ...]) -> Index:
    return tuple(c for c, times in zip(ring.coordinates, index, strict=True) for _ in range(times))


def _vectors(ring: JetRing, operator: CoordinateOperator) -> dict[str, tuple[JetPolynomial, ...]]:
    """The first-order coefficients, by variable."""
    found = {_coordinates(ring, index): value for index, value in _of_order(operator, 1).items()}
    components = {v: tuple(found.get(((v, i),), ring.zero) for i in range(ring.dimension)) for v in ring.variables}
    return {v: values for v, values in components.items() if any(values)}


def _matrices(
    ring: JetRing, operator: CoordinateOperator
) -> dict[tuple[str, str], tuple[tuple[JetPolynomial, ...], ...]]:
    """The A in ½ A_cc' ∂_c ∂_c', by pair of variables."""
    found = {}
    for index, value in operator.items():
        left, right = _coordinates(ring, index)
        found[left, right] = found[right, left] = value.scaled(2) if left == right else value
    blocks = {}
    for place, v in enumerate(ring.variables):
        for w in ring.variables[place:]:
            axes = range(ring.dimension)
            rows = tuple(tuple(found.get(((v, i), (w, j)), ring.zero) for j in axes) for i in axes)
            if any(map(any, rows)):
                blocks[v, w] = rows
    return blocks
