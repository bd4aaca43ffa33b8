"""Weak order 2 for Itô equations with general noise."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import PyTree

from sde_momentum.solvers._counter_path import WeakIncrement
from sde_momentum.solvers._ito_tableau import DRI1, ItoTableau
from sde_momentum.solvers._one_step import AbstractOneStep, Equation, add, combine


def _double_integrals(dw: Array, signs: Array, h: ArrayLike) -> Array:
    """Î₍ₖ,ₗ₎ = ½ (Îₖ Îₗ ∓ h sₖ sₗ) for k ≠ l, with − for k < l, and zero for k = l.

    The product of two independent signs serves each pair: any two of the m (m − 1)/2 products are uncorrelated, as the
    second moments of the double integrals demand. A single sign sₖ for all pairs (k, l), l > k, would correlate them
    and leave weak order 1 from m = 3 on.
    """
    number = np.arange(dw.shape[0])
    order = np.sign(number[:, None] - number[None, :])
    order = jnp.asarray(order.reshape(order.shape + (1,) * (dw.ndim - 1)), dw.dtype)
    return 0.5 * (jnp.abs(order) * dw[:, None] * dw[None, :] + h * order * signs[:, None] * signs[None, :])


def _contract(columns: PyTree, weights: Array) -> PyTree:
    """The sum Σₖ weights[k] columns[k]; weights have the path axis of the state, if any."""
    return jtu.tree_map(lambda leaf: sum(weights[k] * leaf[k] for k in range(weights.shape[0])), columns)


class WeakRK2(AbstractOneStep):
    r"""Rößler's stochastic Runge–Kutta method of weak order 2 for Itô equations with general noise.

    For dX = a(t, X) dt + Σₖ bᵏ(t, X) dWᵏ with m noise components that need not commute, and with any number of states,

        X' = x + Σᵢ αᵢ a(Hᵢ⁰) h + Σᵢ Σₖ [β¹ᵢ Îₖ + β²ᵢ Îₖₖ/√h] bᵏ(Hᵢᵏ) + Σᵢ Σₖ [β³ᵢ Îₖ + β⁴ᵢ √h] bᵏ(Ĥᵢᵏ),
        Hᵢ⁰ = x + Σⱼ A⁰ᵢⱼ a(Hⱼ⁰) h + Σⱼ Σₗ B⁰ᵢⱼ bˡ(Hⱼˡ) Îₗ,
        Hᵢᵏ = x + Σⱼ A¹ᵢⱼ a(Hⱼ⁰) h + Σⱼ B¹ᵢⱼ bᵏ(Hⱼᵏ) √h,
        Ĥᵢᵏ = x + Σⱼ Σ_{l≠k} B²ᵢⱼ bˡ(Hⱼˡ) Î₍ₖ,ₗ₎/√h.

    Îₖ is the increment of the path, which must be Gaussian or three-valued (`ThreePointIncrements`, the cheaper one);
    the double integrals Î₍ₖ,ₗ₎ use one more sign for each component, which a `CounterPath` supplies.

    The columns bᵏ(y) come from the terms as products S(t, y) eₖ. A step takes 5 m columns (3 for m = 1), of which the
    first m share one point, and 3 (DRI1, the default) or 2 (RI6) drifts. The products are batched over k by `vmap`; a
    term that forms all of S to multiply by eₖ does m times the necessary work. With many components `SmallNoise` or
    `extrapolate` is the better choice.

    Args:
        tableau: `DRI1` or `RI6`, or any table that satisfies the order conditions.

    Raises:
        TypeError: the noise is not a `CounterPath`.

    Example:
        >>> import diffrax as dfx
        >>> import jax.numpy as jnp
        >>> from sde_momentum.solvers import CounterPath, FusedTerm, ThreePointIncrements
        >>> path = CounterPath(0.0, 1.0, 0.25, seed=7, path_index=jnp.arange(8), increments=ThreePointIncrements())
        >>> term = FusedTerm(lambda t, y, args, dt, dw: -y * dt + 0.1 * y * dw, path)
        >>> dfx.diffeqsolve(term, WeakRK2(), 0.0, 1.0, dt0=0.25, y0=jnp.ones(8)).ys.shape
        (1, 8)

    References:
        A. Rößler, "Second order Runge–Kutta methods for Itô stochastic differential equations", SIAM J. Numer. Anal. 47
        (2009), 1713–1738.
    """

    tableau: ItoTableau = eqx.field(default=DRI1, static=True)

    def order(self, terms):
        """Order for equations without noise, at least."""
        return 2

    def strong_order(self, terms):
        """Strong order for general noise; the method is meant for expectations."""
        return 0.5

    def advance(self, equation, t0, t1, y0):
        """One step of the method."""
        h, noise = equation.control(t0, t1, weak=True)
        if not isinstance(noise, WeakIncrement):
            raise TypeError("WeakRK2 needs the noise of a CounterPath, or a path whose evaluate takes weak=True")
        return _step(self.tableau, equation, t0, h, y0, noise)


class _Noise(eqx.Module):
    """Increments Îₖ and signs of shape `(m, *paths)`, and the basis vectors eₖ in the shape that the terms take."""

    dw: Array
    signs: Array
    basis: Array

    def __init__(self, increment: WeakIncrement):
        whole = increment.has_components
        self.dw = increment.value if whole else increment.value[None]
        self.signs = increment.signs if whole else increment.signs[None]
        count = self.dw.shape[0]
        unit = jnp.eye(count, dtype=self.dw.dtype).reshape((count, count) + (1,) * (self.dw.ndim - 1))
        basis = jnp.broadcast_to(unit, (count, *self.dw.shape))
        self.basis = basis if whole else basis[:, 0]


def _row(row: tuple, trees: list[PyTree], scale: ArrayLike = 1) -> list[tuple[ArrayLike, PyTree]]:
    """Pairs of a coefficient and its tree, without the coefficients that are zero."""
    return [(float(c) * scale, tree) for c, tree in zip(row, trees, strict=False) if c != 0]


def _columns(equation: Equation, t: ArrayLike, points: PyTree, basis: Array, shared: bool) -> PyTree:
    """The columns bᵏ at points that carry the axis k in front, or at one point shared by all."""
    column = lambda point, unit: equation.noise(t, point, unit)
    return jax.vmap(column, in_axes=(None if shared else 0, 0))(points, basis)


def _stages(
    table: ItoTableau, equation: Equation, t: ArrayLike, h: ArrayLike, y: PyTree, increment: WeakIncrement
) -> tuple[list[PyTree], list[PyTree]]:
    """The drifts a(Hᵢ⁰) h and, with the axis k in front, the columns bᵏ(Hᵢᵏ)."""
    noise = _Noise(increment)
    drifts: list[PyTree] = []
    columns: list[PyTree] = []
    kicks: list[PyTree] = []
    for a0, a1, b0, b1 in zip(table.a0, table.a1, table.b0, table.b1, strict=True):
        point = combine((1, y), *_row(a0, drifts), *_row(b0, kicks))
        points = combine((1, y), *_row(a1, drifts), *_row(b1, columns, jnp.sqrt(h)))
        columns.append(_columns(equation, t + float(sum(a1)) * h, points, noise.basis, shared=not any(b1)))
        drifts.append(equation.drift(t + float(sum(a0)) * h, point, h, increment.value))
        kicks.append(_contract(columns[-1], noise.dw))
    return drifts, columns


def _mixed(
    table: ItoTableau, equation: Equation, t: ArrayLike, h: ArrayLike, y: PyTree, noise: _Noise, columns: list[PyTree]
) -> list[PyTree]:
    """The sums over k of the columns bᵏ(Ĥᵢᵏ) with their weights; Ĥᵢᵏ = x wherever the row of B² is zero."""
    integrals = _double_integrals(noise.dw, noise.signs, h)
    shifts = [jax.vmap(_contract, in_axes=(None, 0))(column, integrals) for column in columns]
    parts: list[PyTree] = []
    for b2, beta3, beta4 in zip(table.b2, table.beta3, table.beta4, strict=True):
        points = combine((1, y), *_row(b2, shifts, 1 / jnp.sqrt(h)))
        values = _columns(equation, t, points, noise.basis, shared=False) if any(b2) else columns[0]
        parts.append(_contract(values, float(beta3) * noise.dw + float(beta4) * jnp.sqrt(h)))
    return parts


def _step(
    table: ItoTableau, equation: Equation, t: ArrayLike, h: ArrayLike, y: PyTree, increment: WeakIncrement
) -> PyTree:
    noise = _Noise(increment)
    drifts, columns = _stages(table, equation, t, h, y, increment)
    square = 0.5 * (noise.dw**2 - h) / jnp.sqrt(h)
    weights = (float(b1) * noise.dw + float(b2) * square for b1, b2 in zip(table.beta1, table.beta2, strict=True))
    plain = [_contract(column, weight) for column, weight in zip(columns, weights, strict=True)]
    # With one component Ĥᵢ = x for all i, and the weights β³ and β⁴ add up to zero.
    mixed = _mixed(table, equation, t, h, y, noise, columns) if noise.dw.shape[0] > 1 else []
    return add(combine((1, y), *_row(table.alpha, drifts)), *plain, *mixed)
