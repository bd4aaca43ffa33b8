"""Elimination of fast variables, against what is known of it in other ways."""

from fractions import Fraction

import pytest
import sympy as sp
from scalar_limits import X, scalar

from sde_momentum.optimizers import heavy_ball, qhm, sgdm
from sde_momentum.symbolic import LEARNING_RATE, RELAXATION_RATE, Regime, modified_equation
from sde_momentum.symbolic.equation._modified_equation import _Derivation

ETA, RATE, H = LEARNING_RATE, RELAXATION_RATE, sp.Symbol("h", positive=True)
THIRD = Regime("a third", scalings={"momentum": 1 - RATE * ETA ** sp.Rational(1, 3)})
CASES = [(sgdm, THIRD), (qhm, Regime.noise_dominated()), (heavy_ball, heavy_ball().default_regime())]


@pytest.mark.parametrize(("make", "regime"), CASES, ids=lambda case: getattr(case, "name", None))
def test_start_and_evolutions_belong_together(make, regime):
    """E S⁻¹ = S⁻¹ Ẽ: the law of x is that of the slow variable, seen through the start, which is not the identity."""
    derivation = _Derivation(make(), regime, Fraction(2))
    elimination = derivation._eliminated(derivation.cutoff)
    inverse, long_run, from_start = (
        elimination.inverse_start,
        elimination.evolution,
        elimination.evolution_from_start,
    )
    assert not (long_run @ inverse - inverse @ from_start).truncated(derivation.cutoff)
    assert (long_run @ inverse - from_start).truncated(derivation.cutoff)


def by_hand(index: sp.Rational) -> tuple[sp.Expr, sp.Expr]:
    """(log of the slow eigenvalue, log of the start) of SGDM without noise on hx²/2, in powers of η below η³ and η²."""
    root = sp.Symbol("root", positive=True)
    eta, friction = root**index.q, RATE * root**index.p
    # 1 − δ is an eigenvalue of (x, m) ↦ next (x, m) where δ (1 − β − δ) = η (1 − β) h (1 − δ).
    delta = eta * H
    for _ in range(3 * index.q):
        delta = sp.series(eta * H * (1 - delta) + delta**2 / friction, root, 0, 3 * index.q).removeO()
    # A left and a right eigenvector, scaled to product one, of which the start holds the x-component of the left one.
    start = -sp.log(1 - (1 - friction) * eta * friction * H / (friction - delta) ** 2)
    logs = [
        sp.series(sp.log(1 - delta), root, 0, 3 * index.q).removeO(),
        sp.series(start, root, 0, 2 * index.q).removeO(),
    ]
    return tuple(sp.expand(e.subs(root, ETA ** sp.Rational(1, index.q))) for e in logs)


def test_an_eigenvalue_and_its_eigenvectors():
    """On a quadratic loss without noise the drift is log(1 − δ)x/η, and the start a multiple of x, at 1 − β = λ√η."""
    index = sp.Rational(1, 2)
    limit = modified_equation(sgdm(), Regime("quiet", 0, scalings={"momentum": 1 - RATE * ETA**index}), order=2)
    drift, shift = (scalar(part["x"], H * X**2 / 2) / X for part in (limit.drift, limit.initial_shift))
    decay, start = by_hand(index)
    assert sp.expand(drift - decay / ETA) == 0
    assert sp.expand(shift - start) == 0
    assert sp.expand(shift - 2 * start) != 0
