"""LaTeX."""

import re
from fractions import Fraction

import sympy as sp

from sde_momentum.symbolic.presentation._style import Factor, Style, runs
from sde_momentum.symbolic.symbols._letters import letters_of


class LatexStyle(Style):
    r"""LaTeX: `\frac{\eta}{4}\frac{1 + \beta}{1 - \beta}\,|\nabla L|^2`."""

    gradient_sign, hessian, noise_covariance, noise_factor = r"\nabla ", "H", r"\Sigma", r"\Sigma^{1/2}"
    identity, own_loss, ones = "I", "L", r"\mathbf{1}"
    kronecker, dot_sign, component_sign, noise_scale, noise = r"\delta", r" \cdot ", r" \, ", r"\sigma", r"\xi"
    kappa, cumulant_n, own_second_derivative = r"\kappa", r"\kappa_{n}", r"\nabla^{2} L"
    decayed_loss, decayed_second_derivative = r"\tilde L", r"\nabla^{2} \tilde L"

    def word(self, name: str) -> str:
        """Single letters stay, longer names stand upright."""
        return name if len(name) == 1 else r"\mathrm{" + name.replace("_", r"\_") + "}"

    def letter(self, name: str) -> str:
        """The letter, or the name."""
        found = letters_of(name)
        return found[1] if found else self.word(name)

    def number(self, value: Fraction) -> str:
        r"""3 or \frac{3}{4}."""
        return str(value) if value.denominator == 1 else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"

    def power(self, factor: Factor) -> str:
        r"""\eta^{2}, \sqrt{\eta}, (1 - \beta)^{2}."""
        if factor.exponent == Fraction(1, 2):
            return rf"\sqrt{{{factor.base}}}"
        base = self.parenthesized(factor.base) if factor.is_sum else factor.base
        return base if factor.exponent == 1 else f"{base}^{{{factor.exponent}}}"

    def quotient(self, number: Fraction, top: list[Factor], bottom: list[Factor]) -> str:
        r"""\frac{\eta}{4} \frac{1 + \beta}{1 - \beta}: letters in one fraction, sums in another."""
        letters = [[factor for factor in side if not factor.is_sum] for side in (top, bottom)]
        sums = [[factor for factor in side if factor.is_sum] for side in (top, bottom)]
        if sums[1] and not sums[0]:
            return self._fraction(number, letters[0], [*letters[1], *sums[1]])
        return " ".join(filter(None, (self._fraction(number, *letters), self._fraction(Fraction(1), *sums))))

    def _fraction(self, number: Fraction, top: list[Factor], bottom: list[Factor]) -> str:
        above = [str(number.numerator)] if number.numerator != 1 else []
        below = [str(number.denominator)] if number.denominator != 1 else []
        above, below = self._joined(above, top, bool(bottom or below)), self._joined(below, bottom, True)
        return rf"\frac{{{above or 1}}}{{{below}}}" if below else above

    def _joined(self, number: list[str], factors: list[Factor], in_fraction: bool) -> str:
        if in_fraction and not number and len(factors) == 1 and factors[0].exponent == 1:
            return factors[0].base
        return " ".join([*number, *(self.power(factor) for factor in factors)])

    def opaque(self, expression: sp.Expr) -> str:
        """Sympy's own LaTeX, with our letters."""
        names = {symbol: self.symbol(str(symbol)) for symbol in expression.free_symbols}
        return sp.latex(expression, symbol_names=names)

    def scaled(self, coefficient: str, phrase: str) -> str:
        r"""C \, phrase."""
        return rf"{coefficient} \, {phrase}" if coefficient else phrase

    def beside(self, coefficient: str, phrase: str) -> str:
        r"""\sqrt{\eta} \, \Sigma^{1/2}."""
        return self.scaled(coefficient, phrase)

    def scaled_state(self, name: str) -> str:
        r"""\hat{u}."""
        return rf"\hat{{{self.word(name)}}}"

    def initial(self, name: str) -> str:
        """x_{0}."""
        return f"{self.word(name)}_{{0}}"

    def parenthesized(self, phrase: str) -> str:
        r"""Parentheses as high as what they hold."""
        return rf"\left( {phrase} \right)" if r"\frac" in phrase else f"({phrase})"

    def product(self, factors: tuple[str, ...]) -> str:
        r"""H^{2} \nabla L."""
        return " ".join(factor if times == 1 else f"{factor}^{{{times}}}" for factor, times in runs(factors))

    def directional(self, order: int, field: str, arguments: tuple[str, ...]) -> str:
        r"""D^{3} L[\nabla L, \nabla L]."""
        times = "" if order == 1 else f"^{{{order}}}"
        field = field if field in (self.loss, self.noise_covariance) else self.parenthesized(field)
        return f"D{times} {field}[{', '.join(arguments)}]"

    def laplacian(self, times: int) -> str:
        r"""\Delta L."""
        return r"\Delta" + ("" if times == 1 else f"^{{{times}}}") + " L"

    def cumulant(self, order: int) -> str:
        r"""\kappa_{3}."""
        return rf"\kappa_{{{order}}}"

    def function(self, name: str, argument: str) -> str:
        r"""\operatorname{tr}(H \Sigma)."""
        bare = argument in (self.noise_covariance, self.hessian)
        return rf"\operatorname{{{name}}}" + (f" {argument}" if bare else self.parenthesized(argument))

    def greek(self, text: str, latex: str) -> str:
        r"""\Gamma."""
        return latex

    def applied(self, name: str, arguments: str) -> str:
        r"""\operatorname{erf}(u)."""
        known = name if len(name) == 1 or name.startswith("\\") else rf"\operatorname{{{name}}}"
        return known + self.parenthesized(arguments)

    def hadamard(self, phrases: list[str]) -> str:
        r"""\frac{1}{\sqrt{u}} \odot \nabla L."""
        return r" \odot ".join(phrases)

    def norm_squared(self, phrase: str) -> str:
        r"""|\nabla L|^2."""
        return f"|{phrase}|^{{2}}"

    def transposed(self, phrase: str) -> str:
        r"""(\nabla L)^\top."""
        return rf"{phrase}^{{\top}}" if len(phrase) == 1 else rf"({phrase})^{{\top}}"

    def indexed(self, base: str, indices: str) -> str:
        r"""\Sigma_{ij}."""
        if not indices:
            return base
        bare = ("_" in base or "^" in base) and not base.endswith(")")
        return f"({base})_{{{indices}}}" if bare else f"{base}_{{{indices}}}"

    def differential(self, phrase: str, process: str) -> str:
        r"""\sqrt{\eta} \, \Sigma^{1/2} \, \mathrm{d}W."""
        return rf"{phrase} \, \mathrm{{d}}{process}" if phrase else rf"\mathrm{{d}}{process}"

    def derivative_of_test(self, slots: list[tuple[str, str]]) -> str:
        r"""\frac{\partial^{3} f}{\partial x_{i} \partial m_{j} \partial m_{k}}."""
        below = " ".join(rf"\partial {self.indexed(self.state(name), index)}" for name, index in slots)
        return rf"\frac{{\partial^{{{len(slots)}}} f}}{{{below}}}"

    def prose(self, sentence: str) -> str:
        r"""\text{words}; an exponent leaves the text."""
        written = re.sub(r"\^(\w+)", r"}^{\1}\\text{", sentence.replace("_", r"\_"))
        return rf"\text{{{written}}}"

    def partial(self, indices: str, field: str) -> str:
        r"""\partial_{ij} L."""
        return rf"\partial_{{{indices}}} {field}" if indices else field


LATEX, LATEX_PROCESS = LatexStyle(), LatexStyle(capital=True)
