"""Steps of fixed length: limits of the first route, written out in coordinates and compared with the second one's."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import sympy as sp

from sde_momentum.symbolic.coordinates._directions import Directions, Index, Kummer
from sde_momentum.symbolic.equation._limit import Limit, NoDiffusion
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE


class DirectionReader:
    """Reads tensor expressions in the fields of `Directions`.

    Args:
        own: the generator of the second route.
    """

    def __init__(self, own: Directions):
        self.own = own

    def components(self, expression: TensorExpression) -> dict[Index, sp.Expr]:
        """A tensor expression with every index written out."""
        found: dict[Index, sp.Expr] = {}
        for graph, coefficient in expression:
            names = sorted({label for node in graph for group in node.slots for label in group}, reverse=True)
            factor = _own_functions(sp.sympify(coefficient)).subs(_dimensions(coefficient, self.own.dimension))
            for values in product(range(self.own.dimension), repeat=len(names)):
                at = dict(zip(names, values, strict=True))
                term = factor * sp.Mul(*(self._component(node, at) for node in graph))
                free = tuple(at[label] for label in names if label < 0)
                found[free] = found.get(free, sp.S.Zero) + term
        return found

    def _component(self, node: Any, at: Mapping[int, int]) -> sp.Expr:
        groups = [[at[label] for label in group] for group in node.slots]
        function = getattr(node.field, "expression", None)
        if function is not None:
            return self._function(function, groups[0][0] if groups else 0)
        if node.field == "delta":
            return sp.Integer(groups[0][0] == groups[0][1])
        if node.field == "L":
            return sp.diff(self.own.loss, *(self.own.x[i] for i in groups[0]))
        if node.field == "Sigma":
            (i, j), derivative = groups
            own = (self.own.deviation[i] / self._noise) ** 2
            return sp.diff(own, *(self.own.x[k] for k in derivative)) if i == j else sp.S.Zero
        if node.field == "noise deviation":
            return sp.diff(self.own.deviation[0] / self._noise, *(self.own.x[k] for k in groups[-1]))
        raise ValueError(f"a node `{node.field}` has no components that the route in coordinates knows.")

    @property
    def _noise(self) -> sp.Expr:
        """σ₀ in σ = σ₀ η^{−a}."""
        return self.own.regime.noise_scale.subs(LEARNING_RATE, 1) if self.own.regime.noise_scale != 0 else sp.S.One

    def _function(self, function: sp.Expr, axis: int) -> sp.Expr:
        values = {
            "loss_slope": self.own.slopes[axis],
            "noise_variance": (self.own.deviation[axis] / self._noise) ** 2,
            "squared_gradient": sum(slope**2 for slope in self.own.slopes),
            "noise_deviation": self.own.deviation[0] / self._noise,
            "dimension": self.own.dimension,
        }
        own = {s: values[s.name] for s in function.free_symbols if s.name in values}
        signed = function.replace(sp.sign, lambda _: self.own.signs[axis])
        return _own_functions(signed).subs(own, simultaneous=True)

    def is_zero(self, value: sp.Expr) -> bool:
        """Whether an expression in derivatives of unknown functions vanishes identically."""
        if self.own.kind == "norm" and self.own.dimension == 1:
            # A direction on the line is a sign.
            square, length = self.own.slopes[0] ** 2, self.own.slopes[0] * self.own.signs[0]
            is_root = lambda e: e.is_Pow and e.base == square and not e.exp.is_Integer
            on_line: Any = value.doit().replace(is_root, lambda e: length ** (2 * e.exp))
            value = on_line.replace(Kummer, _on_the_line)
        done: Any = value.doit()
        value = sp.expand(done.replace(Kummer, lambda a, b, u: sp.hyperexpand(sp.hyper([a], [b], u))))
        jets = [*value.atoms(sp.Derivative), self.own.loss, *self.own.deviation]
        names = {jet: sp.Symbol(f"j{k}", positive=jet in self.own.deviation, real=True) for k, jet in enumerate(jets)}
        plain = value.xreplace(names)
        plain = sp.expand(plain).replace(
            lambda e: e.is_Pow and e.base in self.own.signs, lambda e: e.base ** (e.exp % 2)
        )
        return sp.simplify(sp.expand(plain)) == 0


def _dimensions(coefficient: sp.Expr, dimension: int) -> dict[sp.Symbol, int]:
    return {s: dimension for s in sp.sympify(coefficient).free_symbols if s.name == "dimension"}


def _own_functions(expression: sp.Expr) -> sp.Expr:
    """The other route's Kummer function, which has the same name, as this one."""
    return expression.replace(lambda e: type(e).__name__ == "Kummer", lambda e: Kummer(*e.args))


def _on_the_line(a: sp.Expr, b: sp.Expr, u: sp.Expr) -> sp.Expr:
    return sp.hyperexpand(sp.hyper([a], [b], u))


def direction_difference(limit: Limit | NoDiffusion, dimension: int) -> dict[tuple, bool]:
    """What is compared → whether the routes differ there, keyed as `difference` keys it.

    Raises:
        ValueError: there are more than two dimensions.
    """
    if dimension not in (1, 2):
        raise ValueError(f"`dimension` must be 1 or 2 for steps of fixed length, got {dimension}.")
    directions = Directions(limit, dimension)
    own, graded, variable_name = DirectionReader(directions), directions.generator(), limit.rule.state[0]
    below = int(limit.order * limit.regime.grade)
    high = {p: {i: v for i, v in o.items() if sum(i) > 2} for p, o in graded.items() if p < below}
    obstructed = [p for p in sorted(high) if any(not own.is_zero(v) for v in high[p].values())]
    parts: dict[tuple, sp.Expr] = {}

    def add(name: str, axes: Index, value: sp.Expr) -> None:
        key = (name, *([variable_name] * len(axes)), *axes)
        parts[key] = parts.get(key, sp.S.Zero) + value

    eta = lambda p: LEARNING_RATE**p
    if isinstance(limit, NoDiffusion):
        if not obstructed:
            return {("obstruction",): True}
        for index, value in high[obstructed[0]].items():
            add("obstruction", _axes(index), value * eta(obstructed[0]))
        for tensor in limit.obstruction.values():
            for free, value in own.components(tensor).items():
                add("obstruction", tuple(sorted(free)), -value)
    else:
        if obstructed:
            return {("obstruction",): True}
        second = [p for p, o in graded.items() if any(sum(i) == 2 and not own.is_zero(v) for i, v in o.items())]
        last = max(below - 1, min(second, default=0))
        for p, operator in ((p, o) for p, o in graded.items() if p <= last):
            for index, value in operator.items():
                if sum(index) == 1 and p < below:
                    add("drift", _axes(index), value * eta(p))
                if sum(index) == 2:
                    i, j = _axes(index)
                    add("covariance", (i, j), value * eta(p) * (2 if i == j else 1))
        for free, value in own.components(limit.drift[variable_name]).items():
            add("drift", free, -value)
        if block := limit.covariance.get((variable_name, variable_name)):
            for (i, j), value in own.components(block).items():
                if i <= j:
                    add("covariance", (i, j), -value)
    return {key: not own.is_zero(value) for key, value in parts.items()}


def _axes(index: Index) -> Index:
    return tuple(axis for axis, times in enumerate(index) for _ in range(times))
