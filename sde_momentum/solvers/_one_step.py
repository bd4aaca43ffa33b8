"""What all solvers of this package share, and how they see an equation."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
from diffrax import RESULTS, AbstractItoSolver, AbstractTerm, LocalLinearInterpolation, MultiTerm
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import PyTree

from sde_momentum.solvers._fused_term import FusedTerm


def combine(*weighted: tuple[ArrayLike, PyTree]) -> PyTree:
    """The linear combination Σ weight · tree, in the order given."""
    trees = [tree for _, tree in weighted]
    return jtu.tree_map(lambda *leaves: sum(w * leaf for (w, _), leaf in zip(weighted, leaves, strict=True)), *trees)


def add(*trees: PyTree) -> PyTree:
    """The sum of trees, in the order given."""
    return jtu.tree_map(lambda *leaves: sum(leaves[1:], leaves[0]), *trees)


class Equation(eqx.Module):
    """An equation dy = a dt + S dW seen through the products a dt, S dw and a dt + S dw, whatever its terms are.

    `MultiTerm(ODETerm, ControlTerm)` keeps drift and noise apart; any other term is one whose control is the pair
    (dt, dW), such as `FusedTerm`.
    """

    terms: AbstractTerm
    args: Any

    def control(self, t0: ArrayLike, t1: ArrayLike, **kwargs: Any) -> tuple[Array, Any]:
        """The pair (dt, dW) over [t0, t1]."""
        control = self.terms.contr(t0, t1, **kwargs)
        if not isinstance(control, tuple) or len(control) != 2:
            raise ValueError(
                "terms must be MultiTerm(ODETerm(...), ControlTerm(...)) or one term whose control is the pair "
                f"(dt, dW), got a control of type {type(control).__name__}"
            )
        return control

    def drift(self, t: ArrayLike, y: PyTree, dt: ArrayLike, dw: Array) -> PyTree:
        """The product a(t, y) dt; `dw` only tells the shape of the noise."""
        if isinstance(self.terms, MultiTerm):
            return self.terms.terms[0].vf_prod(t, y, self.args, dt)
        term = getattr(self.terms, "term", self.terms)  # diffrax wraps each term to run time backwards
        if isinstance(term, FusedTerm) and term.drift is not None:
            return combine((dt, term.drift(t, y, self.args)))
        return self.terms.vf_prod(t, y, self.args, (dt, jnp.zeros_like(dw)))

    def noise(self, t: ArrayLike, y: PyTree, dw: Array) -> PyTree:
        """The product S(t, y) dw."""
        if isinstance(self.terms, MultiTerm):
            return self.terms.terms[1].vf_prod(t, y, self.args, dw)
        return self.terms.vf_prod(t, y, self.args, (jnp.zeros_like(t), dw))

    def both(self, t: ArrayLike, y: PyTree, dt: ArrayLike, dw: Array) -> PyTree:
        """The sum a(t, y) dt + S(t, y) dw, in one evaluation where the term allows it."""
        return self.terms.vf_prod(t, y, self.args, (dt, dw))


class AbstractOneStep(AbstractItoSolver):
    """An Itô solver that is a map from one state to the next, without error estimate or state of its own."""

    term_structure: ClassVar = AbstractTerm
    interpolation_cls: ClassVar = LocalLinearInterpolation

    @abc.abstractmethod
    def advance(self, equation: Equation, t0: ArrayLike, t1: ArrayLike, y0: PyTree) -> PyTree:
        """The state at t1 from the state at t0."""

    def init(self, terms, t0, t1, y0, args):
        """No state of its own."""

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        """One step, in the form that diffrax asks for."""
        y1 = self.advance(Equation(terms, args), t0, t1, y0)
        return y1, None, {"y0": y0, "y1": y1}, None, RESULTS.successful

    def func(self, terms, t0, y0, args):
        """The vector field."""
        return terms.vf(t0, y0, args)
