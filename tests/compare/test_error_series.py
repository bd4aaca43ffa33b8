"""Exact coefficients of the errors of an oscillator: what the natural unit says of them, and where no unit serves."""

import mpmath as mp
import numpy as np
import pytest


def moments(matrix, noise):
    """Generator of (xx, xm, mm, 1) under S → A S Aᵀ + Q, from A and Q's three entries."""
    (a, b), (c, d) = matrix
    rows = [[a * a, 2 * a * b, b * b], [a * c, a * d + b * c, b * d], [c * c, 2 * c * d, d * d]]
    return mp.matrix([[*row, q] for row, q in zip(rows, noise, strict=True)] + [[0, 0, 0, 1]])


def series(h, friction, t, count=5):
    """Coefficients of η, η², … in the errors of index 1 on ½hx²: of x from 1, of its square, and of the variance."""
    mp.mp.dps = 40
    drift = mp.matrix([[0, -1], [friction * h, -friction]])
    (a, b), (c, d) = drift.tolist()
    lyapunov = mp.matrix([[2 * a, 2 * b, 0, 0], [c, a + d, b, 0], [0, 2 * c, 2 * d, friction**2], [0, 0, 0, 0]])
    mean, second = mp.expm(drift * t), mp.expm(lyapunov * t)
    steps = [int(64 * t * max(friction, h, 1)) * (k + 1) for k in range(count + 5)]
    rows = []
    for n in steps:
        eta = mp.mpf(t) / n
        step = mp.matrix(
            [[1 - eta**2 * friction * h, -eta * (1 - friction * eta)], [friction * eta * h, 1 - friction * eta]]
        )
        spread = [friction**2 * eta * q for q in (eta**2, -eta, 1)]
        errors = (step**n)[0, 0] - mean[0, 0], *(moments(step.tolist(), spread) ** n - second)[0, :].tolist()[0][::3]
        rows.append([error / eta for error in errors])
    powers = mp.matrix([[(mp.mpf(t) / n) ** k for k in range(len(steps))] for n in steps])
    return [
        np.array(mp.lu_solve(powers, mp.matrix(column)), dtype=float).ravel()[:count]
        for column in zip(*rows, strict=True)
    ]


DAMPINGS = {"weak": (1.0, 0.3), "under": (1.0, 2.0), "critical": (1.0, 4.0), "over": (1.0, 8.0), "fast": (10.0, 2.0)}


def oscillator(damping):
    """Curvature, friction, the largest modulus ρ and the slowest decay of s² − λs + λh."""
    h, friction = DAMPINGS[damping]
    root = np.sqrt(complex(friction**2 / 4 - friction * h))
    return h, friction, abs(friction / 2 + root), (friction / 2 - root).real


@pytest.mark.parametrize("damping", DAMPINGS)
def test_terms_are_of_one_size_at_the_unit(damping):
    """Errors are η c₀ (1 + b₁η + …) with |b_k| a few units^−k at most, whatever the damping: the prior's 10 and 3."""
    h, friction, speed, _ = oscillator(damping)
    for lasted in (0.5, 1.0, 2.0, 4.0):
        t = lasted / speed
        unit = min(1 / (speed * max(lasted, 1.0)), t)
        for coefficients in series(h, friction, t):
            ratios = np.abs(coefficients[1:] / coefficients[0]) * unit ** np.arange(1, len(coefficients))
            assert ratios[0] < 10
            assert np.all(ratios[1:] < 3)


@pytest.mark.parametrize("damping", ["under", "critical"])
def test_a_leading_coefficient_that_dies_out_has_no_unit(damping):
    """The variance at rest has no error of order η: c₀ relaxes like the squares, c₁ stays, and their ratio explodes."""
    h, friction, speed, decay = oscillator(damping)
    unit = 1 / (4 * speed)
    early, late = (series(h, friction, lasted / decay)[2] for lasted in (6.0, 8.0))
    assert abs(early[1] / early[0]) * unit > 10
    # e^(2·2) between the two, less the powers of t that the relaxation gains by lasting longer.
    assert abs(late[1] / late[0]) / abs(early[1] / early[0]) > np.exp(2)
    assert late[1] == pytest.approx(early[1], rel=0.02)
