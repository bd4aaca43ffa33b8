"""A rule under a regime, written out in components: the polynomials by which one step moves every coordinate."""

from collections.abc import Mapping
from math import lcm

import sympy as sp

from sde_momentum.symbolic.coordinates._frozen import FrozenRing
from sde_momentum.symbolic.coordinates._functions import ComponentFunctions
from sde_momentum.symbolic.coordinates._jets import DISPLACEMENT, NOISE, Coordinate, JetRing
from sde_momentum.symbolic.coordinates._noise import NoiseAverage
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial
from sde_momentum.symbolic.rules._regime import Regime
from sde_momentum.symbolic.rules._rule import UpdateRule
from sde_momentum.symbolic.symbols._symbols import GRADIENT, LEARNING_RATE, hyperparameter, variable


class Intermediate(Exception):
    """A variable relaxes over a time between one step and the clock.

    Args:
        variable: its name.
    """

    def __init__(self, variable: str):
        super().__init__(variable)
        self.variable = variable


class Reading:
    """One step of a rule in coordinates.

    A slow variable v moves by `displacement`. Where there are fast variables, v stands for its start plus
    ε^`scale` times a generator `Δv`, and a fast variable is ε^(−`scale`) times its own generator; both are then O(1).

    Args:
        rule: the optimizer.
        regime: its scaling.
        dimension: number of components.
        cutoff: power of the learning rate from which on one step is not wanted.
        extra: further symbols that the ring shall know.

    Raises:
        ValueError: the update is not polynomial in the state and the gradient, or a variable moves by O(1).
        Intermediate: a fast variable relaxes over a time between one step and the clock.
    """

    def __init__(
        self, rule: UpdateRule, regime: Regime, dimension: int, cutoff: sp.Rational, extra: tuple[sp.Expr, ...] = ()
    ):
        regime = rule.noise_of_step(regime)
        self.rule, self.regime, self.dimension = rule, regime, dimension
        self._update, self._offset = _scaled(rule, regime)
        expressions = (*self._update.values(), self._offset, regime.noise_scale, regime.clock, regime.small_parameter)
        expressions += (*regime.cumulant_scales.values(), *extra, LEARNING_RATE**cutoff)
        states = {variable(name) for name in rule.state}
        symbols = set().union(*(sp.sympify(e).free_symbols for e in expressions)) - states - {GRADIENT, LEARNING_RATE}
        self.field = JetRing(dimension, rule.state, symbols, root_of(expressions))
        self.ring = FrozenRing(self.field)
        self.cutoff = int(cutoff * self.ring.root)
        self.clock = self.field.expand(regime.clock, self.cutoff)
        self.fast = tuple(name for name in rule.fast if self._is_fast(name))
        self.scale: dict[str, int] = {}
        self._elementwise = not all(_is_polynomial(rule, e) for e in self._update.values())
        if self._elementwise and self.fast:
            raise ValueError(
                f"rule `{rule.name}` is not polynomial in the state and the gradient, which the route in coordinates "
                "needs where a variable is fast."
            )
        self._read()

    @property
    def slow(self) -> tuple[str, ...]:
        """The state variables of the limit."""
        return tuple(name for name in self.rule.state if name not in self.fast)

    def _is_fast(self, name: str) -> bool:
        slope = sp.diff(self._update[name], variable(name))
        states = slope.free_symbols & {variable(v) for v in self.rule.state}
        gap = self.ring.expand(1 - slope.subs(dict.fromkeys(states, sp.Rational(1, 3))), self.cutoff)
        if states and gap.lowest < self.clock.lowest:
            raise ValueError(
                f"rule `{self.rule.name}`: the rate at which `{name}` relaxes varies, which the route in coordinates "
                "does not follow where a variable is fast."
            )
        if 0 < gap.lowest < self.clock.lowest:
            raise Intermediate(name)
        return gap.lowest <= 0

    # --- components --------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Find every variable's own power of ε, then write the step in terms of it."""
        ring, noise = self.ring, self.regime.noise_scale
        gain = min(0, ring.expand(noise, self.cutoff).lowest)
        weights = {variable(name): 0 for name in self.rule.state} | {GRADIENT: gain}
        for name in self.fast:
            found = self._lightest(self._update[name], weights, besides=variable(name))
            self.scale[name] = -found
            weights[variable(name)] = found
        moves = {name: self._update[name] - variable(name) for name in self.slow}
        if self.fast:
            still = self.clock.lowest
            self.scale |= {name: self._lightest(move, weights) if move != 0 else still for name, move in moves.items()}
        # Factors with negative powers of ε bring back what was cut off: keep that many powers more.
        if self._elementwise:
            self._margin = 2 * self.ring.root - 2 * gain
        else:
            plain = dict.fromkeys(weights, 0)
            self._margin = sum(map(abs, weights.values())) * self._degree() + sum(map(abs, self.scale.values()))
            self._margin -= min(0, *(self._lightest(e, plain) for e in self._update.values()))
        wide = self.cutoff + self._margin
        point = [self._component(self._offset, axis, {}, wide) for axis in range(self.dimension)]
        drawn = [self._drawn(axis) for axis in range(self.dimension)]
        self.noise = NoiseAverage(self.ring, self.regime, [a + b for a, b in zip(point, drawn, strict=True)], wide)
        gradient = {GRADIENT: [self._gradient(axis, wide) for axis in range(self.dimension)]}
        step = lambda expression, axis: self._component(expression, axis, gradient, wide)
        axes = range(self.dimension)
        self.displacement = {(v, i): step(moves[v], i) for v in self.slow for i in axes}
        self.replacement = {(v, i): step(self._update[v], i).raised(self.scale[v]) for v in self.fast for i in axes}
        for (name, _), move in self.displacement.items():
            if move.lowest <= 0:
                raise ValueError(
                    f"variable `{name}` moves by O(1) or more in one step under regime `{self.regime.name}`."
                )

    def _degree(self) -> int:
        symbols = [*(variable(name) for name in self.rule.state), GRADIENT]
        return max(_polynomial(self.rule, e, symbols).total_degree() for e in self._update.values())

    def _lightest(self, expression: sp.Expr, weights: Mapping[sp.Symbol, int], besides: sp.Symbol | None = None) -> int:
        """The smallest power of ε among the terms of an expression, without the term linear in `besides`."""
        found = []
        for powers, coefficient in _polynomial(self.rule, expression, list(weights)).terms():
            held = {symbol: power for symbol, power in zip(weights, powers, strict=True) if power}
            series = self.ring.expand(coefficient, self.cutoff)
            if series and held != {besides: 1}:
                found.append(series.lowest + sum(weights[symbol] * power for symbol, power in held.items()))
        return min(found, default=0)

    def _drawn(self, axis: int) -> JetPolynomial:
        """How far the parameters are from the start, where moments are followed over many steps."""
        if not self.fast:
            return self.ring.zero
        name = self.rule.state[0]
        return self.ring.generator(DISPLACEMENT + name, (axis,)).raised(self.scale[name])

    def _gradient(self, axis: int, cutoff: int) -> JetPolynomial:
        found = self.noise.at_point(self.ring.generator("L", (), (axis,)))
        if self.regime.noise_scale == 0:
            return found
        return found + self.ring.expand(self.regime.noise_scale, cutoff) * self.ring.generator(NOISE, (axis,))

    def _component(
        self, expression: sp.Expr, axis: int, vectors: Mapping[sp.Symbol, list[JetPolynomial]], cutoff: int
    ) -> JetPolynomial:
        """One component of an expression that stands for a generic one."""
        values = {variable(name): self._value(name, axis) for name in self.rule.state}
        values |= {symbol: components[axis] for symbol, components in vectors.items()}
        if self._elementwise:
            return ComponentFunctions(self.ring, cutoff).value(expression, values, axis)
        total = self.ring.zero
        for powers, coefficient in _polynomial(self.rule, expression, list(values)).terms():
            term = self.ring.expand(coefficient, cutoff)
            for value, power in zip(values.values(), powers, strict=True):
                for _ in range(power):
                    term = term.times(value, cutoff)
            total = total + term
        return total

    def _value(self, name: str, axis: int) -> JetPolynomial:
        own = self.ring.generator(name, (axis,))
        if name in self.fast:
            return own.raised(-self.scale[name])
        return own + self.ring.generator(DISPLACEMENT + name, (axis,)).raised(self.scale[name]) if self.fast else own

    def moving(self, coordinate: Coordinate) -> tuple[int, int]:
        """The generator that follows a coordinate through the steps, and its power of ε."""
        name, axis = coordinate
        field = name if name in self.fast else DISPLACEMENT + name
        weight = -self.scale[name] if name in self.fast else self.scale[name]
        return next(iter(self.ring.generator(field, (axis,)).terms))[1][0], weight

    def conserved(self, axis: int) -> JetPolynomial:
        """B (I − A)⁻¹ m, from x' = x + B m and m' = A m without gradient: x plus this stays where it is."""
        quiet = {variable(name): 0 for name in self.slow} | {GRADIENT: 0}
        fast = sp.Matrix([variable(name) for name in self.fast])
        relaxed = sp.Matrix([self._update[name].subs(quiet) for name in self.fast]).jacobian(fast)
        at_rest = {variable(self.rule.state[0]): 0, GRADIENT: 0}
        pushed = sp.Matrix([self._update[self.rule.state[0]].subs(at_rest)]).jacobian(fast)
        pushed = pushed.subs(dict.fromkeys(fast, 0))
        combination = (pushed * (sp.eye(len(self.fast)) - relaxed).inv() * fast)[0]
        return self._component(sp.expand(combination), axis, {}, self.cutoff + self._margin)


def _scaled(rule: UpdateRule, regime: Regime) -> tuple[dict[str, sp.Expr], sp.Expr]:
    """The updates and the offset of the gradient's point with the regime's scalings inserted."""
    values = {hyperparameter(name): value for name, value in regime.scalings.items()}
    parameters = rule.state[0]
    for name in rule.state:
        scaled = regime.state_scales.get(name, sp.S.One) * variable(name)
        values[variable(name)] = scaled + variable(parameters) if name in rule.start else scaled
    update = {}
    for name, e in rule.update.items():
        # What starts at the parameters is followed by its distance from them.
        own = e - rule.update[parameters] if name in rule.start else e
        update[name] = sp.expand(own.subs(values, simultaneous=True) / regime.state_scales.get(name, sp.S.One))
    offset = rule.gradient_at - variable(rule.state[0])
    return update, sp.expand(sp.sympify(offset).subs(values, simultaneous=True))


def root_of(expressions: tuple[sp.Expr, ...]) -> int:
    """The least q for which every power of η is a power of η^{1/q}."""
    powers = [p.exp for e in expressions for p in sp.sympify(e).atoms(sp.Pow) if p.base == LEARNING_RATE]
    return lcm(1, *(int(power.q) for power in powers if power.is_Rational))


def _is_polynomial(rule: UpdateRule, expression: sp.Expr) -> bool:
    return bool(expression.is_polynomial(*(variable(name) for name in rule.state), GRADIENT))


def _polynomial(rule: UpdateRule, expression: sp.Expr, symbols: list[sp.Symbol]) -> sp.Poly:
    try:
        return sp.Poly(expression, *symbols, domain=sp.EX)
    except sp.PolynomialError as error:
        raise ValueError(
            f"rule `{rule.name}`: {expression} is not polynomial in the state and the gradient, which the route in "
            "coordinates needs."
        ) from error
