"""What an obstruction says, in either style."""

from collections.abc import Mapping
from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic.equation._limit import NoDiffusion
from sde_momentum.symbolic.graphs._graph import Node
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.presentation._coefficient_form import coefficient, expression, signed_sum
from sde_momentum.symbolic.presentation._function_form import without_scalars
from sde_momentum.symbolic.presentation._index_notation import LETTERS
from sde_momentum.symbolic.presentation._names import name_of
from sde_momentum.symbolic.presentation._style import Style
from sde_momentum.symbolic.rules._regime import power_of_learning_rate
from sde_momentum.symbolic.symbols._symbols import LEARNING_RATE

Obstruction = Mapping[tuple[str, ...], TensorExpression]


def refusal(style: Style, verdict: NoDiffusion) -> str:
    """No diffusion of this order, for which variable, and at which power of the learning rate it fails."""
    subject = style.state(verdict.rule.state[0]) if verdict.describes == "x" else style.prose("the slow variable")
    begin, end = _FAULTS[verdict.part]
    parts = (
        style.prose(f"no diffusion of order {verdict.order} exists for the law of "),
        subject,
        style.prose(" in this regime: at "),
        expression(style, _power(verdict)),
        style.prose(f" {begin} "),
        style.test_function,
        style.prose(f" {end}:"),
    )
    return "".join(parts)


_FAULTS = {
    "generator": ("the expansion of its expectations holds derivatives of", "that no diffusion has"),
    "start": ("the transient of the eliminated variables acts by derivatives of", "that no shifted start has"),
    "covariance": ("the second derivatives of", "hold a block too large for those of its two variables"),
}


def remedy(style: Style, verdict: NoDiffusion) -> str:
    """What makes these terms vanish, and which orders they do not reach."""
    sentence = _condition(style, verdict.obstruction)
    if verdict.part == "covariance":
        sentence = style.prose("no factor of the covariance exists to this order")
    if verdict.part == "start" and verdict.describes == "x":
        sentence = style.prose('the slow variable, `describes="slow"`, starts without it')
    unaffected = obstruction_power(verdict.obstruction) // verdict.regime.grade
    if unaffected < 1:
        return sentence
    orders, keep, are = ("order 1", "keeps", "is") if unaffected == 1 else (f"orders up to {unaffected}", "keep", "are")
    reach = expression(style, sp.sympify(verdict.regime.small_parameter) ** unaffected)
    return sentence + style.prose(f"; {orders}, which {keep} terms below ") + reach + style.prose(f", {are} untouched")


def _condition(style: Style, obstruction: Obstruction) -> str:
    conditions = removed_by(style, obstruction)
    if not conditions:
        return style.prose("neither Gaussian noise of constant covariance nor a quadratic loss makes them all vanish")
    *others, last = conditions
    listed = style.prose(", ").join(others) + (style.prose(" and ") if others else "") + last
    return style.prose("they vanish if ") + listed


def _power(verdict: NoDiffusion) -> sp.Expr:
    exponent = obstruction_power(verdict.obstruction)
    return LEARNING_RATE ** sp.Rational(exponent.numerator, exponent.denominator)


def obstruction_terms(style: Style, obstruction: Obstruction, parameters: str) -> str:
    """The offending terms of the generator, acting on f."""
    written = []
    for variables, tensor in obstruction.items():
        frees = tuple(-1 - position for position in range(len(variables)))
        letters = LETTERS[: len(frees)]
        if set(variables) == {parameters}:
            derivative = style.partial(letters, style.test_function)
        else:
            derivative = style.derivative_of_test(list(zip(variables, letters, strict=True)))
        for graph, weight in (without_scalars(*term) for term in tensor):
            sign, body = coefficient(style, weight)
            phrase = style.component_sign.join((*name_of(style, graph), derivative))
            written.append((sign, style.scaled(body, phrase)))
    return signed_sum(written)


def obstruction_power(obstruction: Obstruction) -> Fraction:
    """The power of the learning rate at which the obstruction stands."""
    weights = [weight for tensor in obstruction.values() for _, weight in tensor]
    return min(power_of_learning_rate(sp.factor(weight), "obstruction")[1] for weight in weights)


def removed_by(style: Style, obstruction: Obstruction) -> list[str]:
    """Assumptions under which every term of an obstruction vanishes; empty when none on noise and loss does."""
    graphs = [graph for tensor in obstruction.values() for graph, _ in tensor]
    orders = sorted({_cumulant_order(node) for graph in graphs for node in graph} - {0})
    rest = [graph for graph in graphs if not any(_cumulant_order(node) for node in graph)]
    found = [f"{style.cumulant(order)} = 0" for order in orders]
    constant = f"{style.noise_covariance}{style.prose(' is constant')}"
    quadratic = f"{style.loss}{style.prose(' is quadratic')}"
    for test, name in ((_varies, constant), (_curved, quadratic)):
        if any(any(map(test, graph)) for graph in rest):
            found.append(name)
            rest = [graph for graph in rest if not any(map(test, graph))]
    return [] if rest else found


def _cumulant_order(node: Node) -> int:
    return int(node.field.removeprefix("kappa")) if node.field.startswith("kappa") else 0


def _varies(node: Node) -> bool:
    return node.field == "Sigma" and bool(node.slots[1])


def _curved(node: Node) -> bool:
    return node.field == "L" and len(node.slots[0]) > 2
