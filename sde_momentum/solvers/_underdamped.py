"""Position and momentum: a term, and a splitting that is exact for its linear part."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
from diffrax import AbstractPath, AbstractTerm
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import PyTree

from sde_momentum.solvers._one_step import AbstractOneStep, add, combine


class UnderdampedTerm(AbstractTerm):
    r"""The equation of a position x and a momentum v with noise that may depend on the position.

        dx = c v dt,    dv = −γ v dt + F(t, x) dt + S(t, x) dW.

    The state is the pair (x, v) of two pytrees of the same structure. Any solver of this package takes the term;
    `UnderdampedSplitting` takes advantage of its form.

    Args:
        kick: `(t, x, args, dt, dw) -> F(t, x) dt + S(t, x) dw`, linear in (dt, dw).
        path: the noise, such as a `CounterPath`.
        friction: γ ≥ 0 (1 / time).
        speed: c (position / momentum / time).

    Example:
        >>> import diffrax as dfx
        >>> import jax.numpy as jnp
        >>> from sde_momentum.solvers import CounterPath
        >>> path = CounterPath(t0=0.0, t1=1.0, dt=0.25, seed=7, path_index=jnp.arange(8))
        >>> term = UnderdampedTerm(lambda t, x, args, dt, dw: -x * dt + 0.1 * x * dw, path, friction=2.0)
        >>> x, v = dfx.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, 0.25, (jnp.ones(8), jnp.zeros(8))).ys
        >>> x.shape
        (1, 8)
    """

    kick: Callable[[ArrayLike, PyTree, Any, ArrayLike, PyTree], PyTree]
    path: AbstractPath
    friction: ArrayLike
    speed: ArrayLike = 1.0

    def vf(self, t, y, args):
        """The point (t, y, args), which stands for the linear map from (dt, dw) to the increment there."""
        return t, y, args

    def contr(self, t0, t1, **kwargs):
        """The pair (dt, dW)."""
        return t1 - t0, self.path.evaluate(t0, t1, **kwargs)

    def prod(self, vf, control):
        """The linear map of `vf` applied to the control (dt, dW)."""
        return self.vf_prod(*vf, control)

    def vf_prod(self, t, y, args, control):
        """The increment of (x, v) for the control (dt, dW)."""
        (x, v), (dt, dw) = y, control
        kick = self.kick(t, x, args, dt, dw)
        return combine((self.speed * dt, v)), add(combine((-self.friction * dt, v)), kick)


def _mean_decay(rate: ArrayLike, h: ArrayLike) -> Array:
    """(1 − e^(−rate h)) / rate, and h where the rate is zero."""
    rate = jnp.asarray(rate, jnp.result_type(rate, h))
    return jnp.where(rate == 0, h, -jnp.expm1(-rate * h) / jnp.where(rate == 0, 1, rate))


class UnderdampedSplitting(AbstractOneStep):
    r"""Strang splitting of weak order 2 for `UnderdampedTerm`, with one evaluation of force and noise per step.

    Half a step of the linear part, exactly, a kick with the position held, and half a step of the linear part:

        x ← x + c (1 − e^(−γh/2))/γ v,  v ← e^(−γh/2) v;    v ← v + F(t + h/2, x) h + S(t + h/2, x) ΔW;    again.

    The noise enters v only and depends on x only, so the kick is exact in law for Gaussian increments, double integrals
    do not arise, and general noise costs no more than additive: one product S w, whatever the number of components.
    The linear part is exact for every γ h: with friction that is fast against the step, the position follows the
    overdamped equation. Gaussian and three-point increments serve equally.

    Example:
        >>> import diffrax as dfx
        >>> import jax.numpy as jnp
        >>> from sde_momentum.solvers import CounterPath
        >>> path = CounterPath(t0=0.0, t1=1.0, dt=0.25, seed=7, path_index=jnp.arange(8))
        >>> term = UnderdampedTerm(lambda t, x, args, dt, dw: -x * dt + 0.1 * x * dw, path, friction=2.0)
        >>> y0 = (jnp.ones(8), jnp.zeros(8))
        >>> x, v = dfx.diffeqsolve(term, UnderdampedSplitting(), 0.0, 1.0, 0.25, y0).ys
        >>> x.shape
        (1, 8)

    References:
        B. Leimkuhler, C. Matthews, "Rational construction of stochastic numerical methods for molecular sampling",
        Appl. Math. Res. Express 2013, 34–56: splittings of Langevin dynamics and their weak order.
    """

    term_structure: ClassVar = UnderdampedTerm

    def order(self, terms):
        """Order for equations without noise."""
        return 2

    def strong_order(self, terms):
        """Strong order."""
        return 1

    def advance(self, equation, t0, t1, y0):
        """One step of the splitting."""
        h, w = equation.control(t0, t1)
        term = getattr(equation.terms, "term", equation.terms)  # diffrax wraps each term to run time backwards

        def drift_half(x: PyTree, v: PyTree) -> tuple[PyTree, PyTree]:
            travel, decay = term.speed * _mean_decay(term.friction, h / 2), jnp.exp(-term.friction * h / 2)
            return add(x, combine((travel, v))), combine((decay, v))

        x, v = drift_half(*y0)
        v = add(v, term.kick(t0 + h / 2, x, equation.args, h, w))
        return drift_half(x, v)
