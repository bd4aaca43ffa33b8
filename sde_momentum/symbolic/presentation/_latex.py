"""Limits, obstructions and expressions as LaTeX."""

from dataclasses import replace

import sympy as sp

from sde_momentum.symbolic.equation._limit import ORDER_CONVENTION, Limit, NoDiffusion
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression
from sde_momentum.symbolic.presentation._coefficient_form import expression
from sde_momentum.symbolic.presentation._decayed_loss import decayed
from sde_momentum.symbolic.presentation._latex_style import LATEX, LATEX_PROCESS
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
from sde_momentum.symbolic.symbols import _doors as doors


def expression_latex(value: sp.Expr) -> str:
    r"""Write a coefficient, `\frac{\eta \beta}{1 - \beta}`."""
    return expression(LATEX, sp.sympify(value))


@doors.latex.register
def tensor_latex(value: TensorExpression) -> str:
    r"""Write a tensor expression, `-\nabla \left( L + \dots \right)`."""
    return alone(LATEX, value)


def to_latex(statement: Limit | NoDiffusion | TensorExpression) -> str:
    r"""Write a limit, an obstruction or an expression as LaTeX, without the delimiters of a formula.

    Args:
        statement: what `modified_equation` returns, or a part of it.

    Returns:
        The body of a formula; limits and obstructions are an `aligned` environment, for display.

    Raises:
        TypeError: `statement` is something else.

    Example:
        >>> from sde_momentum.optimizers import sgd
        >>> from sde_momentum.symbolic import modified_equation, to_latex
        >>> print(to_latex(modified_equation(sgd(), order=2).drift["x"]))
        -\nabla \left( L + \frac{\eta}{4} \, |\nabla L|^{2} \right)
    """
    if isinstance(statement, Limit | NoDiffusion | TensorExpression):
        return doors.latex(statement)
    raise TypeError(
        f"`statement` must be a Limit, a NoDiffusion or a TensorExpression, got {type(statement).__name__}."
    )


def _aligned(rows: list[str]) -> str:
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def _header(statement: Limit | NoDiffusion) -> str:
    name = LATEX.prose(f"{statement.rule.name}, order {statement.order}, {statement.regime.name}: ")
    return f"& {name} " + _listed(assumptions(LATEX, statement.regime))


def _listed(formulas: list[str]) -> str:
    return r", \; ".join(formulas)


@doors.latex.register
def limit_latex(limit: Limit) -> str:
    r"""Write a limit as an `aligned` environment."""
    shown, rate = decayed(limit)
    process = LATEX_PROCESS if rate is None else replace(LATEX_PROCESS, decayed=True)
    dynamics = [f"{left} &= {right}" for left, right in equations(process, shown)]
    assumed = rf" \qquad ({quiet_start(LATEX, limit)})"
    starts = [f"{left} &= {right}{assumed}" for left, right in start(process, shown)]
    if not limit.covariance:
        dynamics[-1] += rf" \qquad {LATEX.prose('(no noise)')}"
    described = rf"& {LATEX.prose(limit.calculus)}; \; " + r"; \; ".join(reading(LATEX, limit))
    away = exceptions(LATEX, limit)
    rows = [_header(limit), described, *dynamics, *starts, *([f"& {away}"] if away else [])]
    decay = "" if rate is None else decay_term(LATEX, rate, limit.rule.state[0])
    return _aligned([*rows, *_notes(" ".join([*dynamics, *starts]), decay)])


@doors.latex.register
def no_diffusion_latex(verdict: NoDiffusion) -> str:
    r"""Write an obstruction as an `aligned` environment."""
    terms = obstruction_terms(LATEX, verdict.obstruction, verdict.rule.state[0])
    rows = [_header(verdict), f"& {refusal(LATEX, verdict)}", rf"& \qquad {terms}", f"& {remedy(LATEX, verdict)}"]
    return _aligned([*rows, *_notes(terms)])


def _notes(formulas: str, decay: str = "") -> list[str]:
    """What the symbols stand for, and what an order means."""
    symbols = meaning(replace(LATEX, decayed=bool(decay)), formulas, decay)
    where = [f"& {LATEX.prose('where ')} {_listed(symbols)}"] if symbols else []
    return [*where, f"& {LATEX.prose(ORDER_CONVENTION)}"]
