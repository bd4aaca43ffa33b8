"""Plain text with Greek letters."""

import re
from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic.presentation._style import Factor, Style, runs
from sde_momentum.symbolic.symbols._letters import SUBSCRIPTS, SUPERSCRIPTS, letters_of


class TextStyle(Style):
    """Plain text with Greek letters: `1/4·η·(1 + β)/(1 - β)·|∇L|²`."""

    gradient_sign, hessian, noise_covariance, noise_factor, identity, own_loss = "∇", "H", "Σ", "Σ^{1/2}", "I", "L"
    kronecker, dot_sign, component_sign, noise_scale, noise = "δ", "·", "·", "σ", "ξ"
    kappa, cumulant_n, own_second_derivative = "κ", "κₙ", "∇²L"
    decayed_loss, decayed_second_derivative = "L̃", "∇²L̃"

    def word(self, name: str) -> str:
        """Names stay as they are."""
        return name

    def letter(self, name: str) -> str:
        """The letter, or the name."""
        return (letters_of(name) or (name,))[0]

    def number(self, value: Fraction) -> str:
        """3 or 3/4."""
        return str(value)

    def power(self, factor: Factor) -> str:
        """η², √η, η^(-1/2), (1 - β)²."""
        base = f"({factor.base})" if factor.is_sum else factor.base
        if factor.exponent == 1:
            return base
        if factor.exponent == Fraction(1, 2):
            return f"√{base}"
        if factor.exponent.denominator == 1:
            return base + str(factor.exponent).translate(SUPERSCRIPTS)
        return f"{base}^({factor.exponent})"

    def quotient(self, number: Fraction, top: list[Factor], bottom: list[Factor]) -> str:
        """1/4·η·(1 + β)/(1 - β)."""
        above, below = [self.power(factor) for factor in top], [self.power(factor) for factor in bottom]
        if not above and below and number.denominator > 1:
            below, number = [str(number.denominator), *below], Fraction(number.numerator)
        if number != 1 or not (above or not below):
            above = [self.number(number), *above]
        denominator = "·".join(below)
        if not below:
            return "·".join(above)
        return f"{'·'.join(above)}/{f'({denominator})' if len(below) > 1 else denominator}"

    def opaque(self, expression: sp.Expr) -> str:
        """Sympy's own text, with letters."""
        letters = {symbol: sp.Symbol(self.symbol(str(symbol))) for symbol in expression.free_symbols}
        return str(expression.xreplace(letters)).replace("**", "^").replace("*", "·")

    def scaled(self, coefficient: str, phrase: str) -> str:
        """c·phrase."""
        return f"{coefficient}·{phrase}" if coefficient else phrase

    def beside(self, coefficient: str, phrase: str) -> str:
        """√η Σ^{1/2}."""
        return f"{coefficient} {phrase}" if coefficient else phrase

    def scaled_state(self, name: str) -> str:
        """û, with a combining circumflex."""
        return f"{name}\N{COMBINING CIRCUMFLEX ACCENT}"

    def initial(self, name: str) -> str:
        """x₀."""
        return f"{name}₀"

    def parenthesized(self, phrase: str) -> str:
        """(phrase)."""
        return f"({phrase})"

    def product(self, factors: tuple[str, ...]) -> str:
        """H²∇L; words stand apart."""
        written = ""
        for factor, times in runs(factors):
            part = factor if times == 1 else factor + str(times).translate(SUPERSCRIPTS)
            apart = written and re.match(r"[A-Za-z]{2}|D", factor)
            written += f" {part}" if apart else part
        return written

    def directional(self, order: int, field: str, arguments: tuple[str, ...]) -> str:
        """D³L[∇L,∇L], DΣ[∇L]."""
        times = "" if order == 1 else str(order).translate(SUPERSCRIPTS)
        field = field if field in (self.loss, self.noise_covariance) else f"({field})"
        return f"D{times}{field}[{','.join(arguments)}]"

    def laplacian(self, times: int) -> str:
        """ΔL, Δ²L."""
        return "Δ" + ("" if times == 1 else str(times).translate(SUPERSCRIPTS)) + "L"

    def cumulant(self, order: int) -> str:
        """κ₃."""
        return f"κ{str(order).translate(SUBSCRIPTS)}"

    def function(self, name: str, argument: str) -> str:
        """Tr Σ, tr(HΣ)."""
        return f"{name} {argument}" if argument in (self.noise_covariance, self.hessian) else f"{name}({argument})"

    def greek(self, text: str, latex: str) -> str:
        """Γ."""
        return text

    def applied(self, name: str, arguments: str) -> str:
        """erf(u)."""
        return f"{name}({arguments})"

    def hadamard(self, phrases: list[str]) -> str:
        """1/√u ⊙ ∇L."""
        return " ⊙ ".join(phrases)

    def norm_squared(self, phrase: str) -> str:
        """|∇L|²."""
        return f"|{phrase}|²"

    def transposed(self, phrase: str) -> str:
        """(∇L)ᵀ."""
        return f"{phrase}ᵀ" if len(phrase) == 1 else f"({phrase})ᵀ"

    def indexed(self, base: str, indices: str) -> str:
        """Σ_ij."""
        return f"{base}_{indices}" if indices else base

    def differential(self, phrase: str, process: str) -> str:
        """√η Σ^{1/2} dW."""
        return f"{phrase} d{process}".lstrip()

    def derivative_of_test(self, slots: list[tuple[str, str]]) -> str:
        """∂³f/∂x_i∂m_j∂m_k."""
        order = str(len(slots)).translate(SUPERSCRIPTS)
        return f"∂{order}f/" + "".join(f"∂{self.indexed(self.state(name), index)}" for name, index in slots)

    def prose(self, sentence: str) -> str:
        """Words as they are."""
        return sentence

    def partial(self, indices: str, field: str) -> str:
        """∂_ijL."""
        return f"∂_{indices}{field}" if indices else field


TEXT, TEXT_PROCESS = TextStyle(), TextStyle(capital=True)
