r"""The field in which elementwise functions live: rational functions of algebraically independent generators.

$1/(\sqrt G + \varepsilon)$ is rational in $s = \sqrt G$, and every derivative of it as well. Roots and exponentials of
the state that occur in a set of expressions become generators, and what they are roots of is expressed by them
($G = s^2$). Two functions are then equal iff their normal forms are.
"""

from collections.abc import Iterable
from typing import Any

import sympy as sp
from sympy.polys.fields import FracElement, FracField

_HALF = sp.Rational(1, 2)


class FunctionField:
    """Rational functions of the state, of hyperparameters, and of the roots and exponentials that expressions hold.

    Args:
        expressions: what the field shall contain, with all derivatives.
        state: symbols of the state variables.
    """

    def __init__(self, expressions: Iterable[sp.Expr], state: Iterable[sp.Symbol]):
        expressions = list(expressions)
        self.state = tuple(state)
        self._meaning: dict[sp.Symbol, sp.Expr] = {}  # generator → what it stands for
        self._values: dict[sp.Symbol, sp.Expr] = {}  # symbol → its expression in generators that came later
        found: set[Any] = set()
        while True:
            known = len(self._meaning)
            slopes = [sp.diff(meaning, symbol) for meaning in self._meaning.values() for symbol in self.state]
            found = set().union(*(self._rational(e).free_symbols for e in [*expressions, *slopes]), self.state)
            if len(self._meaning) == known:
                break
        for symbol in self.state:
            found |= self._current(symbol).free_symbols
        found |= {g for g in self._meaning if g not in self._values}
        gone = set(self._values)
        self.functions = tuple(sorted((s for s in found - gone if self._is_function(s)), key=str))
        self.parameters = tuple(sorted((s for s in found - gone if not self._is_function(s)), key=str))
        self.field = FracField((*self.functions, *self.parameters), sp.QQ, sp.lex)
        self._derivatives: dict[tuple[sp.Symbol, sp.Symbol], FracElement] = {}
        self._own: dict[sp.Expr, FracElement] = {}

    def _is_function(self, symbol: sp.Symbol) -> bool:
        return symbol in self.state or symbol in self._meaning

    # --- elements ----------------------------------------------------------------------------------------------------

    def element(self, expression: sp.Expr) -> FracElement:
        """The normal form of an expression."""
        if expression not in self._own:
            self._own[expression] = self._element(self._rational(expression))
        return self._own[expression]

    def _element(self, rational: sp.Expr) -> FracElement:
        numerator, denominator = sp.fraction(sp.together(rational))
        return self.field.from_expr(sp.expand(numerator)) / self.field.from_expr(sp.expand(denominator))

    def derivative(self, element: FracElement, symbol: sp.Symbol) -> FracElement:
        """∂/∂symbol by the chain rule over the generators."""
        total = self.field.zero
        for generator in self.functions:
            inner = self._derivative_of(generator, symbol)
            if inner:
                total = total + element.diff(self.field(generator)) * inner
        return total

    def _derivative_of(self, generator: sp.Symbol, symbol: sp.Symbol) -> FracElement:
        if (generator, symbol) not in self._derivatives:
            meaning = sp.diff(self._original(generator), symbol)
            self._derivatives[generator, symbol] = self.element(meaning) if meaning != 0 else self.field.zero
        return self._derivatives[generator, symbol]

    def is_negative(self, element: FracElement) -> bool:
        """Whether the value is negative where every variable and hyperparameter is ½: a rule for choosing signs."""
        return bool(self._at_half(element.as_expr()) < 0)

    def expression(self, polynomial: sp.Expr) -> sp.Expr:
        """Put the meaning of the generators back."""
        return polynomial.xreplace({g: self._original(g) for g in self._meaning})

    def factored(self, element: FracElement) -> sp.Expr:
        """The element as a product, with the generators' meaning, each factor positive where it can be."""
        constant, powers = sp.S.One, {}
        for part, sign in ((element.numer, 1), (element.denom, -1)):
            number, factors = part.factor_list()
            constant *= sp.Rational(str(number)) ** sign
            for factor, times in factors:
                base, turned = self._positive(factor.as_expr())
                constant *= turned**times
                powers[base] = sign * times
        self._join(powers)
        return constant * sp.Mul(*(self.expression(base) ** power for base, power in powers.items()))

    def _positive(self, factor: sp.Expr) -> tuple[sp.Expr, int]:
        """A factor and its sign where every variable and hyperparameter is ½."""
        return (-factor, -1) if self._at_half(factor) < 0 else (factor, 1)

    def _join(self, powers: dict[sp.Expr, int]) -> None:
        """Put an exponential E back where both factors of E = (1 − r)(1 + r) stand, r = √(1 − E)."""
        for symbol, value in self._values.items():
            if symbol not in self._meaning:
                continue
            parts = [self._positive(factor)[0] for factor, _ in sp.factor_list(self._current(value))[1]]
            common = [powers.get(part, 0) for part in parts]
            if len(parts) < 2 or len({(p > 0) - (p < 0) for p in common}) > 1 or not common[0]:
                continue
            shared = min(common, key=abs)
            powers[symbol] = shared
            for part in parts:
                powers[part] -= shared

    # --- finding generators ------------------------------------------------------------------------------------------

    def _original(self, symbol: sp.Symbol) -> sp.Expr:
        """What a generator stands for, in symbols of the state and hyperparameters."""
        return self._meaning.get(symbol, symbol)

    def _current(self, expression: sp.Expr) -> sp.Expr:
        """Replace symbols that have been expressed by later generators."""
        current: Any = expression
        while current.free_symbols & set(self._values):
            current = current.xreplace(self._values)
        return current

    def _rational(self, expression: sp.Expr) -> sp.Expr:
        """Rewrite an expression as a rational function of generators; new ones are entered."""
        if expression.is_Rational:
            return expression
        if expression.is_Symbol:
            return self._current(expression)
        if expression.is_Add or expression.is_Mul:
            return expression.func(*map(self._rational, expression.args))
        if isinstance(expression, sp.exp):
            return sp.Mul(*map(self._exponential, sp.Add.make_args(sp.expand(expression.args[0]))))
        if expression.is_Pow and expression.exp.is_Rational:
            base = self._rational(expression.base)
            return base**expression.exp if expression.exp.is_Integer else self._root(base, expression.exp)
        return self._current(self._generator(expression))

    def _exponential(self, term: sp.Expr) -> sp.Expr:
        """exp(term) as a power of a generator that decays where the state is positive."""
        number, rest = term.as_coeff_Mul()
        if number.is_Integer is not True:
            number, rest = sp.sign(number), sp.Abs(number) * rest
        generator = self._generator(sp.exp(-rest))
        return self._current(generator) ** (-number)

    def _root(self, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        """A fractional power: that of every irreducible factor, each taken positive."""
        result = sp.S.One
        for part, sign in zip(sp.fraction(sp.together(base)), (1, -1), strict=True):
            constant, factors = sp.factor_list(part)[:2]
            for factor, times in factors:
                if self._at_half(factor) < 0:
                    factor, constant = -factor, constant * (-1) ** times
                result *= self._root_of_factor(factor, sign * times * exponent)
            if constant != 1:
                root = constant ** (sign * exponent)
                result *= root if root.is_Rational else self._generator(root)
        return result

    def _root_of_factor(self, factor: sp.Expr, power: sp.Expr) -> sp.Expr:
        if power.is_Integer:
            return factor**power
        q = int(power.q)
        root = self._generator(sp.root(self._whole(factor), q))
        if root not in self._values and not factor.has(root):
            symbol = self._solvable(factor)
            if symbol is not None:
                slope, rest = sp.diff(factor, symbol), factor.subs(symbol, 0)
                self._values[symbol] = sp.expand((root**q - rest) / slope)
        return self._current(root) ** (power * q)

    def _solvable(self, factor: sp.Expr) -> sp.Symbol | None:
        """A function symbol in which the factor is linear, so that it can be expressed by the factor's root."""
        for symbol in sorted(factor.free_symbols, key=str):
            slope = sp.diff(factor, symbol)
            if self._is_function(symbol) and not any(self._is_function(s) for s in slope.free_symbols):
                return symbol
        return None

    def _generator(self, meaning: sp.Expr) -> sp.Symbol:
        for symbol, known in self._meaning.items():
            if known == meaning:
                return symbol
        symbol = sp.Symbol(f"_{len(self._meaning)}", positive=True)
        self._meaning[symbol] = meaning
        return symbol

    def _whole(self, expression: sp.Expr) -> sp.Expr:
        return expression.xreplace(self._meaning)

    def _at_half(self, expression: sp.Expr) -> sp.Expr:
        value = self._whole(expression)
        return value.subs(dict.fromkeys(value.free_symbols, _HALF)).evalf(20)
