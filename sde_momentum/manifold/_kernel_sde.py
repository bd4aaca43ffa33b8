"""The slow flow of label noise for networks, through the kernel."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PyTree

from ._kernel_drift import kernel_slow_drift
from ._kernel_space import Model, kernel_space
from ._outcome import Outcome
from ._slow_terms import State, slow_terms


def kernel_retract(
    model: Model,
    params: PyTree[Array],
    inputs: PyTree[Array],
    targets: Float[Array, "..."],
    *,
    iterations: int = 2,
    batch: int = 32,
) -> tuple[PyTree[Array], Float[Array, ""]]:
    """Return to interpolation by Gauss–Newton steps of least norm, x ← x − Jᵀ(JJᵀ)⁺(f − y).

    Near Γ this is `retract`: the steps lie in the normal space, and Φ is met up to the square of the distance.

    Args:
        model: as in `kernel_space`.
        params: pytree with d numbers.
        inputs: pytree of arrays with a leading axis of rows.
        targets: y, the shape of the predictions.
        iterations: number of steps; each takes one Jacobian and one n × n eigendecomposition.
        batch: rows differentiated at a time.

    Returns:
        Parameters, and max |f − y| after the last step.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import kernel_retract
        >>> params, left = kernel_retract(lambda w, u: u @ w**2, jnp.ones(3), jnp.ones((1, 3)), jnp.array([2.7]))
        >>> float(left) < 1e-3
        True
    """
    flat, unravel = ravel_pytree(params)
    residual = lambda z: jnp.ravel(model(unravel(z), inputs) - targets)

    def step(_, z: Array) -> Array:
        return z - kernel_space(model, unravel(z), inputs, batch=batch).least_norm(residual(z))

    flat = jax.lax.fori_loop(0, iterations, step, flat)
    return unravel(flat), jnp.max(jnp.abs(residual(flat)))


class KernelSlowSDE(eqx.Module):
    r"""dY/dτ = −λ_τ² (c/4) ∇_Γ tr H on the interpolating parameters of a model, clock τ = kη².

    Label noise has Σ = cH: no tangential part, so the slow equation is a flow, and Σ commutes with H, so it is the same
    for SGD and for every momentum index below 2. O(nd) memory; never a d × d matrix.

    Attributes:
        problem: a label-noise problem: `predict(params, rows)`, `inputs`, `targets`, `loss_factor`,
            `noise_curvature_ratio`, `noise_dim`, `noise_product`.
        schedule: τ ↦ λ_τ, the learning rate as a multiple of η; None for a constant.
        retraction_steps: Gauss–Newton steps that end each `increment`.
        batch: rows differentiated at a time.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import KernelSlowSDE
        >>> from sde_momentum.problems import label_noise
        >>> problem = label_noise(lambda x, u: u @ x**2, jnp.array([[1.0, 2.0]]), jnp.array([3.0]), delta=1.0)
        >>> sde = KernelSlowSDE(problem)
        >>> state = sde.init(jnp.array([1.1, 0.9]))
        >>> sde.drift(0.0, state)["x"].shape
        (2,)

    References:
        Blanc et al. (2020); Li, Wang, Arora (2022).
    """

    problem: Any
    schedule: Callable[[ArrayLike], ArrayLike] | None = None
    retraction_steps: int = eqx.field(static=True, default=2)
    batch: int = eqx.field(static=True, default=32)

    @property
    def noise_dim(self) -> int:
        """Columns of the problem's noise factor, all of whose columns are normal to Γ."""
        return self.problem.noise_dim

    def init(self, x0: PyTree[Array]) -> State:
        """The interpolating parameters next to x₀, by twenty Gauss–Newton steps; train first if x₀ is far.

        Raises:
            RuntimeError: if the residual does not vanish, or the kernel is degenerate.
        """
        x, left = self._retract(x0, 20)
        size = 1 + jnp.max(jnp.abs(self.problem.targets))
        tolerance = size * jnp.finfo(left.dtype).eps ** 0.5
        x = eqx.error_if(
            x, ~(left <= tolerance), "x0 leads to no interpolating parameters: the residual does not vanish"
        )
        code = kernel_space(self.problem.predict, x, self.problem.inputs, batch=self.batch).code
        for outcome in (Outcome.DEGENERATE_GAP, Outcome.ISOLATED, Outcome.UNDEFINED):
            x = eqx.error_if(x, code == outcome, f"x0 leads to no manifold of minimizers: {outcome.message}")
        return {"x": x}

    def drift(self, t: ArrayLike, state: State, args: Any = None) -> State:
        """−λ_τ² (c/4) ∇_Γ tr H."""
        rate = 1.0 if self.schedule is None else self.schedule(t)
        drift = self._kernel(state).drift
        return {"x": jax.tree.map(lambda leaf: jnp.asarray(rate**2, leaf.dtype) * leaf, drift)}

    def noise_product(self, t: ArrayLike, state: State, args: Any, w: Float[Array, " noise_dim"]) -> State:
        """P S w = 0: label noise has no tangential part."""
        return jax.tree.map(jnp.zeros_like, state)

    def increment(self, t: ArrayLike, state: State, args: Any, dt: ArrayLike, dw: Float[Array, " noise_dim"]) -> State:
        """Drift over dt, ended by a return to Γ."""
        moved = jax.tree.map(lambda x, b: x + b * jnp.asarray(dt, x.dtype), state, self.drift(t, state, args))
        return jax.tree.map(jnp.subtract, self.retract(moved), state)

    def retract(self, state: State) -> State:
        """The state returned to interpolation."""
        return {"x": self._retract(state["x"], self.retraction_steps)[0]}

    def monitor(self, t: ArrayLike, state: State, args: Any = None) -> dict[str, Array]:
        """What to watch along a path: loss, tr H, distance to Γ, gap of the kernel."""
        problem = self.problem
        space = kernel_space(problem.predict, state["x"], problem.inputs, batch=self.batch)
        residual = jnp.ravel(problem.predict(state["x"], problem.inputs) - problem.targets)
        return {
            "loss": problem.loss(state["x"]),
            "distance": jnp.linalg.norm(space.least_norm(residual)),
            "trace": self._curvature * jnp.sum(space.eigenvalues),
            "gap": space.gap,
        }

    def terms(self, path: diffrax.AbstractPath) -> diffrax.MultiTerm:
        """Plain diffrax terms for one replica; solve them with `RetractedEuler(sde.retract)` to stay on Γ."""
        return slow_terms(self, path)

    @property
    def _curvature(self) -> ArrayLike:
        return 2 * self.problem.loss_factor / self.problem.targets.shape[0]

    def _kernel(self, state: State):
        noise = self.problem.noise_curvature_ratio * self._curvature
        return kernel_slow_drift(
            self.problem.predict,
            state["x"],
            self.problem.inputs,
            curvature=self._curvature,
            output_noise=noise,
            batch=self.batch,
        )

    def _retract(self, x: PyTree[Array], iterations: int):
        problem = self.problem
        return kernel_retract(
            problem.predict, x, problem.inputs, problem.targets, iterations=iterations, batch=self.batch
        )
