"""Slow equations worked out from what gradient flow conserves, on manifolds whose flows are solvable by hand."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

from sde_momentum.manifold import slow_drift
from sde_momentum.optimizers import sgd
from sde_momentum.symbolic import slow_equation

X, Y, Z = sp.symbols("x y z", positive=True)
A, B = sp.Rational(3, 2), sp.Rational(2, 3)


class Solvable(NamedTuple):
    """L = ½c², its conserved functions (as many as Γ has dimensions), and a point of Γ = {c = 0}."""

    symbols: tuple
    constraint: sp.Expr
    conserved: tuple
    point: tuple


MANIFOLDS = {
    "ellipse": Solvable(
        (X, Y),
        X**2 / A**2 + Y**2 / B**2 - 1,
        (B**2 * sp.log(Y) - A**2 * sp.log(X),),
        (A * sp.Rational(3, 5), B * sp.Rational(4, 5)),
    ),
    "paraboloid ridge": Solvable(
        (X, Y, Z),
        Z - (X**2 + Y**2) / 2,
        (sp.log(X) + Z, sp.log(Y) + Z),
        (sp.Rational(1, 2), sp.Rational(2, 3), sp.Rational(25, 72)),
    ),
    "product": Solvable(
        (X, Y, Z), X * Y * Z - 1, (X**2 - Y**2, Y**2 - Z**2), (sp.Integer(2), sp.Rational(4, 5), sp.Rational(5, 8))
    ),
}


def covariance(size):
    """Anisotropic and full, positive definite."""
    factor = sp.Matrix(size, size, lambda i, j: sp.Rational(1 + (2 * i + 3 * j) % 5, 4) - int(i == j))
    return factor * factor.T


@functools.cache
def drift_by_hand(name):
    """The b with ∇K·b + ½∇²K[PΣP] = ½∇²K[Σ] for every conserved K, and ∇c·b + ½∇²c[PΣP] = 0; needs no ∇³L.

    K(x_k) = K(Φ(x_k)), so that Itô's formula for K along the iterates gives its slow motion; c stays zero.
    """
    case = MANIFOLDS[name]
    at = dict(zip(case.symbols, case.point, strict=True))
    gradient = lambda f: sp.Matrix([f]).jacobian(case.symbols)
    assert case.constraint.subs(at) == 0
    assert all(sp.simplify((gradient(k) * gradient(case.constraint).T)[0]) == 0 for k in case.conserved)
    normal = gradient(case.constraint).subs(at)
    projector = sp.eye(len(case.point)) - normal.T * normal / (normal * normal.T)[0]
    sigma = covariance(len(case.point))
    half = lambda f, noise: (sp.hessian(f, case.symbols).subs(at) * noise).trace() / 2
    inside = projector * sigma * projector
    rows = [gradient(f).subs(at) for f in (*case.conserved, case.constraint)]
    gains = [half(k, sigma) - half(k, inside) for k in case.conserved] + [-half(case.constraint, inside)]
    return sp.Matrix.vstack(*rows).LUsolve(sp.Matrix(gains))


def compiled_loss(name):
    """L as a JAX function."""
    case = MANIFOLDS[name]
    value = sp.lambdify(case.symbols, case.constraint**2 / 2, "jax")
    return lambda x: value(*x)


@pytest.mark.parametrize("name", MANIFOLDS)
def test_numerical_drift_is_the_one_by_hand(name):
    """Relative error below 1e-10 under full noise; off by over 1e-2 without any one of its terms."""
    case, expected = MANIFOLDS[name], np.array(drift_by_hand(name).T.evalf(20).tolist()[0], float)
    sigma = jnp.asarray(np.array(covariance(len(case.point)).tolist(), float))
    drift = jax.jit(lambda x: slow_drift(compiled_loss(name), sigma, x))(jnp.asarray([float(p) for p in case.point]))
    error = lambda value: float(np.linalg.norm(np.asarray(value) - expected) / np.linalg.norm(expected))
    assert int(drift.space.codimension) == 1
    assert error(drift.total) < 1e-10
    for dropped in (drift.curvature, drift.cross, drift.normal):
        assert error(drift.total - dropped) > 1e-2


@pytest.mark.parametrize("name", MANIFOLDS)
def test_derived_equation_gives_the_drift_by_hand(name):
    """The blocks of `slow_equation`, filled in with the third derivatives in the eigenbasis: equal to 1e-12."""
    case = MANIFOLDS[name]
    at = dict(zip(case.symbols, case.point, strict=True))
    size = len(case.point)
    loss = case.constraint**2 / 2
    number = lambda expression: float(sp.sympify(expression).subs(at))
    hessian = np.array([[number(sp.diff(loss, a, b)) for a in case.symbols] for b in case.symbols])
    third = np.array(
        [[[number(sp.diff(loss, a, b, c)) for a in case.symbols] for b in case.symbols] for c in case.symbols]
    )
    values, basis = np.linalg.eigh(hessian)
    turned = np.einsum("abc,ai,bj,ck->ijk", third, basis, basis, basis)
    noise = basis.T @ np.array(covariance(size).tolist(), float) @ basis
    eigenvalues = [sp.S.Zero] * (size - 1) + [sp.Float(values[-1], 17)]
    found = slow_equation(sgd()).drift(eigenvalues, turned.tolist(), noise.tolist())
    expected = np.array(drift_by_hand(name).T.evalf(20).tolist()[0], float)
    np.testing.assert_allclose(basis @ np.array(found.tolist(), float).ravel(), expected, rtol=1e-12, atol=1e-12)
