"""Two ways of writing the same mathematics: plain text and LaTeX.

Everything that chooses *what* to write is shared (`_coefficient_form`, `_names`, `_phrases`); a style only knows how
each piece looks. A style has no opinion and no state, so text and LaTeX can never say different things.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import sympy as sp

from sde_momentum.symbolic.graphs._field_functions import LOSS_SLOPE, NOISE_DEVIATION, NOISE_VARIANCE

# Capitals that already have a meaning; a state variable keeps its small letter rather than become one of them.
_RESERVED = frozenset("DHILSW")
GRADIENT_NORM = sp.Symbol("gradient_norm", positive=True)
TWICE_VARIANCE = "twice_noise_variance"
WRITTEN = "written:"  # begins the name of a symbol that holds what is written for it


class Factor(NamedTuple):
    """base^exponent of a product; a sum needs parentheses beside other factors."""

    base: str
    exponent: Fraction
    is_sum: bool


@dataclass(frozen=True)
class Style(ABC):
    """How each piece of mathematics looks.

    Args:
        capital: write state variables as capitals, as the processes of an equation are.
        decayed: write L̃ for the loss, that with the weight decay in it.
    """

    capital: bool = False
    decayed: bool = False

    # Names of fields and operators, and what stands between factors.
    gradient_sign = hessian = noise_covariance = noise_factor = identity = kronecker = own_loss = ""
    dot_sign = component_sign = noise_scale = noise = kappa = cumulant_n = own_second_derivative = ""
    test_function = "f"
    decayed_loss = decayed_second_derivative = ""
    ones = "1"

    @property
    def loss(self) -> str:
        """The loss that derivatives are taken of."""
        return self.decayed_loss if self.decayed else self.own_loss

    @property
    def second_derivative(self) -> str:
        """The second derivative of the loss."""
        return self.decayed_second_derivative if self.decayed else self.own_second_derivative

    def state(self, name: str) -> str:
        """A state variable."""
        if self.capital and len(name) == 1 and name.upper() not in _RESERVED:
            name = name.upper()
        return self.word(name)

    @abstractmethod
    def word(self, name: str) -> str:
        """A name that has no letter of its own."""

    def symbol(self, name: str) -> str:
        """A hyperparameter, or with `variable@index` a component of a state variable."""
        variable, component, index = name.partition("@")
        reserved = self._field(variable, index)
        if reserved is not None:
            return reserved
        return self.indexed(self.state(variable), index) if component else self.letter(name)

    def _field(self, name: str, index: str) -> str | None:
        """The reserved symbols of functions of fields; None for any other name."""
        if name.startswith(WRITTEN):
            return name.removeprefix(WRITTEN)
        if name == LOSS_SLOPE.name:
            return self.partial(index, self.loss) if index else self.gradient(self.loss)
        if name in (NOISE_VARIANCE.name, TWICE_VARIANCE):
            covariance = self.noise_covariance
            written = self.indexed(covariance, 2 * index) if index else self.function("diag", covariance)
            twice = self.scaled("2", written)
            return written if name == NOISE_VARIANCE.name else self.greek(self.parenthesized(twice), twice)
        if name == GRADIENT_NORM.name:
            return self.norm(self.gradient(self.loss))
        return "s" if name == NOISE_DEVIATION.name else None

    @abstractmethod
    def letter(self, name: str) -> str:
        """The letter of a hyperparameter, or its name."""

    @abstractmethod
    def number(self, value: Fraction) -> str:
        """A positive rational number."""

    @abstractmethod
    def power(self, factor: Factor) -> str:
        """base^exponent, in parentheses where a product needs them."""

    @abstractmethod
    def quotient(self, number: Fraction, top: list[Factor], bottom: list[Factor]) -> str:
        """A product of factors over another; empty when it is one."""

    @abstractmethod
    def opaque(self, expression: sp.Expr) -> str:
        """Anything that is not a product of powers, such as erf(x)."""

    @abstractmethod
    def scaled(self, coefficient: str, phrase: str) -> str:
        """Coefficient times tensor."""

    @abstractmethod
    def beside(self, coefficient: str, phrase: str) -> str:
        """Coefficient times a factor of dW, set apart by a space alone."""

    @abstractmethod
    def scaled_state(self, name: str) -> str:
        """The variable that a limit describes when the rule's own is a multiple of it."""

    @abstractmethod
    def initial(self, name: str) -> str:
        """The value at step 0."""

    @abstractmethod
    def parenthesized(self, phrase: str) -> str:
        """(phrase)."""

    @abstractmethod
    def product(self, factors: tuple[str, ...]) -> str:
        """Matrix products; equal neighbors become a power."""

    @abstractmethod
    def directional(self, order: int, field: str, arguments: tuple[str, ...]) -> str:
        """D^order field[arguments]."""

    @abstractmethod
    def laplacian(self, times: int) -> str:
        """Δ^times L."""

    @abstractmethod
    def cumulant(self, order: int) -> str:
        """κ_order."""

    @abstractmethod
    def function(self, name: str, argument: str) -> str:
        """Tr A, div A."""

    @abstractmethod
    def hadamard(self, phrases: list[str]) -> str:
        """The product of vectors component by component."""

    @abstractmethod
    def norm_squared(self, phrase: str) -> str:
        """|phrase|²."""

    def norm(self, phrase: str) -> str:
        """|phrase|."""
        return f"|{phrase.strip()}|"

    def squared(self, letter: str) -> str:
        """The square of a letter."""
        return self.power(Factor(letter, Fraction(2), is_sum=False))

    @abstractmethod
    def greek(self, text: str, latex: str) -> str:
        """A name that is written differently in LaTeX."""

    @abstractmethod
    def applied(self, name: str, arguments: str) -> str:
        """The value of a function, name(arguments)."""

    @abstractmethod
    def transposed(self, phrase: str) -> str:
        """The transpose of a vector."""

    @abstractmethod
    def indexed(self, base: str, indices: str) -> str:
        """Base with subscripts."""

    @abstractmethod
    def differential(self, phrase: str, process: str) -> str:
        """Phrase times the differential of a process; the differential alone when the phrase is empty."""

    @abstractmethod
    def derivative_of_test(self, slots: list[tuple[str, str]]) -> str:
        """∂ⁿf by (variable, index) pairs."""

    @abstractmethod
    def prose(self, sentence: str) -> str:
        """Words between formulas."""

    @abstractmethod
    def partial(self, indices: str, field: str) -> str:
        """∂_indices field."""

    def gradient(self, phrase: str, compound: bool = False) -> str:
        """∇ phrase."""
        return f"{self.gradient_sign}{self.parenthesized(phrase) if compound else phrase}"

    def dot(self, left: str, right: str) -> str:
        """The scalar product of two vectors."""
        return f"{left}{self.dot_sign}{right}"


def runs(factors: tuple[str, ...]) -> list[tuple[str, int]]:
    """Count equal neighbors; only single letters are ever counted together."""
    runs: list[tuple[str, int]] = []
    for factor in factors:
        if runs and runs[-1][0] == factor and factor in ("H", "Σ", r"\Sigma"):
            runs[-1] = (factor, runs[-1][1] + 1)
        else:
            runs.append((factor, 1))
    return runs
