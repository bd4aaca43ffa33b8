"""Drift and diffusion in one evaluation."""

from collections.abc import Callable
from typing import Any

from diffrax import AbstractPath, AbstractTerm
from jax.typing import ArrayLike
from jaxtyping import PyTree


class FusedTerm(AbstractTerm):
    """A stochastic equation dy = a(t, y) dt + S(t, y) dW given by one function that returns a dt + S dW at once.

    Where drift and noise share their work, as the backward pass of a network does, this costs one pass where
    `MultiTerm(ODETerm(...), ControlTerm(...))` costs two or, with a dense S, as many as there are noise components.
    All solvers of this package take it, and so does every diffrax solver that needs `vf_prod` only, such as `Euler`.

    Args:
        increment: `(t, y, args, dt, dw) -> a(t, y) dt + S(t, y) dw`, of the structure of y and linear in (dt, dw).
        path: the noise, such as a `CounterPath`.
        drift: `(t, y, args) -> a(t, y)`, used where a solver needs the drift alone; by default `increment` with dw = 0.

    Example:
        >>> import diffrax as dfx
        >>> import jax.numpy as jnp
        >>> from sde_momentum.solvers import CounterPath
        >>> path = CounterPath(t0=0.0, t1=1.0, dt=0.25, seed=7, path_index=jnp.arange(8))
        >>> term = FusedTerm(lambda t, y, args, dt, dw: -y * dt + 0.1 * dw, path)
        >>> dfx.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, dt0=0.25, y0=jnp.zeros(8)).ys.shape
        (1, 8)
    """

    increment: Callable[[ArrayLike, PyTree, Any, ArrayLike, PyTree], PyTree]
    path: AbstractPath
    drift: Callable[[ArrayLike, PyTree, Any], PyTree] | None = None

    def vf(self, t, y, args):
        """The point (t, y, args), which stands for the linear map (dt, dw) → a dt + S dw there; no column is formed."""
        return t, y, args

    def contr(self, t0, t1, **kwargs):
        """The pair (dt, dW), the same as for `MultiTerm(ODETerm(...), ControlTerm(...))`."""
        return t1 - t0, self.path.evaluate(t0, t1, **kwargs)

    def prod(self, vf, control):
        """The linear map of `vf` applied to the control (dt, dW)."""
        return self.vf_prod(*vf, control)

    def vf_prod(self, t, y, args, control):
        """The increment a dt + S dW for the control (dt, dW)."""
        dt, dw = control
        return self.increment(t, y, args, dt, dw)
