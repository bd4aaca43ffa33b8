"""Limits with functions of fields against a computation in coordinates that knows nothing of graphs."""

from itertools import product

import pytest
import sympy as sp

from sde_momentum.optimizers import normalized_gd, sign_gd
from sde_momentum.symbolic import (
    LEARNING_RATE,
    LOSS_SLOPE,
    NOISE_VARIANCE,
    SQUARED_GRADIENT,
    Regime,
    function_expression,
    modified_equation,
    scalar_expression,
)

ETA = LEARNING_RATE
COORDINATES = sp.symbols("x y", real=True)
POINT = dict(zip(COORDINATES, (sp.Rational(1, 3), sp.Rational(-2, 5)), strict=True))


def setting(dimension):
    """Coordinates, a loss, variances of the noise and a test function, polynomials that have no symmetry."""
    x, y = COORDINATES
    if dimension == 1:
        return (x,), x**2 / 2 + x**3 / 5 + x, (1 + x**2 / 3 + x / 4,), x**3 - 2 * x**2 + 3 * x
    loss = x**2 + x * y / 2 + y**2 / 3 + x**3 / 7 + x * y**2 / 5 + y
    return (x, y), loss, (1 + x**2 / 3 + y / 5, 2 + x * y / 4), x**3 * y + x**2 - 3 * y**2 * x + y


def evaluated(expression, xs, loss, variances):
    """Components of a tensor expression: every label runs over the coordinates, fields are differentiated."""
    found = {}
    for graph, coefficient in expression:
        names = sorted({label for node in graph for group in node.slots for label in group}, reverse=True)
        for values in product(range(len(xs)), repeat=len(names)):
            at = dict(zip(names, values, strict=True))
            term = coefficient * sp.Mul(*(component(node, at, xs, loss, variances) for node in graph))
            key = tuple(at[label] for label in names if label < 0)
            found[key] = found.get(key, 0) + term
    return found


def component(node, at, xs, loss, variances):
    groups = [[at[label] for label in group] for group in node.slots]
    slopes = [sp.diff(loss, x) for x in xs]
    if scalar_expression(node) is not None:
        return scalar_expression(node).subs(SQUARED_GRADIENT, sum(slope**2 for slope in slopes))
    if function_expression(node) is not None:
        (i,) = groups[0]
        return function_expression(node).subs({LOSS_SLOPE: slopes[i], NOISE_VARIANCE: variances[i]}, simultaneous=True)
    if node.field == "delta":
        return int(groups[0][0] == groups[0][1])
    if node.field == "L":
        return sp.diff(loss, *(xs[i] for i in groups[0]))
    assert node.field == "Sigma"
    (i, j), derivative = groups
    return sp.diff(variances[i], *(xs[k] for k in derivative)) if i == j else 0


def generator(limit, xs, loss, variances, f):
    """The function b·∇f + ½A:∇²f of the limit, below η²."""
    drift = evaluated(limit.drift["x"], xs, loss, variances)
    total = sum(value * sp.diff(f, xs[i]) for (i,), value in drift.items())
    for block in limit.covariance.values():
        for (i, j), value in evaluated(block, xs, loss, variances).items():
            total += value * sp.diff(f, xs[i], xs[j]) / 2
    return total


def exact_generator(average, f):
    """The terms of order 0 and 1 of η⁻¹ log P, from the exact one-step average P: P₁ and P₂ − P₁²/2."""
    first = lambda u: sp.diff(average(u), ETA).subs(ETA, 0)
    second = sp.diff(average(f), ETA, 2).subs(ETA, 0) / 2
    return first(f) + ETA * (second - first(first(f)) / 2)


def is_zero(expression):
    """Exactly zero at a rational point, with roots, exponentials and error functions left as they are."""
    value = sp.expand(sp.expand(expression.subs(POINT)))
    return value == 0 or sp.simplify(value) == 0


@pytest.mark.parametrize("dimension", [1, 2])
def test_sign_descent(dimension):
    """E f(x ± η, …) is a sum over sign patterns with the probabilities (1 ± erf)/2: the generator to order 2."""
    xs, loss, variances, f = setting(dimension)
    means = [sp.erf(sp.diff(loss, x) / sp.sqrt(2 * v)) for x, v in zip(xs, variances, strict=True)]

    def average(u):
        total = 0
        for signs in product((1, -1), repeat=dimension):
            weight = sp.Mul(*((1 + s * m) / 2 for s, m in zip(signs, means, strict=True)))
            moved = {x: x - ETA * s for x, s in zip(xs, signs, strict=True)}
            total += weight * u.subs(moved, simultaneous=True)
        return total

    limit = modified_equation(sign_gd(), order=2)
    expected = exact_generator(average, f)
    assert is_zero(generator(limit, xs, loss, variances, f) - expected)
    # Control: the limit of order 1 lacks a term.
    assert not is_zero(generator(modified_equation(sign_gd(), order=1), xs, loss, variances, f) - expected)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("make", [normalized_gd, sign_gd])
def test_without_noise(make, dimension):
    """F(x − ηu(x)) with u = ∇L/|∇L| or sign(∇L): the generator of the modified flow to order 2."""
    xs, loss, variances, f = setting(dimension)
    slopes = [sp.diff(loss, x) for x in xs]
    length = sp.sqrt(sum(slope**2 for slope in slopes))
    # In one dimension and for signs the direction is locally constant.
    constant = make is sign_gd or dimension == 1
    at_point = [sp.sign(slope.subs(POINT)) for slope in slopes]
    directions = at_point if constant else [slope / length for slope in slopes]
    average = lambda u: u.subs({x: x - ETA * n for x, n in zip(xs, directions, strict=True)}, simultaneous=True)
    limit = modified_equation(make(), Regime.noiseless(), order=2)
    assert is_zero(generator(limit, xs, loss, variances, f) - exact_generator(average, f))
