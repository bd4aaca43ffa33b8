"""Weak order 2 for additive noise at two evaluations a step."""

from sde_momentum.solvers._one_step import AbstractOneStep, add, combine


class WeakRK2Additive(AbstractOneStep):
    r"""Heun's method with the noise inside, of weak order 2 for additive noise dX = a(t, X) dt + S(t) dW.

        p = a(t, x) h + S(t) ΔW,    X' = x + ½ [p + a(t + h, x + p) h + S(t + h) ΔW].

    Two evaluations of drift and noise together per step. S must not depend on the state: otherwise the limit is the
    Stratonovich equation, not the Itô one, and nothing warns of it. Gaussian and three-point increments serve equally.

    Example:
        >>> import diffrax as dfx
        >>> import jax.numpy as jnp
        >>> from sde_momentum.solvers import CounterPath, FusedTerm
        >>> path = CounterPath(t0=0.0, t1=1.0, dt=0.25, seed=7, path_index=jnp.arange(8))
        >>> term = FusedTerm(lambda t, y, args, dt, dw: -y * dt + 0.1 * dw, path)
        >>> dfx.diffeqsolve(term, WeakRK2Additive(), 0.0, 1.0, dt0=0.25, y0=jnp.ones(8)).ys.shape
        (1, 8)

    References:
        P. E. Kloeden, E. Platen, "Numerical Solution of Stochastic Differential Equations", Springer (1992), (15.1.4).
    """

    def order(self, terms):
        """Order for equations without noise."""
        return 2

    def strong_order(self, terms):
        """Strong order for additive noise."""
        return 1

    def advance(self, equation, t0, t1, y0):
        """One step of the scheme."""
        h, w = equation.control(t0, t1)
        first = equation.both(t0, y0, h, w)
        second = equation.both(t1, add(y0, first), h, w)
        return add(y0, combine((0.5, first), (0.5, second)))
