import itertools
import math

import diffrax as dfx
import jax.numpy as jnp
import numpy as np
import pytest
from enumerated_noise import moment_errors, observed_order, one_step, outcomes

from sde_momentum.solvers import CounterPath, UnderdampedSplitting, UnderdampedTerm

FRICTION, STIFFNESS, NOISE, SPEED = 1.5, 2.0, (0.3, 0.4), 0.8
DRIFT = np.array([[0, SPEED], [-STIFFNESS, -FRICTION]])
NOISES = np.array([[[0, 0], [noise, 0]] for noise in NOISE])


class _Stacked:
    """The splitting as a solver of states stacked along the first axis, so that the linear harness measures it."""

    def __init__(self, kick=None, friction=FRICTION):
        self.kick, self.friction = kick or _kick, friction

    def step(self, term, t0, t1, y, args, solver_state, made_jump):
        own = UnderdampedTerm(self.kick, term.path, self.friction, SPEED)
        x, v = UnderdampedSplitting().step(own, t0, t1, (y[0], y[1]), args, solver_state, made_jump)[0]
        return (jnp.stack([x, v]),)


def _kick(t, x, args, dt, dw):
    return -STIFFNESS * x * dt + x * (NOISE[0] * dw[0] + NOISE[1] * dw[1])


def _orders(solver):
    errors = moment_errors(solver, DRIFT, NOISES, [1.0, 0.5], 1.0, (16, 32, 64), (1, 2, 4), with_signs=False)
    return [observed_order(e)[-1] for e in errors.values()]


def test_the_splitting_has_weak_order_two():
    """A damped oscillator with noise proportional to x: moments 1, 2 and 4 converge with order 2, exactly."""
    assert all(1.9 < order < 2.1 for order in _orders(_Stacked()))


def test_a_wrong_friction_or_noise_is_rejected():
    """Negative control: friction or noise off by 2 % leaves an error that does not vanish."""
    louder = lambda t, x, args, dt, dw: _kick(t, x, args, dt, 1.02 * dw)
    for solver in (_Stacked(friction=1.02 * FRICTION), _Stacked(kick=louder)):
        assert min(_orders(solver)) < 1.0


@pytest.mark.parametrize("friction", [0.0, 1.5, 1e4])
def test_the_linear_part_is_exact(friction):
    """Without force and noise one step of any length is the exact flow."""
    path, _ = outcomes(1, with_signs=False)
    term = UnderdampedTerm(lambda t, x, args, dt, dw: jnp.zeros_like(x), path, friction, SPEED)
    x, v = one_step(UnderdampedSplitting(), term, (jnp.ones(3), 2 * jnp.ones(3)), 0.7)
    travel = 0.7 if friction == 0 else -math.expm1(-friction * 0.7) / friction
    np.testing.assert_allclose(x, 1 + SPEED * travel * 2, rtol=1e-14)
    np.testing.assert_allclose(v, 2 * math.exp(-friction * 0.7), rtol=1e-13)


def test_strong_friction_gives_the_overdamped_equation():
    """For γ h ≫ 1 the position makes Euler steps of dx = c (F dt + S dW) / γ."""
    path, _ = outcomes(2, with_signs=False)
    friction, h = 1e6, 0.01
    x, _ = one_step(
        UnderdampedSplitting(), UnderdampedTerm(_kick, path, friction, friction), (jnp.ones(9), jnp.zeros(9)), h
    )
    np.testing.assert_allclose(x, 1 + _kick(0.0, 1.0, None, h, path.evaluate(0.0, h)), rtol=1e-3)


@pytest.mark.slow
def test_the_term_is_an_ordinary_term():
    """Euler's method on the term converges to the same values as the splitting on one path."""
    values = {}
    for solver, count in itertools.product((dfx.Euler(), UnderdampedSplitting()), (64, 512)):
        path = CounterPath(0.0, 1.0, 1 / 512, 7, np.arange(4), size=2).coarsen(512 // count)
        term = UnderdampedTerm(_kick, path, FRICTION, SPEED)
        y0 = (jnp.ones(4), jnp.zeros(4))
        values[type(solver), count] = dfx.diffeqsolve(term, solver, 0.0, 1.0, 1 / count, y0).ys[0][0]
    reference = values[UnderdampedSplitting, 512]
    distance = {key: np.abs(value - reference).max() for key, value in values.items()}
    assert distance[UnderdampedSplitting, 64] < distance[dfx.Euler, 64]
    assert distance[dfx.Euler, 512] < 0.01 < 20 * distance[dfx.Euler, 64]
