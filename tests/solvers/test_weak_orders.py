import itertools
import math

import diffrax as dfx
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from enumerated_noise import (
    EnumeratedPath,
    linear_term,
    moment_errors,
    moment_generator,
    observed_order,
    one_step,
    outcomes,
    step_matrices,
)

from sde_momentum.solvers import DRI1, RI6, FusedTerm, SmallNoise, WeakRK2, WeakRK2Additive, extrapolate

ROOT2 = math.sqrt(2)
SCIML = (  # the two-dimensional test with non-commutative noise of Rößler (2009), used by the SciML suite
    np.array([[-273 / 512, 0], [-1 / 160, -785 / 512 + ROOT2 / 8]]),
    np.array([[[1 / 4, 0], [0, (1 - 2 * ROOT2) / 4]], [[1 / 16, 0], [1 / 10, 1 / 16]]]),
)
STEPS = (8, 16, 32)


def _random(dimension, components):
    rng = np.random.default_rng(10 * dimension + components)
    drift = rng.normal(size=(dimension, dimension)) * 0.5
    return drift, rng.normal(size=(components, dimension, dimension)) * 0.3


PROBLEMS = {
    "scalar, m = 1": _random(1, 1),
    "non-commutative, m = d = 2": SCIML,
    "m = 3 > d = 2": _random(2, 3),
    "m = 2 < d = 3": _random(3, 2),
}


def _orders(solver, problem, moments, steps=STEPS, with_signs=True):
    """Observed orders of each moment, from exact expectations."""
    errors = moment_errors(solver, *problem, np.ones(len(problem[0])), 1.0, steps, moments, with_signs)
    return {moment: np.array(observed_order(errors[moment])) for moment in moments}


@pytest.mark.parametrize("tableau", [DRI1, RI6], ids=["DRI1", "RI6"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_weak_rk2_has_order_two(name, tableau):
    """First, second and third moments converge with order 2 or better, exact expectations, no sampling."""
    orders = _orders(WeakRK2(tableau), PROBLEMS[name], (1, 2, 3))
    assert min(observed[-1] for observed in orders.values()) > 1.85, orders
    assert orders[3][-1] < 2.5


def test_euler_has_order_one():
    """Negative control: the same measurement finds order 1 for Euler's method."""
    observed = _orders(dfx.Euler(), SCIML, (2,), with_signs=False)[2]
    assert 0.9 < observed[-1] < 1.1


def _perturbed(field, position):
    rows = getattr(DRI1, field)
    if isinstance(rows[0], tuple):
        row, column = position
        changed = [list(r) for r in rows]
        changed[row][column] = float(changed[row][column]) + 0.05
        return DRI1._replace(**{field: tuple(tuple(r) for r in changed)})
    changed = list(rows)
    changed[position] = float(changed[position]) + 0.05
    return DRI1._replace(**{field: tuple(changed)})


@pytest.mark.parametrize(
    ("field", "position"),
    [("a0", (1, 0)), ("a1", (1, 0)), ("b0", (2, 0)), ("b1", (1, 0)), ("b2", (1, 0)), ("alpha", 1)]
    + [(f"beta{i}", 1) for i in (1, 2, 3, 4)],
)
def test_a_perturbed_coefficient_loses_order_two(field, position):
    """Changing any kind of coefficient by 0.05 leaves order 1 or less: the measurement rejects it."""
    solver = WeakRK2(_perturbed(field, position))
    orders = _orders(solver, SCIML, (1, 2), steps=(64, 128))
    assert min(observed[-1] for observed in orders.values()) < 1.5


@pytest.mark.slow
def test_uncorrelated_signs_matter_from_three_components_on():
    """Negative control: signs that agree for all pairs of components spoil the second moments of one step."""
    (drift, noises), h = _random(2, 3), 0.05
    path, weights = outcomes(3, with_signs=True)
    alike = EnumeratedPath(path.units, jnp.ones_like(path.signs))
    exact = scipy.linalg.expm(h * moment_generator(drift, noises, 2)) @ np.ones(4)
    errors = []
    for choice in (path, alike):
        y = np.asarray(one_step(WeakRK2(), linear_term(drift, noises, choice), jnp.ones((2, len(weights))), h))
        errors.append(np.linalg.norm(np.einsum("in,jn,n->ij", y, y, weights).ravel() - exact))
    assert errors[1] > 20 * errors[0]


def test_weak_rk2_on_a_nonlinear_equation():
    """One step of dX = (½X + √(X²+1)) dt + √(X²+1) dW, X = sinh(t + W), has an error of order 3 in E X and E X²."""
    path, weights = outcomes(1, with_signs=True)

    def increment(t, y, args, dt, dw):
        root = jnp.sqrt(y**2 + 1)
        return (0.5 * y + root) * dt + root * dw[0]

    def error(h):
        start = 0.3
        y = np.asarray(one_step(WeakRK2(), FusedTerm(increment, path), jnp.full(len(weights), start), h))
        place = math.asinh(start) + h
        exact = math.exp(h / 2) * math.sinh(place), 0.5 * (math.exp(2 * h) * math.cosh(2 * place) - 1)
        return np.array([weights @ y - exact[0], weights @ y**2 - exact[1]])

    observed = observed_order([error(h) for h in (0.02, 0.01, 0.005)])
    assert min(observed) > 2.85


def test_additive_heun_has_order_two():
    """DX = (t − X) dt + (1 + t) dW by its exact mean and variance; multiplicative noise is not its equation."""
    path, weights = outcomes(1, with_signs=False)
    term = FusedTerm(lambda t, y, args, dt, dw: (t - y) * dt + (1 + t) * dw[0], path)

    def error(steps):
        h, mean, variance = 1 / steps, 1.0, 0.0
        for k in range(steps):
            y = np.asarray(one_step(WeakRK2Additive(), term, jnp.full(len(weights), mean), h, k * h))
            slope = np.asarray(one_step(WeakRK2Additive(), term, jnp.full(len(weights), mean + 1), h, k * h)) - y
            mean, variance = weights @ y, variance * slope[0] ** 2 + weights @ (y - weights @ y) ** 2
        return np.array([mean - 2 * math.exp(-1), variance - 1.25 + 0.25 * math.exp(-2)])

    observed = np.log2(np.abs(error(16)) / np.abs(error(32)))
    assert (observed > 1.85).all()
    biased = _orders(WeakRK2Additive(), PROBLEMS["scalar, m = 1"], (1,), with_signs=False)[1]
    assert abs(biased[-1]) < 0.2


def test_small_noise_errors_in_step_and_noise():
    """In the second moments: O(h⁴) without noise, O(ε² h²) for its leading effect, O(ε⁴ h) beyond; means O(h⁴)."""
    drift, noises = SCIML
    steps = (8, 16, 32, 64)
    errors = {
        eps: moment_errors(SmallNoise(), drift, eps * noises, [1.0, 1.0], 1.0, steps, (1, 2), with_signs=False)
        for eps in (0.0, 0.1, 0.2, 1.0)
    }
    assert observed_order(errors[0.0][2])[1] > 3.8
    assert observed_order(errors[1.0][1])[1] > 3.8
    # Errors are polynomials in ε²; three of them separate the leading powers.
    none, tenth, fifth, one = (np.array(errors[eps][2]) for eps in (0.0, 0.1, 0.2, 1.0))
    second = (16 * tenth - fifth - 15 * none) / 0.12
    assert 1.9 < observed_order(second)[-1] < 2.1
    assert 0.9 < observed_order(one - none - second)[-1] < 1.1


def _mean_response(solver, h, eps=1e-3):
    """(E X'(ε) − X'(0)) / ε² after one step of dX = −X³ dt + ε dW from 1."""
    path, weights = outcomes(1, with_signs=False)
    equation = lambda e: FusedTerm(lambda t, y, args, dt, dw: -(y**3) * dt + e * dw[0], path)
    with_noise, without = (np.asarray(one_step(solver, equation(e), jnp.ones(3), h)) for e in (eps, 0.0))
    return (weights @ with_noise - without[0]) / eps**2


def _exact_mean_response(h):
    """The same for the equation: x' = −x³, v' = −6 x² v + 1, m' = −3 x² m − 3 x v."""
    flow = lambda t, u: [-(u[0] ** 3), -6 * u[0] ** 2 * u[1] + 1, -3 * u[0] ** 2 * u[2] - 3 * u[0] * u[1]]
    return scipy.integrate.solve_ivp(flow, (0, h), [1.0, 0.0, 0.0], rtol=1e-12, atol=1e-15).y[2, -1]


def test_small_noise_mean_feels_curvature():
    """The effect ¼ ε² h² Σ : ∇²a of the noise on the mean is right up to O(ε² h³); Euler's method misses it."""
    errors = lambda solver: [[_mean_response(solver, h) - _exact_mean_response(h)] for h in (0.08, 0.04)]
    assert observed_order(errors(SmallNoise()))[0] > 2.7
    assert observed_order(errors(dfx.Euler()))[0] < 2.2


def test_extrapolation_gains_an_order():
    """2 E_h − E_2h of Euler's method has order 2, with the expectations of both levels exact."""
    errors = moment_errors(dfx.Euler(), *SCIML, [1.0, 1.0], 1.0, (16, 32, 64, 128), (2,), with_signs=False)[2]
    extrapolated = [extrapolate(fine=fine, coarse=coarse) for coarse, fine in itertools.pairwise(errors)]
    assert 1.9 < observed_order(extrapolated)[-1] < 2.1
    with pytest.raises(ValueError, match="order must be at least 1"):
        extrapolate(1.0, 2.0, order=0)


def test_probabilities_of_the_enumeration():
    """The enumerated law has total mass 1 and the moments 1 and 3 of its increments; R averages to a matrix near 1."""
    path, weights = outcomes(2, with_signs=True)
    assert weights.sum() == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose([(weights * path.units[0] ** k).sum() for k in (1, 2, 3, 4)], [0, 1, 0, 3], atol=1e-14)
    matrices_of, weights = step_matrices(WeakRK2(), *SCIML, with_signs=True)
    np.testing.assert_allclose(np.einsum("n,nij->ij", weights, matrices_of(1e-6)), np.eye(2), atol=1e-5)
