"""Exact rational functions of hyperparameters, against sympy."""

from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sde_momentum.symbolic import MOMENTUM
from sde_momentum.symbolic.symbols._coefficients import CoefficientField

EXACT = settings(derandomize=True, max_examples=40, deadline=None)
RATE = sp.Symbol("rate", positive=True)
SYMBOLS = (MOMENTUM, RATE)

integers = st.integers(-3, 3).map(sp.Integer)
linear = st.tuples(integers, integers, integers).map(lambda c: c[0] + c[1] * MOMENTUM + c[2] * RATE)
polynomials = st.lists(linear, min_size=1, max_size=2).map(lambda factors: sp.Mul(*factors))


@st.composite
def rational_functions(draw):
    """A quotient of products of small linear factors."""
    above, below = draw(polynomials), draw(polynomials)
    assume(below != 0)
    return above / (below * draw(st.integers(1, 4)))


def equal(left: sp.Expr, right: sp.Expr) -> bool:
    return sp.cancel(sp.together(left - right)) == 0


@EXACT
@given(rational_functions())
def test_round_trip(a):
    """An expression survives conversion to the field and back."""
    field = CoefficientField(SYMBOLS)
    assert equal(field.to_sympy(field.from_sympy(a)), a)


@EXACT
@given(rational_functions(), rational_functions(), st.fractions(-2, 2, max_denominator=7))
def test_arithmetic(a, b, number):
    """Sums, differences, products, multiples and quotients are those of sympy, cancelled."""
    field = CoefficientField(SYMBOLS)
    x, y = field.from_sympy(a), field.from_sympy(b)
    exact = sp.Rational(number.numerator, number.denominator)
    assert equal(field.to_sympy(x + y), a + b)
    assert equal(field.to_sympy(x - y), a - b)
    assert equal(field.to_sympy(x * y), a * b)
    assert equal(field.to_sympy(x * number), a * exact)
    assert equal(field.to_sympy(-x), -a)
    if number:
        assert equal(field.to_sympy(x / number), a / exact)
    if y:
        assert equal(field.to_sympy(x / y), a / b)


@EXACT
@given(rational_functions(), rational_functions())
def test_equality_is_that_of_functions(a, b):
    """Two coefficients are equal iff they are the same function; a coefficient is false iff it is zero."""
    field = CoefficientField(SYMBOLS)
    x, y = field.from_sympy(a), field.from_sympy(b)
    assert (x == y) == equal(a, b)
    assert bool(x) == (not equal(a, sp.S.Zero))
    assert not (x * y - y * x)
    assert (x + y) * (x - y) == x * x - y * y


@EXACT
@given(rational_functions())
def test_representation_does_not_matter(a):
    """Expanded, factored or over a common denominator, an expression gives the same coefficient."""
    field = CoefficientField(SYMBOLS)
    assert field.from_sympy(sp.expand(a)) == field.from_sympy(sp.factor(a)) == field.from_sympy(sp.together(a))


def test_exact_numbers():
    """Numbers are kept as fractions, also in a field without symbols."""
    for field in (CoefficientField(SYMBOLS), CoefficientField(())):
        third = field.from_fraction(Fraction(1, 3))
        assert third + third + third == field.one
        assert field.to_sympy(third) == sp.Rational(1, 3)
        assert field.from_sympy(sp.Rational(1, 3)) == third
        assert not field.from_fraction(0)


def test_coefficients_are_not_hashed():
    """One function has many representations, so that a hash would lie."""
    with pytest.raises(TypeError, match="hashed"):
        hash(CoefficientField(SYMBOLS).one)
