r"""Functions of fields as nodes: φ(∂_iL, Σ_ii, v_i, …) with one index, ψ(|∇L|², s) with none.

Sign and normalized methods need them: erf(∂_iL/√(2Σ_ii)), |∇L|^{-1}. A function is a product of powers and elementary
functions of reserved symbols, without numerical factor; its derivative follows from the chain rule and is split into
such products again. Functions with jumps are differentiated away from the jumps.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import sympy as sp

from sde_momentum.symbolic.graphs._fields import ElementwiseName, Piece, Tensor
from sde_momentum.symbolic.graphs._graph import Label, Node
from sde_momentum.symbolic.symbols._symbols import variable
from sde_momentum.symbolic.symbols._transcendental import with_generators

# What a function's arguments stand for.
LOSS_SLOPE = variable("loss_slope")  # ∂_iL
NOISE_VARIANCE = sp.Symbol("noise_variance", positive=True)  # Σ_ii
SQUARED_GRADIENT = sp.Symbol("squared_gradient", positive=True)  # |∇L|²
NOISE_DEVIATION = sp.Symbol("noise_deviation", positive=True)  # s in Σ = s² I
ARGUMENTS = (LOSS_SLOPE, NOISE_VARIANCE, SQUARED_GRADIENT, NOISE_DEVIATION)

FRESH: Label = -1_000_000  # a summed label still to be chosen
DEVIATION = "noise deviation"  # the field s(x), with derivatives as of L; no variable can have this name


class ComponentwiseName(str):
    """The field name of a function of ∂_iL, Σ_ii and state variables."""

    __slots__ = ("expression",)
    expression: sp.Expr

    def __new__(cls, expression: sp.Expr):
        """Name an expression."""
        name = str.__new__(cls, f"φ[{expression}]")
        name.expression = expression
        return name


class ScalarName(str):
    """The field name of a function of |∇L|² and s."""

    __slots__ = ("expression",)
    expression: sp.Expr

    def __new__(cls, expression: sp.Expr):
        """Name an expression."""
        name = str.__new__(cls, f"ψ[{expression}]")
        name.expression = expression
        return name


FUNCTIONS_OF_FIELDS = {"components": ComponentwiseName, "scalars": ScalarName}


def function_expression(node: Node) -> sp.Expr | None:
    """The componentwise function that a node stands for, of whichever fields; None for any other node."""
    return node.field.expression if isinstance(node.field, ComponentwiseName | ElementwiseName) else None


def scalar_expression(node: Node) -> sp.Expr | None:
    """The function of scalars that a node stands for; None for any other node."""
    return node.field.expression if isinstance(node.field, ScalarName) else None


def function_terms(expression: sp.Expr) -> list[tuple[sp.Expr, sp.Expr]]:
    """Split a function into (coefficient, product of functions of fields) pairs whose sum it is."""
    total: dict[sp.Expr, list[sp.Expr]] = {}
    for coefficient, function in _multiplied_out(_without_jumps(expression)):
        total.setdefault(function, []).append(coefficient)
    simplified = ((sp.cancel(sp.Add(*found)), function) for function, found in total.items())
    return [(coefficient, function) for coefficient, function in simplified if coefficient != 0]


def _multiplied_out(expression: sp.Expr) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """Multiply out sums that stand in numerators; what does not depend on fields is left as it is."""
    for term in sp.Add.make_args(expression):
        coefficient, function = _independent(with_generators(_reduced(term)))
        is_sum = lambda factor: factor.as_base_exp()[0].is_Add and factor.as_base_exp()[1].is_Integer
        sums = [f for f in sp.Mul.make_args(function) if is_sum(f) and f.as_base_exp()[1] > 0]
        if not sums:
            yield coefficient, function
            continue
        rest = sp.Mul(*(factor for factor in sp.Mul.make_args(function) if factor not in sums))
        held = {function: sp.Dummy() for function in sp.Mul(*sums).atoms(sp.Function)}
        expanded = sp.expand(sp.Mul(*sums).xreplace(held), power_base=False)
        expanded = expanded.xreplace({symbol: function for function, symbol in held.items()})
        for more, inner in _multiplied_out(sp.Add(*(rest * part for part in sp.Add.make_args(expanded)))):
            yield coefficient * more, inner


def _independent(term: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    arguments = {s for s in term.free_symbols if s in ARGUMENTS or s == variable(s.name)}
    if not arguments:
        return term, sp.S.One
    return term.as_independent(*arguments, as_Add=False)


def _without_jumps(expression: sp.Expr) -> sp.Expr:
    """Drop what lives at a jump alone, and write |p| as p sign(p)."""
    smooth: Any = expression.replace(sp.DiracDelta, lambda *_: sp.S.Zero)
    return smooth.replace(sp.Abs, lambda p: p * sp.sign(p) if p.is_real and not p.is_nonnegative else sp.Abs(p))


def _reduced(term: sp.Expr) -> sp.Expr:
    """sign² = 1 in a product."""
    powers = term.as_powers_dict()
    if not any(isinstance(base, sp.sign) for base in powers):
        return term
    reduce = lambda base, power: base ** (power % 2) if isinstance(base, sp.sign) and power.is_Integer else base**power
    return sp.Mul(*(reduce(base, power) for base, power in powers.items()))


def factors_by_argument(function: sp.Expr, arguments: tuple[sp.Symbol, ...]) -> tuple[dict[sp.Symbol, int], sp.Expr]:
    """Take whole positive powers of the arguments out of a product: (powers, the other factors)."""
    function = _reduced(function)
    powers, rest = {}, sp.S.One
    for base, power in function.as_powers_dict().items():
        if base in arguments and power.is_Integer and power > 0:
            powers[base] = int(power)
        else:
            rest *= base**power
    return powers, rest


@lru_cache(maxsize=8192)
def differentiated(function: sp.Expr, symbol: sp.Symbol) -> list[tuple[sp.Expr, sp.Expr]]:
    """The derivative of a function as `function_terms`; a derivation asks for the same one many times."""
    return function_terms(sp.diff(function, symbol)) if function.has(symbol) else []


class Componentwise:
    """φ(∂_iL, Σ_ii, v_i, …), one node with one index.

    Args:
        expression: a product of functions, as `function_terms` gives them.
        parameters: the variable that L and Σ depend on.
    """

    def __init__(self, expression: sp.Expr, parameters: str):
        self.expression, self.parameters = expression, parameters

    def derivative(self, node: Node, variable_name: str, label: Label) -> list[Piece]:
        """∂φ_i/∂v_j by the chain rule."""
        own = node.slots[0][0]
        pieces = self._through(variable(variable_name), own, (), (own, label))
        if variable_name == self.parameters:
            pieces += self._through(LOSS_SLOPE, own, (Node("L", ((own, label),)),), None)
            pieces += self._through(NOISE_VARIANCE, own, (Node("Sigma", ((own, own), (label,))),), None)
        return pieces

    def _through(self, symbol: sp.Symbol, own: Label, inner: tuple[Node, ...], identify) -> list[Piece]:
        terms = differentiated(self.expression, symbol)
        return [Piece(c, (*componentwise_nodes(f, own), *inner), identify) for c, f in terms]


class ScalarFunction:
    """ψ(|∇L|², s), a node without index."""

    def __init__(self, expression: sp.Expr, parameters: str):
        self.expression, self.parameters = expression, parameters

    def derivative(self, node: Node, variable_name: str, label: Label) -> list[Piece]:
        """∂ψ/∂x_j = 2ψ' ∂_kL ∂_kjL + ∂ψ/∂s ∂_js."""
        if variable_name != self.parameters:
            return []
        slope = (Node("L", ((FRESH,),)), Node("L", ((FRESH, label),)))
        through = ((SQUARED_GRADIENT, 2, slope), (NOISE_DEVIATION, 1, (Node(DEVIATION, ((label,),)),)))
        return [
            Piece(times * c, (*scalar_nodes(f), *inner))
            for symbol, times, inner in through
            for c, f in differentiated(self.expression, symbol)
        ]


def componentwise_nodes(function: sp.Expr, label: Label) -> tuple[Node, ...]:
    """The node φ_label; nothing for the constant 1."""
    return () if function == 1 else (Node(_componentwise_name(function), ((label,),)),)


def scalar_nodes(function: sp.Expr) -> tuple[Node, ...]:
    """The node ψ; nothing for the constant 1."""
    return () if function == 1 else (Node(_scalar_name(function), ()),)


# A name is written out once: printing an expression takes longer than everything else about a node.
_componentwise_name = lru_cache(maxsize=4096)(ComponentwiseName)
_scalar_name = lru_cache(maxsize=4096)(ScalarName)


class FieldTable(dict):
    """Field name → field; functions of fields are made from their names when they are asked for."""

    def __init__(self, fields: dict, parameters: str):
        super().__init__(fields)
        self.parameters, self.scalars = parameters, False

    def __missing__(self, name: str):
        """Make the function that a name carries."""
        if isinstance(name, ComponentwiseName):
            self[name] = Componentwise(name.expression, self.parameters)
        elif isinstance(name, ScalarName):
            self[name], self.scalars = ScalarFunction(name.expression, self.parameters), True
        elif name == DEVIATION:
            self[name] = Tensor(DEVIATION, 0, self.parameters)
        else:
            raise KeyError(name)
        return self[name]
