"""What a slow equation says, as text and as LaTeX."""

import re
from typing import NamedTuple

import sympy as sp

from sde_momentum.symbolic.presentation._latex import expression_latex
from sde_momentum.symbolic.presentation._text import expression_text
from sde_momentum.symbolic.slow._equation import SlowEquation
from sde_momentum.symbolic.slow._limit_map_derivatives import (
    LEFT_EIGENVALUE,
    OUTPUT_EIGENVALUE,
    RIGHT_EIGENVALUE,
    Block,
)
from sde_momentum.symbolic.slow._linear_rule import effective_learning_rate
from sde_momentum.symbolic.slow._noise import EIGENVALUE
from sde_momentum.symbolic.symbols import _doors as doors
from sde_momentum.symbolic.symbols._symbols import RELAXATION_RATE, hyperparameter

_NORMAL: Block = ("tangent", "normal", "normal")
_CROSS: Block = ("tangent", "normal", "tangent")
_CURVED: Block = ("normal", "tangent", "tangent")
_MEANING = "D³L[A] = ∇tr(HA) at constant A, P projects on ker H (∥), h_i are the eigenvalues of H, nonzero in ⊥"
_LETTERS = {
    "learning_rate": ("η", r"\eta"),
    "momentum": ("β", r"\beta"),
    "relaxation_rate": ("λ", r"\lambda"),
    "dampening": ("ν", r"\nu"),
    "schedule": ("λ_τ", r"\lambda_\tau"),
}


class _Phrases(NamedTuple):
    """The words of one style; both styles say the same."""

    latex: bool
    differential: str
    curvature: str
    cross: str
    normal: str
    tangent_spread: str
    descent: str


_TEXT = _Phrases(False, "P Σ^{1/2} dW", "½ H⁺D³L[Σ_∥]", "P D³L[C_⊥∥]", "½ P D³L[C_⊥]", "½ {} H⁺D³L[P]", "∇_Γ R")
_LATEX = _Phrases(
    True,
    r"P \Sigma^{1/2} dW",
    r"\tfrac12 H^+ D^3L[\Sigma_\parallel]",
    r"P D^3L[C_{\perp\parallel}]",
    r"\tfrac12 P D^3L[C_\perp]",
    r"\tfrac12 {} H^+ D^3L[P]",
    r"\nabla_\Gamma R",
)


@doors.text.register
def slow_text(equation: SlowEquation) -> str:
    """The equation, the fluctuations that drive it, and the functional it descends."""
    lines = [
        f"slow equation of {equation.rule.name}, {equation.regime.name}, {equation.noise.name}: {_clock(equation)}  "
        "[Itô, on the manifold Γ of minimizers]",
        f"dY = {_noise(equation, _TEXT)}{_drift(equation, _TEXT)}",
        *_fluctuations(equation, _TEXT),
        *([] if equation.noise.vanishes else [f"where {_MEANING}{_reason(equation)}"]),
        equation.functional,
    ]
    return "\n  ".join(lines)


@doors.latex.register
def slow_latex(equation: SlowEquation) -> str:
    r"""The same as an `aligned` environment."""
    name = f"{equation.rule.name}, {equation.regime.name}, {equation.noise.name}".replace("_", " ")
    rows = [
        rf"& \text{{slow equation of {name}: }} {_clock(equation, latex=True)}",
        rf"& dY = {_noise(equation, _LATEX)}{_drift(equation, _LATEX)}",
        *(rf"& {line}" for line in _fluctuations(equation, _LATEX)),
    ]
    if equation.regularizer is not None and not equation.noise.vanishes:
        rows.append(rf"& R = {_functional_sum(equation, _LATEX)}")
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


@doors.functional.register
def functional_text(equation: SlowEquation) -> str:
    """What the drift descends; a plain statement where it descends nothing."""
    noise = equation.noise
    if noise.vanishes:
        return "nothing moves: the noise vanishes on Γ, and every minimizer is a fixed point of the rule"
    if equation.regularizer is None:
        return (
            "no functional: for general noise the drift is not a gradient; on the valley L = ½ k(u, v) w² with noise "
            f"s(u, v) across, its curl is {_partials(_written(equation.curl, False))}"
        )
    tail = "" if noise.tangent == 0 else ", besides the Itô term of the noise along Γ"
    scale = "" if equation.diffusion == 1 else f"{_written(equation.diffusion**2, False)}·"
    return f"the drift is -{scale}∇_Γ R{tail}: R = {_functional_sum(equation, _TEXT)}"


def _partials(written: str) -> str:
    """k_u for Derivative(k(u, v), u), and k for k(u, v)."""
    return re.sub(r"([ks])\(u, v\)", r"\1", re.sub(r"Derivative\(([ks])\(u, v\), ([uv])\)", r"\1_\2", written))


def _functional_sum(equation: SlowEquation, phrases: _Phrases) -> str:
    """R, by name where it has one."""
    density = sp.factor(equation.regularizer / equation.diffusion**2)
    for function, text, latex in (
        (EIGENVALUE, "tr H", r"\operatorname{tr} H"),
        (sp.log(EIGENVALUE), "log det⁺ H", r"\log\det{}^+ H"),
    ):
        factor = sp.cancel(density / function)
        if not factor.has(EIGENVALUE):
            return f"{_written(factor, phrases.latex)}{' ' if phrases.latex else '·'}{latex if phrases.latex else text}"
    body = _written(density, phrases.latex)
    return rf"\sum_{{h \neq 0}} {body}" if phrases.latex else f"Σ_(h ≠ 0) {body}"


def _noise(equation: SlowEquation, phrases: _Phrases) -> str:
    if equation.noise.tangent == 0:
        return ""
    return _times(equation.diffusion, phrases.differential, phrases)


def _drift(equation: SlowEquation, phrases: _Phrases) -> str:
    tail = r"\, d\tau" if phrases.latex else " dτ"
    noise, square = equation.noise, equation.diffusion**2
    if noise.vanishes:
        return "0"
    if noise.is_general:
        present = [_CURVED, *(block for block in (_CROSS, _NORMAL) if _has(equation, block))]
        words = {_CURVED: phrases.curvature, _CROSS: phrases.cross, _NORMAL: phrases.normal}
        terms = " + ".join(words[block] for block in present)
    else:
        spread = phrases.tangent_spread.format(_written(noise.tangent, phrases.latex))
        terms = phrases.descent if noise.tangent == 0 else f"{phrases.descent} + {spread}"
    body = f"({terms})" if " + " in terms else terms
    return f"{' ' if noise.tangent != 0 else ''}- {_times(square, body, phrases)}{tail}".replace("  ", " ")


def _has(equation: SlowEquation, block: Block) -> bool:
    return block in equation.blocks or block in equation.coinciding


def _fluctuations(equation: SlowEquation, phrases: _Phrases) -> list[str]:
    """C_ij for the two kinds of pair, in the eigenbasis of H."""
    if not equation.noise.is_general:
        return []
    names = ("C_{\\perp}", "C_{\\perp\\parallel}") if phrases.latex else ("C_⊥", "C_⊥∥")
    sigma = r"\Sigma_{ij}" if phrases.latex else "Σ_ij"
    lines = []
    for block, name in ((_NORMAL, names[0]), (_CROSS, names[1])):
        if block in equation.coinciding:
            where = " where h_i = h_j, else 0"
            where = r"\ \text{where } h_i = h_j, \text{ else } 0" if phrases.latex else where
            lines.append(f"{name}: {sigma} {_weight(equation, equation.coinciding[block], phrases)}{where}")
        elif block in equation.blocks:
            lines.append(f"{name}: {sigma} {_weight(equation, equation.blocks[block], phrases)}")
        else:
            lines.append(f"{name}: 0")
    return [", ".join(lines)] if not phrases.latex else lines


def _weight(equation: SlowEquation, coefficient: sp.Expr, phrases: _Phrases) -> str:
    """1/(h_i + h_j + (h_i − h_j)²/(2λ)): a reciprocal in powers of λ where the numerator has no eigenvalue."""
    weight = sp.factor(-2 * coefficient / equation.diffusion**2)
    top, _ = sp.fraction(weight)
    if top.free_symbols & {LEFT_EIGENVALUE, RIGHT_EIGENVALUE, OUTPUT_EIGENVALUE}:
        return f"· {_written(weight, phrases.latex)}" if not phrases.latex else _written(weight, True)
    bottom = sp.collect(sp.expand(1 / weight), 1 / RELAXATION_RATE, sp.factor)
    written = _written(bottom, phrases.latex)
    return rf"\Big/ \Big({written}\Big)" if phrases.latex else f"/ ({written})"


def _clock(equation: SlowEquation, latex: bool = False) -> str:
    write = expression_latex if latex else expression_text
    scalings = {hyperparameter(name): value for name, value in equation.regime.scalings.items()}
    square = sp.factor(effective_learning_rate(equation.rule).subs(scalings)) ** 2
    scaled = [f"{write(name)} = {write(value)}" for name, value in scalings.items()]
    separator, start = (r", \; ", rf"\tau = k \, {write(square)}") if latex else (", ", f"τ = k·{write(square)}")
    return separator.join([start, *scaled])


def _reason(equation: SlowEquation) -> str:
    return f"; {equation.noise.reason}" if equation.noise.reason else ""


def _times(factor: sp.Expr, body: str, phrases: _Phrases) -> str:
    return body if factor == 1 else f"{_written(factor, phrases.latex)} {body}"


def _written(expression: sp.Expr, latex: bool) -> str:
    names = {s: _LETTERS[str(s)][latex] for s in expression.free_symbols if str(s) in _LETTERS}
    if latex:
        return sp.latex(expression, symbol_names=names)
    written = sp.sstr(expression.xreplace({s: sp.Symbol(name) for s, name in names.items()}))
    return written.replace("**", "^").replace("*", "·")
