"""Limits, obstructions and expressions as text."""

from dataclasses import replace

import sympy as sp

from sde_momentum.symbolic.equation._limit import ORDER_CONVENTION, Limit, NoDiffusion
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.presentation._coefficient_form import expression
from sde_momentum.symbolic.presentation._decayed_loss import decayed
from sde_momentum.symbolic.presentation._obstruction_statement import obstruction_terms, refusal, remedy
from sde_momentum.symbolic.presentation._statement import (
    alone,
    assumptions,
    decay_term,
    equations,
    exceptions,
    meaning,
    quiet_start,
    reading,
    start,
)
from sde_momentum.symbolic.presentation._text_style import TEXT, TEXT_PROCESS
from sde_momentum.symbolic.rules._regime import Regime
from sde_momentum.symbolic.symbols import _doors as doors


@doors.text.register
def expression_text(value: sp.Expr) -> str:
    """Write a coefficient, `η·β/(1 - β)`."""
    return expression(TEXT, sp.sympify(value))


@doors.text.register
def tensor_text(value: TensorExpression) -> str:
    """Write a tensor expression, `-∇(L + 1/4·η·|∇L|²)`."""
    return alone(TEXT, value)


@doors.text.register
def regime_text(regime: Regime) -> str:
    """Write a regime, `small-noise: σ = 1, t = k·η`."""
    return f"{regime.name}: {', '.join(assumptions(TEXT, regime))}"


@doors.text.register
def limit_text(limit: Limit) -> str:
    """Write a limit as a complete statement: assumptions, equations, start, meaning of the symbols, convention."""
    header = f"{limit.rule.name}, order {limit.order}, {regime_text(limit.regime)}"
    shown, rate = decayed(limit)
    process = TEXT_PROCESS if rate is None else replace(TEXT_PROCESS, decayed=True)
    dynamics = [f"{left} = {right}" for left, right in equations(process, shown)]
    starts = [f"{left} = {right}      ({quiet_start(TEXT, limit)})" for left, right in start(process, shown)]
    if not limit.covariance:
        dynamics[-1] += "      (no noise)"
    away = exceptions(TEXT, limit)
    lines = [f"{header}  [{limit.calculus}; {'; '.join(reading(TEXT, limit))}]", *dynamics, *starts]
    lines += [away] if away else []
    decay = "" if rate is None else decay_term(TEXT, rate, limit.rule.state[0])
    return "\n  ".join([*lines, *_notes("\n".join([*dynamics, *starts]), decay)])


@doors.text.register
def no_diffusion_text(verdict: NoDiffusion) -> str:
    """Write that no diffusion of an order exists, the generator terms that forbid it, and what removes them."""
    terms = obstruction_terms(TEXT, verdict.obstruction, verdict.rule.state[0])
    header = f"{verdict.rule.name}, order {verdict.order}, {regime_text(verdict.regime)}"
    lines = [header, refusal(TEXT, verdict), f"  {terms}", remedy(TEXT, verdict)]
    return "\n  ".join([*lines, *_notes(terms)])


def _notes(formulas: str, decay: str = "") -> list[str]:
    """What the symbols stand for, and what an order means."""
    symbols = meaning(replace(TEXT, decayed=bool(decay)), formulas, decay)
    return [*([f"where {', '.join(symbols)}"] if symbols else []), ORDER_CONVENTION]
