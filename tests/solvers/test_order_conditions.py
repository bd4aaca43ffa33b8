from fractions import Fraction

import numpy as np
import pytest

from sde_momentum.solvers import DRI1, RI6


def order_conditions(table):
    """The 59 conditions for weak order 2 of Rößler (2009), as left side minus right side; here A² = 0.

    The letters are those of the theorem, with e = (1, 1, 1).
    """
    a0, a1, b0, b1, b2 = (np.array(m, object) for m in (table.a0, table.a1, table.b0, table.b1, table.b2))
    al, be1, be2, be3, be4 = (np.array(v, object) for v in table[5:])
    e, half = np.array([Fraction(1)] * 3, object), Fraction(1, 2)
    a0e, a1e, b0e, b1e, b2e = (m @ e for m in (a0, a1, b0, b1, b2))
    first = [al @ e - 1, be4 @ e, be3 @ e, (be1 @ e) ** 2 - 1, be2 @ e, be1 @ b1e, be3 @ b2e, be4 @ b2e**2]
    values = [al @ a0e - half, al @ b0e**2 - half, (be1 @ e) * (al @ b0e) - half, (be1 @ e) * (be1 @ a1e) - half]
    values += [be2 @ b1e - 1, be4 @ b2e - 1, (be1 @ e) * (be1 @ b1e**2) - half, (be1 @ e) * (be3 @ b2e**2) - half]
    zeros = [be1 @ (b1 @ b1e), be3 @ (b2 @ b1e), be3 @ (b2 @ (b1 @ b1e)), be1 @ (a1 @ b0e), al @ (b0 @ b1e), be2 @ a1e]
    zeros += [be1 @ (a1e * b1e), be2 @ (a1 @ b0e), be2 @ (a1 @ b0e**2), be1 @ (b1 @ a1e), be3 @ (b2 @ a1e)]
    zeros += [be2 @ b1e**2, be4 @ (b2 @ b1e), be2 @ (b1 @ b1e), be1 @ b1e**3, be3 @ b2e**3, be1 @ (b1 @ b1e**2)]
    zeros += [be3 @ (b2 @ b1e**2), be4 @ b2e**4, be4 @ (b2 @ b1e) ** 2, be4 @ (b2e * (b2 @ b1e))]
    zeros += [al @ (b0e * (b0 @ b1e)), be1 @ ((a1 @ b0e) * b1e), be1 @ (a1 @ (b0 @ b1e)), be4 @ ((b2 @ a1e) * b2e)]
    zeros += [be1 @ (b1 @ (a1 @ b0e)), be3 @ (b2 @ (a1 @ b0e)), be1 @ (b1e * (b1 @ b1e)), be3 @ (b2e * (b2 @ b1e))]
    zeros += [be1 @ (b1 @ (b1 @ b1e)), be4 @ (b2e * (b2 @ b1e**2)), be4 @ (b2e * (b2 @ (b1 @ b1e)))]
    return [*first, *values, *zeros]


def test_ri6_satisfies_the_conditions_exactly():
    """Every condition for weak order 2 holds for RI6 as an identity of rationals."""
    conditions = order_conditions(RI6)
    assert all(isinstance(value, Fraction) and value == 0 for value in conditions)


def test_dri1_satisfies_the_conditions():
    """Every condition for weak order 2 holds for DRI1, whose coefficients have square roots, to rounding."""
    assert max(abs(float(value)) for value in order_conditions(DRI1)) < 1e-14


def test_dri1_has_order_three_without_noise():
    """α c² = 1/3 and α A c = 1/6, exactly."""
    a0, alpha = np.array(DRI1.a0, object), np.array(DRI1.alpha, object)
    nodes = a0.sum(1)
    assert alpha @ nodes**2 == Fraction(1, 3)
    assert alpha @ (a0 @ nodes) == Fraction(1, 6)


def _coefficients():
    for field in RI6._fields:
        rows = getattr(RI6, field)
        shape = np.array(rows, object).shape
        yield from ((field, index) for index in np.ndindex(shape) if np.array(rows, object)[index] != 0)


@pytest.mark.parametrize(("field", "index"), list(_coefficients()))
def test_a_perturbed_coefficient_violates_a_condition(field, index):
    """Negative control: changing any nonzero coefficient breaks at least one condition."""
    changed = np.array(getattr(RI6, field), object)
    changed[index] += Fraction(1, 100)
    rows = tuple(changed) if changed.ndim == 1 else tuple(tuple(row) for row in changed)
    assert any(value != 0 for value in order_conditions(RI6._replace(**{field: rows})))
