"""Coefficients of Rößler's stochastic Runge–Kutta methods of weak order 2."""

from fractions import Fraction
from math import sqrt
from typing import NamedTuple

_Row = tuple[Fraction | float, ...]
_Rows = tuple[_Row, ...]


class ItoTableau(NamedTuple):
    r"""The table (A⁽⁰⁾, A⁽¹⁾, B⁽⁰⁾, B⁽¹⁾, B⁽²⁾, α, β⁽¹⁾ … β⁽⁴⁾) of an explicit method with A⁽²⁾ = 0; c⁽ⁱ⁾ = A⁽ⁱ⁾ e.

    Rows are stages; the first row of each matrix is zero and so is what is on or above the diagonal, except in B⁽²⁾,
    whose stages come after all others.

    References:
        A. Rößler, "Second order Runge–Kutta methods for Itô stochastic differential equations", SIAM J. Numer. Anal. 47
        (2009), 1713–1738: the class of methods and its conditions for weak order 2.
    """

    a0: _Rows
    a1: _Rows
    b0: _Rows
    b1: _Rows
    b2: _Rows
    alpha: _Row
    beta1: _Row
    beta2: _Row
    beta3: _Row
    beta4: _Row


def _row(*values: float | str) -> _Row:
    return tuple(Fraction(v) if isinstance(v, (int, str)) else v for v in values)


def _lower(*rows: _Row) -> _Rows:
    return (_row(0, 0, 0), *rows)


RI6 = ItoTableau(
    a0=_lower(_row(1, 0, 0), _row(0, 0, 0)),
    a1=_lower(_row(1, 0, 0), _row(1, 0, 0)),
    b0=_lower(_row(1, 0, 0), _row(0, 0, 0)),
    b1=_lower(_row(1, 0, 0), _row(-1, 0, 0)),
    b2=_lower(_row(1, 0, 0), _row(-1, 0, 0)),
    alpha=_row("1/2", "1/2", 0),
    beta1=_row("1/2", "1/4", "1/4"),
    beta2=_row(0, "1/2", "-1/2"),
    beta3=_row("-1/2", "1/4", "1/4"),
    beta4=_row(0, "1/2", "-1/2"),
)
"""RI6 of Rößler (2009): two drifts a step, rational coefficients."""

_P, _Q, _R = sqrt(38 / 491), sqrt(1105 / 991), sqrt(221 / 4955)

DRI1 = ItoTableau(
    a0=_lower(_row("1/2", 0, 0), _row(-1, 2, 0)),
    a1=_lower(_row("342/491", 0, 0), _row("342/491", 0, 0)),
    b0=_lower(_row((6 - sqrt(6)) / 10, 0, 0), _row((3 + 2 * sqrt(6)) / 5, 0, 0)),
    b1=_lower(_row(3 * _P, 0, 0), _row(-3 * _P, 0, 0)),
    b2=_lower(
        _row(-214 / 513 * _Q, -491 / 513 * _R, -491 / 513 * _R),
        _row(214 / 513 * _Q, 491 / 513 * _R, 491 / 513 * _R),
    ),
    alpha=_row("1/6", "2/3", "1/6"),
    beta1=_row("193/684", "491/1368", "491/1368"),
    beta2=_row(0, 1 / (6 * _P), -1 / (6 * _P)),
    beta3=_row("-4955/7072", "4955/14144", "4955/14144"),
    beta4=_row(0, -1 / (8 * _R), 1 / (8 * _R)),
)
"""DRI1 of Debrabant and Rößler, Appl. Numer. Math. 59 (2009), 582–594: three drifts, order 3 without noise, and small
error constants."""
