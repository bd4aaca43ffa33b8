"""Jets: derivatives of the loss and of its noise at one point, as generators of a polynomial ring.

This is the arithmetic of the second route. Nothing here knows of graphs: in dimension 1 or 2 every component of every
derivative is a generator of its own, and the total derivative D_c moves a jet to the next one.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import sympy as sp

from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE
from sde_momentum.symbolic.symbols._symbols import variable as symbol_of

NOISE = "ξ"
DISPLACEMENT = "Δ"
_ROOT = sp.Symbol("root_of_learning_rate", positive=True)

Coordinate = tuple[str, int]


class Jet(NamedTuple):
    """A generator: ∂^derivative of one component of a field, or a component of a state variable.

    Args:
        field: `L`, `Sigma`, `kappa3` …, a state variable, `Δ` and a state variable, or the noise `ξ`.
        base: sorted component indices of the field, counted from 0; empty for the loss.
        derivative: how often it is differentiated in each direction; empty for what is not a field of the parameters.
    """

    field: str
    base: tuple[int, ...]
    derivative: tuple[int, ...]

    def __str__(self) -> str:
        digits = "".join(str(index + 1) for index in self.base)
        taken = "".join(str(axis + 1) * count for axis, count in enumerate(self.derivative))
        return self.field + (f"_{digits}" if digits else "") + (f",{taken}" if taken else "")


class JetRing:
    """Polynomials in jets over ℚ(hyperparameters), graded by powers of a root of the learning rate.

    Args:
        dimension: number of components, d.
        variables: state variables, the parameters first.
        symbols: hyperparameters that may occur in coefficients.
        root: q, where the grading counts in ε = η^{1/q}.
    """

    def __init__(
        self, dimension: int, variables: tuple[str, ...] = ("x",), symbols: Iterable[sp.Symbol] = (), root: int = 1
    ):
        self.dimension, self.variables, self.root = dimension, variables, root
        self.symbols = tuple(sorted(symbols, key=str))
        self.domain: Any = sp.QQ.frac_field(*self.symbols) if self.symbols else sp.QQ
        self.coordinates: tuple[Coordinate, ...] = tuple((v, i) for v in variables for i in range(dimension))
        self.jets: list[Jet] = []
        self._numbers: dict[Jet, int] = {}
        self._shifts: dict[tuple[int, Coordinate], int | bool | None] = {}
        self.functions: dict[str, sp.Expr] = {}  # field name → function of a generic component of the state
        self.zero = JetPolynomial(self, {})
        self.one = JetPolynomial(self, {(0, ()): self.domain.one})

    def number(self, jet: Jet) -> int:
        """The generator's place in the ring; a new jet is entered."""
        if jet not in self._numbers:
            self._numbers[jet] = len(self.jets)
            self.jets.append(jet)
        return self._numbers[jet]

    def generator(self, field: str, base: Iterable[int] = (), directions: Iterable[int] | None = None) -> JetPolynomial:
        """The polynomial that is one jet; `directions` lists the axes of differentiation, None for no field."""
        axes = None if directions is None else tuple(directions)
        derivative = () if axes is None else tuple(axes.count(axis) for axis in range(self.dimension))
        number = self.number(Jet(field, tuple(sorted(base)), derivative))
        return JetPolynomial(self, {(0, (number,)): self.domain.one})

    def function(self, expression: sp.Expr, axis: int) -> JetPolynomial:
        """The polynomial that is one function of the state, on one component."""
        name = next((known for known, other in self.functions.items() if other == expression), None)
        if name is None:
            name = f"F{len(self.functions)}"
            self.functions[name] = expression
        number = self.number(Jet(name, (axis,), (0,) * len(self.variables)))
        return JetPolynomial(self, {(0, (number,)): self.domain.one})

    def constant(self, value: Any, weight: int = 0) -> JetPolynomial:
        """An exact number or element of the coefficient field, times ε^weight."""
        if isinstance(value, int | Fraction):
            value = self.domain.convert(sp.QQ(Fraction(value).numerator, Fraction(value).denominator))
        return JetPolynomial(self, {(weight, ()): value} if value else {})

    def expand(self, expression: sp.Expr, cutoff: int) -> JetPolynomial:
        """An expression in hyperparameters and learning rate as a Laurent series in ε below ε^cutoff."""
        substituted = sp.sympify(expression).subs(LEARNING_RATE, _ROOT**self.root)
        numerator, denominator = sp.fraction(sp.cancel(sp.together(sp.powdenest(substituted, force=True))))
        try:
            above = self._in_root(numerator)
            below = self._in_root(denominator)
        except (sp.polys.polyerrors.CoercionFailed, sp.PolynomialError) as error:
            raise ValueError(
                f"{expression} is not a rational function of a root of learning_rate and of {self.symbols}."
            ) from error
        return JetPolynomial(self, {(e, ()): c for e, c in _quotient(above, below, cutoff).items() if c})

    def _in_root(self, expression: sp.Expr) -> dict[int, Any]:
        terms = sp.Poly(expression, _ROOT).terms()
        return {power: self.domain.from_sympy(coefficient) for (power,), coefficient in terms if coefficient != 0}

    def shifted(self, number: int, coordinate: Coordinate) -> int | bool | None:
        """D_c of a generator: another generator's number, True for 1, or None for 0."""
        key = (number, coordinate)
        if key not in self._shifts:
            self._shifts[key] = self._shift(self.jets[number], coordinate)
        return self._shifts[key]

    def _shift(self, jet: Jet, coordinate: Coordinate) -> int | bool | None:
        variable, axis = coordinate
        if jet.field in self.functions:
            held = symbol_of(variable) in self.functions[jet.field].free_symbols
            if jet.base != (axis,) or not held:
                return None
            counts = tuple(n + (name == variable) for n, name in zip(jet.derivative, self.variables, strict=True))
            return self.number(Jet(jet.field, jet.base, counts))
        if jet.field in (variable, DISPLACEMENT + variable):
            return True if jet.base == (axis,) else None
        if not jet.derivative or variable != self.variables[0]:
            return None
        derivative = tuple(count + (place == axis) for place, count in enumerate(jet.derivative))
        return self.number(Jet(jet.field, jet.base, derivative))


def _quotient(above: dict[int, Any], below: dict[int, Any], cutoff: int) -> dict[int, Any]:
    """The Laurent series of a quotient of polynomials in ε."""
    if not above:
        return {}
    start = min(below)
    lead, tail = below[start], [(e - start, c) for e, c in below.items() if e != start]
    series: dict[int, Any] = {}
    for power in range(min(above) - start, cutoff):
        value = above.get(power + start)
        for gap, c in tail:
            if power - gap in series:
                value = -c * series[power - gap] if value is None else value - c * series[power - gap]
        if value:
            series[power] = value / lead
    return series
