"""Euler–Maruyama with several substeps in one step of the solver."""

import functools

import equinox as eqx
import jax
import jax.tree_util as jtu
import numpy as np
from jax import Array, lax
from jaxtyping import PyTree

from sde_momentum.solvers._counter_path import DeferredSubsteps, Substeps
from sde_momentum.solvers._elementwise import is_elementwise
from sde_momentum.solvers._one_step import AbstractOneStep, Equation, add
from sde_momentum.solvers._pack import fits, in_one_loop


def _drawn(control: PyTree) -> PyTree:
    """The control with its noise drawn."""
    is_deferred = lambda part: isinstance(part, DeferredSubsteps)
    return jtu.tree_map(lambda part: part.drawn() if is_deferred(part) else part, control, is_leaf=is_deferred)


def _substep_control(control: PyTree, index: int, count: int) -> PyTree:
    """The control of one substep: its own noise increment, and an equal part of the time."""
    is_substeps = lambda part: isinstance(part, Substeps)
    take = lambda part: part.values[index] if is_substeps(part) else part / count
    return jtu.tree_map(take, control, is_leaf=is_substeps)


class MacroEuler(AbstractOneStep):
    r"""Euler–Maruyama that takes m substeps of length h in every step of length m h.

        y ← y + a(t, y) h + S(t, y) ΔW,    m times.

    Same numbers as `diffrax.Euler` with step h on the same `CounterPath`, but the state stays in registers between the
    substeps and, for scalar noise, neighboring steps share one hash and both outputs of Box–Muller. Weak order 1.

    A state of several arrays is fastest as a tuple of up to four float32 (two float64) arrays of shape `(N,)`, one for
    each component, with terms that treat each path by itself: a macro step of it is then one loop.

    Give `diffeqsolve` the macro step m h as `dt0`; output times are multiples of it (between them interpolation is
    linear). The noise must be a `CounterPath` of step h; Gaussian scalar noise is fastest for m a multiple of 4.

    Args:
        substeps: m ≥ 1. More than 16 only lengthens compilation, but two-valued noise gains up to 64.

    Raises:
        ValueError: `substeps` < 1.

    Example:
        >>> import diffrax as dfx
        >>> import jax.numpy as jnp
        >>> from sde_momentum.solvers import CounterPath, FusedTerm
        >>> path = CounterPath(t0=0.0, t1=1.0, dt=1 / 16, seed=7, path_index=jnp.arange(8))
        >>> term = FusedTerm(lambda t, y, args, dt, dw: -y * dt + 0.1 * dw, path)
        >>> dfx.diffeqsolve(term, MacroEuler(substeps=4), 0.0, 1.0, dt0=0.25, y0=jnp.zeros(8)).ys.shape
        (1, 8)

    References:
        G. Maruyama, "Continuous Markov processes and stochastic equations", Rend. Circ. Mat. Palermo 4 (1955).
    """

    substeps: int = eqx.field(default=4, static=True)

    def __check_init__(self):
        if not isinstance(self.substeps, int) or self.substeps < 1:
            raise ValueError(f"substeps must be a positive integer, got {self.substeps!r}")

    def order(self, terms):
        """Order for equations without noise."""
        return 1

    def strong_order(self, terms):
        """Strong order for general noise."""
        return 0.5

    def advance(self, equation, t0, t1, y0):
        """`substeps` Euler steps over [t0, t1]."""
        contr = functools.partial(equation.terms.contr, t0, t1, substeps=self.substeps)
        if self.substeps > 1 and fits(jtu.tree_leaves(y0)):
            control = contr(deferred=True)
            take = lambda y: self._take(equation, t0, t1, y, _drawn(control))
            if self._is_elementwise(equation, t0, t1, y0, control):
                return in_one_loop(lax.convert_element_type(t0, np.uint32), take, y0)
        return self._take(equation, t0, t1, y0, contr())

    def _take(self, equation: Equation, t0: Array, t1: Array, y: PyTree, control: PyTree) -> PyTree:
        length = (t1 - t0) / self.substeps
        for index in range(self.substeps):
            part = _substep_control(control, index, self.substeps)
            y = add(y, equation.terms.vf_prod(t0 + index * length, y, equation.args, part))
        return y

    def _is_elementwise(self, equation: Equation, t0: Array, t1: Array, y0: PyTree, control: PyTree) -> bool:
        """Whether one substep is; only then is a macro step one loop that computes nothing twice."""
        like = jax.eval_shape(lambda: _substep_control(_drawn(control), 0, self.substeps))
        step = lambda y, part: equation.terms.vf_prod(t0, y, equation.args, part)
        return is_elementwise(jax.make_jaxpr(step)(y0, like).jaxpr)
