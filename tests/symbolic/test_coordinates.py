"""The route in coordinates against published equations and against its own laws."""

from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    MOMENTUM,
    Regime,
    TensorExpression,
    coordinate_equation,
    in_coordinates,
    modified_equation,
    update_rule,
)
from sde_momentum.symbolic.coordinates._jets import JetRing
from sde_momentum.symbolic.coordinates._operator import added, composed, identity, logarithm, scaled, solved
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial
from sde_momentum.symbolic.coordinates._reading import Reading
from sde_momentum.symbolic.coordinates._relaxation import Relaxation
from sde_momentum.symbolic.graphs._graph import Node

EXACT = settings(derandomize=True, max_examples=12, deadline=None)
SMALL = Regime.small_noise()
ETA, BETA = LEARNING_RATE, MOMENTUM


def jet(name: str) -> sp.Symbol:
    return sp.Symbol(name)


# --- published equations ---------------------------------------------------------------------------------------------


def test_sgd_second_order():
    """Order 2 of SGD has drift −∇(L + η/4 |∇L|²) and covariance ηΣ (Li, Tai, E 2019)."""
    found = coordinate_equation(sgd(), SMALL, 2, 2)
    gradient = [jet("L,1"), jet("L,2")]
    hessian = [[jet("L,11"), jet("L,12")], [jet("L,12"), jet("L,22")]]
    for i in range(2):
        expected = -gradient[i] - ETA / 2 * sum(hessian[i][j] * gradient[j] for j in range(2))
        assert sp.expand(found.drift["x"][i].to_sympy() - expected) == 0
    rows = [[entry.to_sympy() for entry in row] for row in found.covariance["x", "x"]]
    assert rows == [[ETA * jet(f"Sigma_{min(i, j)}{max(i, j)}") for j in (1, 2)] for i in (1, 2)]


def test_sgd_third_order_is_obstructed():
    """Order 3 of SGD fails by −κ₃/6: its components count each derivative once for every order of the indices."""
    found = coordinate_equation(sgd(), SMALL, 3, 2)
    assert not found.exists
    for index, value in found.obstruction.items():
        digits = "".join(str(i + 1) for _, i in index)
        repeats = {"111": 1, "112": 3, "122": 3, "222": 1}[digits]
        expected = -Fraction(repeats, 6) * ETA**2 * jet(f"kappa3_{digits}")
        assert sp.expand(value.to_sympy() - expected) == 0
    assert len(found.obstruction) == 4


def test_momentum_second_order():
    """Order 2 of momentum has drift −∇(L + η/4 (1 + β)/(1 − β) |∇L|²) and the covariance of SGD (Ghosh et al. 2023)."""
    found = coordinate_equation(sgdm(), SMALL, 2, 1)
    expected = -jet("L,1") - ETA / 2 * (1 + BETA) / (1 - BETA) * jet("L,11") * jet("L,1")
    assert sp.cancel(found.drift["x"][0].to_sympy() - expected) == 0
    assert found.covariance["x", "x"][0][0].to_sympy() == ETA * jet("Sigma_11")
    start = ETA * BETA / (1 - BETA) * jet("L,1")
    assert sp.cancel(found.initial_shift["x"][0].to_sympy() - start) == 0


def test_momentum_with_friction():
    """The order-2 equations of Li, Tai, E (2019) for v' = v − μηv − ηg, x' = x + ηv', in their clock."""

    @update_rule(state=("x", "v"))
    def rule(x, v, g, *, learning_rate, friction):
        moved = v - friction * learning_rate * v - learning_rate * g
        return x + learning_rate * moved, moved

    found = coordinate_equation(rule, SMALL, 2, 1)
    mu = next(s for s in found.ring.symbols if str(s) == "friction")
    v, slope, curvature = jet("v_1"), jet("L,1"), jet("L,11")
    drift_v = -(mu + ETA / 2 * (mu**2 - curvature)) * v - (1 + ETA * mu / 2) * slope
    drift_x = (1 - ETA * mu / 2) * v - ETA / 2 * slope
    assert sp.expand(found.drift["v"][0].to_sympy() - drift_v) == 0
    assert sp.expand(found.drift["x"][0].to_sympy() - drift_x) == 0
    assert found.covariance["v", "v"][0][0].to_sympy() == ETA * jet("Sigma_11")


def test_relaxing_at_the_clock():
    """With 1 − β = λη and σ = η^(−1/2): dX = −M dt, dM = λ(∇L − M) dt + λ Σ^(1/2) dW."""
    found = coordinate_equation(sgdm(), Regime.noise_dominated(1), 1, 1)
    rate = next(iter(found.ring.symbols))
    assert sp.expand(found.drift["x"][0].to_sympy() + jet("m_1")) == 0
    assert sp.expand(found.drift["m"][0].to_sympy() - rate * (jet("L,1") - jet("m_1"))) == 0
    assert found.covariance["m", "m"][0][0].to_sympy() == rate**2 * jet("Sigma_11")
    assert set(found.covariance) == {("m", "m")}


# --- laws of the sums over the past ----------------------------------------------------------------------------------


@pytest.mark.parametrize("regime", [SMALL, Regime.noise_dominated()], ids=lambda regime: regime.name)
def test_quadratic_part_repeats_the_generator(regime):
    """E f(x_k) = S exp(k h𝓛) f: the part quadratic in k is S (h𝓛)²/2, though it was summed separately."""
    reading = Reading(sgdm(), regime, 1, sp.Rational(3 if regime == SMALL else Fraction(5, 2)))
    relaxation = Relaxation(reading, "x")
    generator = relaxation.generator()
    twice = composed(composed(relaxation.start, generator), generator, reading.cutoff)
    remainder = added(relaxation.part(2), scaled(twice, Fraction(-1, 2)))
    assert relaxation.part(2)
    assert not remainder


def test_moments_after_three_steps():
    """Every moment in closed form equals what three explicit steps of a quadratic loss give."""
    slope, curvature, variance, beta = sp.Rational(2), sp.Rational(3), sp.Rational(5), sp.Rational(1, 3)
    reading = Reading(sgdm(), SMALL, 1, sp.Rational(4))
    relaxation = Relaxation(reading, "x")
    values = {"L,1": slope, "L,11": curvature, "Sigma_11": variance}
    first, second = _three_steps(beta, slope, curvature, variance)
    for index, expected in (((1, 0), first), ((2, 0), second)):
        for weight in range(1, 4):
            found = sp.S.Zero
            for (base, power), value in relaxation.after(index, weight).items():
                mode = 3**power * relaxation.ring.domain.to_sympy(base) ** 3
                found += (_quadratic(value, values) * mode).subs(BETA, beta)
            assert found == expected.coeff(ETA, weight)


def _quadratic(value: JetPolynomial, values: dict[str, sp.Rational]) -> sp.Expr:
    expression = value.to_sympy()
    return expression.subs({s: values.get(str(s), 0) for s in expression.free_symbols if str(s)[0] in "LSk"})


def _three_steps(beta, slope, curvature, variance) -> tuple[sp.Expr, sp.Expr]:
    """E u₃ and E u₃² for u = x − x₀, from the linear map in (u, m) with additive noise."""
    step = sp.Matrix([[1 - ETA * (1 - beta) * curvature, -ETA * beta], [(1 - beta) * curvature, beta]])
    gain = sp.Matrix([-ETA * (1 - beta), 1 - beta])
    mean, covariance = sp.zeros(2, 1), sp.zeros(2, 2)
    for _ in range(3):
        mean = step * mean + gain * slope
        covariance = step * covariance * step.T + variance * gain * gain.T
    return sp.expand(mean[0]), sp.expand(covariance[0, 0] + mean[0] ** 2)


# --- polynomials and operators ---------------------------------------------------------------------------------------


RING = JetRing(2, ("x", "m"), (BETA,))
ATOMS = [
    RING.generator("L", (), (0,)),
    RING.generator("L", (), (0, 1)),
    RING.generator("Sigma", (0, 1), ()),
    RING.generator("m", (0,)),
    RING.generator("m", (1,)),
    RING.expand(ETA * BETA / (1 - BETA), 9),
    RING.expand(ETA, 9),
    RING.constant(Fraction(2, 3)),
]
polynomials = st.lists(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3), min_size=1, max_size=3).map(
    lambda terms: sum((_product(term) for term in terms), RING.zero)
)
indices = st.tuples(*[st.integers(0, 1)] * 4)
operators = st.dictionaries(indices, polynomials, min_size=1, max_size=1)


def _product(factors):
    result = RING.one
    for factor in factors:
        result = result * factor
    return result


@EXACT
@given(polynomials, polynomials)
def test_total_derivatives(left, right):
    """Total derivatives obey Leibniz' rule and commute."""
    for c in RING.coordinates:
        assert (left * right).derivative(c) == left.derivative(c) * right + left * right.derivative(c)
        for d in RING.coordinates:
            assert left.derivative(c).derivative(d) == left.derivative(d).derivative(c)


@EXACT
@given(operators, operators, operators)
def test_composition_is_associative(a, b, c):
    """(A B) C = A (B C) in coordinates."""
    left, right = composed(composed(a, b), c), composed(a, composed(b, c))
    assert not added(left, scaled(right, -1))


@EXACT
@given(operators)
def test_solve_and_logarithm(operator):
    """S X = R has the solution found, and log S starts with S − 1."""
    small = {index: value.raised(1) for index, value in operator.items()}
    start = added(identity(RING), small)
    found = solved(start, operator, RING, 3)
    residual = added(composed(start, found, 3), scaled(operator, -1))
    assert not any(value.below(3) for value in residual.values())
    difference = added(logarithm(start, RING, 3), scaled(small, -1))
    assert not any(value.below(2) for value in difference.values())


# --- graphs in components --------------------------------------------------------------------------------------------


def test_contraction_is_a_sum():
    """A summed index runs over all components, a delta is one on its diagonal, and the dimension is a number."""
    trace = TensorExpression((((Node("Sigma", ((0, 0), ())),), sp.S.One),))
    assert str(in_coordinates(trace, 2)[()]) == "Sigma_11 + Sigma_22"
    delta = TensorExpression((((Node("delta", ((-2, -1),)),), sp.Symbol("dimension", positive=True)),))
    found = in_coordinates(delta, 2)
    assert [str(found[i, j]) for i in range(2) for j in range(2)] == ["2", "0", "0", "2"]


def test_free_indices_keep_their_order():
    """The first component belongs to index −1, the second to −2."""
    matrix = TensorExpression((((Node("L", ((-1,),)), Node("Sigma", ((-2, -2), ()))), sp.S.One),))
    assert str(in_coordinates(matrix, 2)[0, 1]) == "L,1*Sigma_22"


def test_unknown_node():
    """A node that has no components is named."""
    with pytest.raises(ValueError, match="node `strange`"):
        in_coordinates(TensorExpression((((Node("strange", ((0, 0), ())),), sp.S.One),)), 1)


def test_rule_beyond_polynomials():
    """A rule that the route cannot read is refused with the expression."""

    @update_rule(state=("x",))
    def normalized(x, g, *, learning_rate):
        return x - learning_rate * g / sp.sqrt(g**2 + 1)

    with pytest.raises(ValueError, match="not polynomial"):
        coordinate_equation(normalized)


@pytest.mark.parametrize(("order", "dimension"), [(0, 1), (1, 0)])
def test_positive_arguments(order, dimension):
    """Order and dimension must be positive."""
    with pytest.raises(ValueError, match="positive"):
        coordinate_equation(sgd(), SMALL, order, dimension)


def test_evaluation_matches_the_example():
    """A limit's drift in components is the equation's drift."""
    limit = modified_equation(sgd(), order=2)
    second = coordinate_equation(sgd(), SMALL, 2, 2)
    found = in_coordinates(limit.drift["x"], 2, second.ring)
    assert [found[0,], found[1,]] == list(second.drift["x"])
