"""The yardstick of an equation's cost: the plain SGD step of the same problem."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from sde_momentum.ensembles._block_moments import MomentPlan
from sde_momentum.ensembles._observables import resolve_observables
from sde_momentum.ensembles._run import Clock, Run

# A step that moves nowhere costs the same and cannot diverge.
_LEARNING_RATE = 1e-12


class _GradientSteps(eqx.Module):
    """x' = x − η g(x): one stochastic gradient a step."""

    problem: Any

    @property
    def draw(self) -> Any:
        """What one stochastic gradient consumes."""
        return self.problem.draw

    def step(self, k: Array, state: dict[str, Any], draw: Any) -> dict[str, Any]:
        """One step."""
        gradient = self.problem.stochastic_gradient(state["x"], draw, 1.0)
        return {"x": jax.tree.map(lambda x, g: x - _LEARNING_RATE * g, state["x"], gradient)}


def sgd_run(run: Run) -> Run | None:
    """The same problem, block and number of steps, as plain SGD; `None` where the process knows no problem.

    Args:
        run: The run of an equation.
    """
    problem = getattr(run.process, "problem", None)
    if run.solver is None or problem is None or not isinstance(run.start, dict) or "x" not in run.start:
        return None
    start = {"x": run.start["x"]}
    return dataclasses.replace(
        run,
        process=_GradientSteps(problem),
        start=start,
        clock=Clock(run.clock.t1, run.clock.save_steps[-1:], False),
        observables=resolve_observables({"x": _first_number}, start),
        plan=MomentPlan(False, False, ()),
        solver=None,
        increments=None,
    )


def _first_number(state: PyTree[Array]) -> Float[Array, ""]:
    return jnp.ravel(jax.tree.leaves(state)[0])[0]
