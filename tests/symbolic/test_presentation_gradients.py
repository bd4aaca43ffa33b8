"""Gradients are recognized exactly: ∇potential + remainder is the expression, with nothing left that could go."""

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sde_momentum.optimizers import heavy_ball, sgd, sgdm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    MOMENTUM,
    Node,
    Regime,
    TensorExpression,
    gradient_of,
    loss_derivative,
    modified_equation,
    noise_covariance,
    split_gradient,
)

ETA, BETA = LEARNING_RATE, MOMENTUM


def expression(*terms) -> TensorExpression:
    return TensorExpression.collect([(tuple(nodes), sp.sympify(c)) for c, *nodes in terms])


def x(label: int) -> Node:
    return Node("x", ((label,),))


LOSS = [Node("L", ((),))]
SQUARE = [loss_derivative(0), loss_derivative(0)]
TRACE = [loss_derivative(0, 1), noise_covariance(0, 1)]
ROTATION = [loss_derivative(-1, 0), noise_covariance(0, 1), loss_derivative(1)]


@pytest.mark.parametrize("rule", [sgd, sgdm, heavy_ball])
def test_drifts_of_order_two_are_gradients(rule):
    """The order-2 drift of the SGD family is minus the gradient of a modified loss: the difference is zero."""
    drift = modified_equation(rule(), order=2).drift["x"]
    split = split_gradient(drift)
    assert not split.remainder
    assert not gradient_of(split.potential) - drift


def test_modified_loss_of_momentum():
    """With momentum the modified loss is L + (η/4) (1 + β)/(1 − β) |∇L|²."""
    split = split_gradient(modified_equation(sgdm(), order=2).drift["x"])
    assert not split.potential + expression((1, *LOSS), (ETA / 4 * (1 + BETA) / (1 - BETA), *SQUARE))


POTENTIALS = {
    "∇(∇L·H∇L)": expression((1, loss_derivative(0), loss_derivative(0, 1), loss_derivative(1))),
    "∇tr(HΣ)": expression((1, *TRACE)),
    "-1/4·η·∇(tr Σ + |∇L|²)": expression((-ETA / 4, *SQUARE), (-ETA / 4, noise_covariance(0, 0))),
}


@pytest.mark.parametrize("text", POTENTIALS)
def test_gradients_print_as_gradients(text):
    """The gradient of a scalar prints as the gradient of that scalar."""
    assert str(gradient_of(POTENTIALS[text])) == text


def test_a_field_that_is_no_gradient_is_shown():
    """HΣ∇L is the gradient of nothing: it stays beside the gradient."""
    field = gradient_of(expression((-1, *LOSS), (-ETA / 4, *SQUARE))) + expression((ETA, *ROTATION))
    split = split_gradient(field)
    assert not split.remainder - expression((ETA, *ROTATION))
    assert str(field) == "-∇(L + 1/4·η·|∇L|²) + η·HΣ∇L"


def test_incomplete_gradients_stay_in_the_remainder():
    """Negative control: one of the two terms of ∇tr(HΣ), or both with unequal coefficients, is no gradient."""
    whole = gradient_of(expression((1, *TRACE)))
    assert len(whole.terms) == 2
    first = TensorExpression((whole.terms[0],))
    for field in (first, whole + first):
        split = split_gradient(field)
        assert not split.potential
        assert split.remainder == field


def test_third_order_drift_of_gradient_descent_is_no_gradient():
    """The η² terms −⅓H²∇L − 1/12 D³L[∇L,∇L] are not proportional to ∇(∇L·H∇L) = 2H²∇L + D³L[∇L,∇L]."""
    drift = modified_equation(sgd(), Regime("no noise", noise_scale=0), order=3).drift["x"]
    split = split_gradient(drift)
    assert not split.potential + expression((1, *LOSS), (ETA / 4, *SQUARE))
    assert len(split.remainder.terms) == 2


def test_parameters_in_the_drift_are_differentiated_too():
    """∇(x·∇L) = Hx + ∇L: the Kronecker delta is taken into account, and undone."""
    product = expression((3, x(0), loss_derivative(0)))
    assert str(gradient_of(product).terms) == str(
        expression((3, loss_derivative(-1)), (3, loss_derivative(-1, 0), x(0))).terms
    )
    field = gradient_of(product + expression((1, x(0), x(0))) - expression((5, *LOSS)))
    assert split_gradient(field).potential == product + expression((1, x(0), x(0))) - expression((5, *LOSS))


def test_other_variables_are_left_alone():
    """Hm is not turned into ∇(m·∇L): momentum is a variable of its own."""
    field = expression((1, loss_derivative(-1, 0), Node("m", ((0,),))))
    assert split_gradient(field).remainder == field
    assert str(field) == "Hm"


SCALARS = [LOSS, SQUARE, TRACE, [loss_derivative(0, 0)], [x(0), x(0)], [x(0), loss_derivative(0)]]
SCALARS += [[x(0), loss_derivative(0, 1), x(1)], [x(0), x(0), loss_derivative(1), loss_derivative(1)]]
SCALARS += [
    [noise_covariance(0, 1), x(0), loss_derivative(1)],
    [Node("kappa3", ((0, 1, 2), ())), loss_derivative(0, 1, 2)],
]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(-3, 3), min_size=len(SCALARS), max_size=len(SCALARS)), st.integers(-2, 2))
def test_every_potential_is_recovered(coefficients, rotation):
    """Differentiating and splitting gives back every potential, and a rotation added to it."""
    potential = expression(*((c, *nodes) for c, nodes in zip(coefficients, SCALARS, strict=True)))
    curl = expression((rotation, *ROTATION))
    split = split_gradient(gradient_of(potential) + curl)
    assert split.potential == potential
    assert split.remainder == curl
