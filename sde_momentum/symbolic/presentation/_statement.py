"""What a limit or an obstruction says, line by line, in either style."""

import re
from dataclasses import replace

import sympy as sp

from sde_momentum.symbolic.equation._factor import SQUARES_FACTOR
from sde_momentum.symbolic.equation._limit import Limit
from sde_momentum.symbolic.graphs._field_functions import SQUARED_GRADIENT
from sde_momentum.symbolic.graphs._graph import Node
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.presentation._coefficient_form import coefficient, expression, signed_sum
from sde_momentum.symbolic.presentation._decayed_loss import decay_rate, in_decayed_loss
from sde_momentum.symbolic.presentation._function_form import GRADIENT_NORM
from sde_momentum.symbolic.presentation._phrases import as_factor, pieces_of, tensor
from sde_momentum.symbolic.presentation._style import Style
from sde_momentum.symbolic.rules._noise_law import INDEPENDENT, ISOTROPIC
from sde_momentum.symbolic.rules._regime import Regime
from sde_momentum.symbolic.symbols._symbols import variable

Line = tuple[str, str]


def assumptions(style: Style, regime: Regime) -> list[str]:
    """The regime's scalings as formulas."""
    write = lambda value: expression(style, value)
    time = style.scaled("k", write(regime.clock))
    scalings = [f"{style.symbol(name)} = {write(value)}" for name, value in regime.scalings.items()]
    states = [
        f"{style.state(name)} = {style.scaled(write(scale), style.scaled_state(name))}"
        for name, scale in regime.state_scales.items()
    ]
    small = [style.prose("small parameter ") + write(regime.small_parameter)]
    cumulants = [
        f"{style.cumulant(order)} = O{style.parenthesized(write(scale))}"
        for order, scale in regime.cumulant_scales.items()
    ]
    law = [f"{style.noise}{style.prose(f' of {regime.noise_law}')}"] if regime.noise_law == INDEPENDENT else []
    if regime.noise_law == ISOTROPIC:
        square = style.product((style.squared("s"), style.identity))
        law = [f"{style.noise}{style.prose(f' {regime.noise_law}')}", f"{style.noise_covariance} = {square}"]
    return [
        f"{style.noise_scale} = {write(regime.noise_scale)}",
        f"t = {time}",
        *law,
        *scalings,
        *states,
        *_schedules(style, regime),
        *(small if regime.small_parameter != regime.clock else []),
        *cumulants,
    ]


def _schedules(style: Style, regime: Regime) -> list[str]:
    """The learning rate ηφ(t), β = β(t)."""
    found = []
    for name in regime.schedules:
        symbol = style.symbol("schedule" if name == "learning_rate" else name)
        varying = f"{symbol} = {symbol}{style.parenthesized('t')}"
        scaled = style.scaled(style.symbol(name), symbol)
        found.append(style.prose("learning rate ") + f"{scaled}, {varying}" if name == "learning_rate" else varying)
    return found


def reading(style: Style, limit: Limit) -> list[str]:
    """Which variable the equation is about, and which are gone."""
    parameters = style.state(limit.rule.state[0])
    bracket = [style.prose(f"noise N given by its bracket, because {limit.factor_gap}")] if limit.factor_gap else []
    bracket += [
        style.state(name) + style.prose(" measured from ") + parameters
        for name in limit.rule.start
        if name not in limit.eliminated
    ]
    if not limit.eliminated:
        return [style.prose("describes ") + ", ".join(style.state(name) for name in limit.variables), *bracket]
    gone = ", ".join(style.state(name) for name in limit.eliminated) + style.prose(" eliminated")
    combination = _slow_variable(style, limit)
    if limit.describes == "slow":
        return [style.prose("describes the slow variable ") + f"{_slow_name(limit)} = {combination}", gone, *bracket]
    return [style.prose("describes ") + parameters, gone, style.prose("slow variable ") + combination, *bracket]


def equations(style: Style, limit: Limit) -> list[Line]:
    """DX = … dt + … dW, one line a variable, as (left side, right side)."""
    lines = [(style.differential("", _process(style, limit, v)), _right_side(style, limit, v)) for v in limit.variables]
    if not limit.factor_gap:
        return lines
    # No root of the covariance is known: the noise is a martingale N with the covariance itself as its bracket.
    for (left, right), block in limit.covariance.items():
        pair = ", ".join(_martingale(style, limit, name) for name in (left, right))
        sign, body = as_factor(style, pieces_of(style, block), style.scaled)
        lines.append((rf"{style.differential('', f'[{pair}]')}", signed_sum([(sign, style.differential(body, "t"))])))
    return lines


def decay_term(style: Style, rate: sp.Expr, parameters: str) -> str:
    """½ w |x|², by which the loss that a rule with weight decay descends differs from L."""
    node = Node(parameters, ((0,),))
    return tensor(style, TensorExpression.collect([((node, node), rate / 2)]), parameters)


def alone(style: Style, value: TensorExpression) -> str:
    """An expression by itself, with the loss that weight decay makes of L where that is shorter."""
    rate = decay_rate([value], "x")
    if rate is None:
        return tensor(style, value)
    written = tensor(replace(style, decayed=True), in_decayed_loss(value, rate, "x"))
    with_decay = f"{style.decayed_loss} = {style.own_loss} + {decay_term(style, rate, 'x')}"
    if style.hessian in written.replace(style.word("Heaviside"), ""):
        with_decay += f", {style.hessian} = {style.decayed_second_derivative}"
    return written + style.prose(" with ") + with_decay


def exceptions(style: Style, limit: Limit) -> str:
    """As long as no component of ∇L is 0: where the coefficients jump or have kinks; empty if nowhere."""
    norm = {SQUARED_GRADIENT: GRADIENT_NORM}
    found = [expression(style, place.xreplace(norm)) for place in limit.exceptions]
    if not found:
        return ""
    last = style.prose(" or ").join([", ".join(found[:-1])] * (len(found) > 1) + found[-1:])
    scalar = limit.exceptions == (SQUARED_GRADIENT,)
    start, end = ("as long as ", " is not 0") if scalar else ("as long as no component of ", " is 0")
    return style.prose(start) + last + style.prose(f"{end}, where coefficients are not smooth")


def start(style: Style, limit: Limit) -> list[Line]:
    """X(0) = x₀ + …, for the variables whose start an elimination shifts."""
    if not limit.eliminated:
        return []
    lines = []
    for name in limit.variables:
        initial = style.initial(name)
        pieces = pieces_of(style, limit.initial_shift.get(name, TensorExpression()), limit.rule.state[0])
        x = limit.rule.state[0]
        shift = [_evaluated(style, *piece, style.state(x), style.initial(x)) for piece in pieces]
        lines.append((f"{_process(style, limit, name)}(0)", signed_sum([(1, initial), *shift])))
    return lines


def quiet_start(style: Style, limit: Limit) -> str:
    """m₀ = 0: what the start assumes about eliminated variables."""
    x = style.initial(limit.rule.state[0])
    return ", ".join(f"{style.initial(name)} = {x if name in limit.rule.start else 0}" for name in limit.eliminated)


def meaning(style: Style, formulas: str, decay: str = "") -> list[str]:
    """What the symbols that occur in `formulas` stand for, one definition each; `decay` is what L̃ has beside L."""
    covariance, root = style.noise_covariance, style.noise_factor
    cumulants, operators = style.kappa in formulas, formulas.replace(r"\Delta", "")
    found = [f"{style.decayed_loss} = {style.own_loss} + {decay}"] if decay else []
    if covariance in formulas or cumulants:
        found.append(f"g = {style.gradient(style.own_loss)} + {style.noise_scale} {style.noise}")
    if covariance in formulas:
        square = f" = {root} {style.transposed(root)}" if root in formulas else ""
        found.append(f"{covariance} = {style.function('Cov', style.noise)}{square}")
    if re.search(rf"(?<![A-Za-z\\]){SQUARES_FACTOR}(?![A-Za-z])", formulas):
        squares = style.hadamard([style.noise, style.noise])
        both = style.function("Cov", f"{style.noise}, {squares}")
        found.append(f"{style.function('Cov', squares)} = {SQUARES_FACTOR} {style.transposed(SQUARES_FACTOR)}")
        found.append(f"{both} = {root} {style.transposed(SQUARES_FACTOR)}")
    if cumulants:
        found.append(f"{style.cumulant_n} = {style.prose('n-th cumulant of ')}{style.noise}")
    if style.hessian in formulas:
        found.append(f"{style.hessian} = {style.second_derivative}")
    if "D" in operators:
        found.append(f"D = {style.prose('derivative, applied to what stands in brackets')}")
    if style.hadamard(["", ""]) in formulas:
        found.append(f"{style.hadamard(['', '']).strip()} = {style.prose('product of components')}")
    return found


def _slow_name(limit: Limit) -> str:
    return "y" if "y" not in limit.rule.state else "slow"


def _process(style: Style, limit: Limit, name: str) -> str:
    if limit.describes == "slow" and name == limit.rule.state[0]:
        return style.state(_slow_name(limit))
    return style.state(name)


def _slow_variable(style: Style, limit: Limit) -> str:
    """X − ηβ/(1 − β) m, coefficient before variable."""
    terms = []
    for name in (limit.rule.state[0], *limit.eliminated):
        weight = sp.diff(limit.slow_variable, variable(name))
        if weight != 0:
            sign, body = coefficient(style, weight)
            terms.append((sign, style.scaled(body, style.state(name))))
    return signed_sum(terms)


def _right_side(style: Style, limit: Limit, name: str) -> str:
    drift, noise = (part.get(name, TensorExpression()) for part in (limit.drift, limit.factor))
    slope = as_factor(style, pieces_of(style, drift, limit.rule.state[0]), style.scaled)
    spread = as_factor(style, pieces_of(style, noise), style.beside)
    parts = ((slope, "t"), (spread, "W"))
    terms = [(sign, style.differential(body, process)) for (sign, body), process in parts if body]
    if limit.factor_gap and any(name in pair for pair in limit.covariance):
        terms.append((1, style.differential("", _martingale(style, limit, name))))
    return signed_sum(terms)


def _martingale(style: Style, limit: Limit, name: str) -> str:
    return style.indexed("N", _process(style, limit, name))


def _evaluated(style: Style, weight: sp.Expr, phrase: str, parameters: str, point: str) -> tuple[int, str]:
    sign, body = coefficient(style, weight)
    if phrase == parameters:
        return sign, style.scaled(body, point)
    field = phrase if phrase == style.gradient(style.loss) else style.parenthesized(phrase)
    return sign, style.scaled(body, f"{field}({point})")
