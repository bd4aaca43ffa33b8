"""Laws of graded operators on graphs, for random operators, and against composition in coordinates."""

from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sde_momentum.symbolic import MOMENTUM, TensorExpression, in_coordinates
from sde_momentum.symbolic.coordinates._jets import JetRing
from sde_momentum.symbolic.coordinates._operator import added, composed, scaled
from sde_momentum.symbolic.graphs._algebra import Algebra
from sde_momentum.symbolic.graphs._canonical import canonical
from sde_momentum.symbolic.graphs._graph import Node, relabel
from sde_momentum.symbolic.graphs._operator import Operator

EXACT = settings(derandomize=True, max_examples=15, deadline=None)
CUTOFF = Fraction(2)
VARIABLES = ("x", "m")
ALGEBRA = Algebra(VARIABLES, (MOMENTUM,))

# Node shapes: field, number of base indices, number of derivative indices.
SHAPES = [("L", None, 1), ("L", None, 2), ("Sigma", 2, 0), ("Sigma", 2, 1), ("m", 1, None)]
COEFFICIENTS = [sp.Integer(1), sp.Rational(-2, 3), MOMENTUM, 1 / (1 - MOMENTUM), (1 + MOMENTUM) / (1 - MOMENTUM) / 2]


@st.composite
def graphs(draw, nodes=2):
    """A product of at most `nodes` nodes and one test function, all indices summed."""
    shapes = draw(st.lists(st.sampled_from(SHAPES), max_size=nodes))
    found, open_labels = [], []
    for field, base, derivative in shapes:
        groups = []
        for count in (base, derivative):
            if count is not None:
                labels = tuple(range(len(open_labels), len(open_labels) + count))
                open_labels.extend(labels)
                groups.append(labels)
        found.append(Node(field, tuple(groups)))
    merged = {}
    if len(open_labels) > 1 and draw(st.booleans()):
        first, second = draw(st.permutations(open_labels))[:2]
        merged = {second: first}
        open_labels = [label for label in open_labels if label not in (first, second)]
    slots = [(draw(st.sampled_from(VARIABLES)), label) for label in open_labels]
    return (*relabel(found, merged), ALGEBRA.test.node(*slots))


@st.composite
def operators(draw, exponents=(0, Fraction(1, 2), 1), nodes=2):
    """A sum of at most two graphs with rational coefficients, at exponents among `exponents`."""
    terms = {}
    for _ in range(draw(st.integers(1, 2))):
        exponent = Fraction(draw(st.sampled_from(exponents)))
        graph, coefficient = canonical(draw(graphs(nodes))), draw(st.sampled_from(COEFFICIENTS))
        terms.setdefault(exponent, {})[graph] = ALGEBRA.coefficient(coefficient)
    return Operator(ALGEBRA, terms, CUTOFF)


# Third powers occur below the cutoff; one node a graph keeps them short.
small = operators(exponents=(Fraction(1, 2), 1), nodes=1)
numbers = st.fractions(-3, 3, max_denominator=5)


# --- laws ------------------------------------------------------------------------------------------------------------


@EXACT
@given(operators(), operators(), operators())
def test_composition_is_associative(a, b, c):
    """(A B) C = A (B C)."""
    assert (a @ b) @ c == a @ (b @ c)


@EXACT
@given(operators(), operators(), operators(), numbers, numbers)
def test_composition_is_bilinear(a, b, c, s, t):
    """(s A + t B) C = s A C + t B C, and the same on the other side."""
    assert (a * s + b * t) @ c == (a @ c) * s + (b @ c) * t
    assert c @ (a * s + b * t) == (c @ a) * s + (c @ b) * t


@EXACT
@given(operators())
def test_identity_is_neutral(a):
    """I A = A I = A."""
    identity = Operator.identity(ALGEBRA, CUTOFF)
    assert identity @ a == a
    assert a @ identity == a


@EXACT
@given(small)
def test_log_inverts_exp(a):
    """Log exp A = A for an operator that vanishes with the small parameter."""
    assert a.exp().log() == a.truncated(CUTOFF)


@EXACT
@given(small)
def test_exp_inverts_log(a):
    """Exp log (I + A) = I + A."""
    step = Operator.identity(ALGEBRA, CUTOFF) + a
    assert step.log().exp() == step


@EXACT
@given(small, small)
def test_product_of_exponentials(a, b):
    """Exp A exp A = exp 2A, and log(exp A exp B) = A + B + [A, B]/2 below third powers."""
    third = Fraction(3, 2)
    a, b = a.truncated(third), b.truncated(third)
    assert a.exp() @ a.exp() == (a * 2).exp()
    assert (a.exp() @ b.exp()).log() == a + b + (a @ b - b @ a) * Fraction(1, 2)


@pytest.mark.parametrize("function", ["exp", "log"])
def test_large_operator_is_refused(function):
    """The series of exp and log need a change that vanishes with the small parameter."""
    graph = (ALGEBRA.loss.node(derivative=(0,)), ALGEBRA.test.node(("x", 0)))
    large = Operator(ALGEBRA, {Fraction(0): {canonical(graph): ALGEBRA.field.one}}, CUTOFF)
    with pytest.raises(ValueError, match="vanishes"):
        getattr(large, function)()


# --- against coordinates ---------------------------------------------------------------------------------------------


def in_components(operator: Operator, ring: JetRing) -> dict:
    """The operator as multi-index → polynomial in jets, by writing out the indices of every graph."""
    total: dict = {}
    for exponent, graph, coefficient in operator:
        slots = operator.algebra.derivatives(graph)
        # Labels of f become free, in order; one that f holds twice stands for one index.
        freed = {label: -1 - place for place, label in enumerate(dict.fromkeys(label for _, label in slots))}
        rest = relabel([node for node in graph if node.field != "f"], freed)
        expression = TensorExpression(((rest, ALGEBRA.to_sympy(coefficient)),))
        for axes, value in in_coordinates(expression, ring.dimension, ring).items():
            index = [0] * len(ring.coordinates)
            for variable, label in slots:
                index[ring.coordinates.index((variable, axes[-1 - freed[label]]))] += 1
            key, value = tuple(index), value.raised(int(exponent * ring.root))
            total[key] = total[key] + value if key in total else value
    return {index: value for index, value in total.items() if value}


@EXACT
@given(operators(), operators(nodes=1))
def test_composition_in_coordinates(a, b):
    """A B on graphs is A B in components, in dimensions 1 and 2, where derivatives act on jets one by one."""
    for dimension in (1, 2):
        ring = JetRing(dimension, VARIABLES, (MOMENTUM,), 2)
        together = a @ b
        cutoff = int(together.cutoff * ring.root)
        written_out = composed(in_components(a, ring), in_components(b, ring), cutoff)
        assert not added(in_components(together, ring), scaled(written_out, -1))


@EXACT
@given(operators(), operators(nodes=1))
def test_wrong_composition_is_noticed(a, b):
    """Negative control: A B twice over differs in components from A B, unless it vanishes."""
    ring = JetRing(2, VARIABLES, (MOMENTUM,), 2)
    together = a @ b
    written_out = composed(in_components(a, ring), in_components(b, ring), int(together.cutoff * ring.root))
    wrong = added(in_components(together * 2, ring), scaled(written_out, -1))
    assert bool(wrong) == bool(written_out)
