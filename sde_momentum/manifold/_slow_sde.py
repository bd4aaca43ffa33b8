"""The slow equation on the manifold of minimizers, as an SDE object."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from ._flat import FlatProblem
from ._limit_map import LimitPoint, limit_map
from ._noise_report import NoiseOutcome
from ._outcome import Outcome
from ._point import inspect_point, normal_space_at, retract
from ._slow_drift import slow_drift
from ._slow_rule import check_has_slow_equation, check_single_buffer, effective_number, momentum_relaxation
from ._slow_terms import State, slow_terms

if TYPE_CHECKING:
    from sde_momentum.symbolic import UpdateRule


class SlowSDE(eqx.Module):
    r"""dY = λ_τ P S dW + λ_τ² ½ ∂²Φ[Σ] dτ on Γ, Itô, clock τ = kη² (η the effective learning rate).

    Built by `slow_sde`. States are `{"x": params}`; every method takes one replica.

    Attributes:
        problem: loss and noise.
        relaxation_rate: λ of `slow_drift`: infinite below momentum index 1, (1 − β)/η there, zero above.
        schedule: τ ↦ λ_τ, the learning rate as a multiple of η; None for a constant.
        step_time: slow time of one discrete step, η²; None when no numbers were given.
        codimension: number of normal directions; found by the gap test at every point when None.
        retraction_steps: Newton steps that end each `increment`; 0 leaves the plain Itô increment.
        noise_dim: columns of S.
    """

    problem: Any
    relaxation_rate: ArrayLike = math.inf
    schedule: Callable[[ArrayLike], ArrayLike] | None = None
    step_time: float | None = eqx.field(static=True, default=None)
    codimension: int | None = eqx.field(static=True, default=None)
    retraction_steps: int = eqx.field(static=True, default=4)

    @property
    def noise_dim(self) -> int:
        """Columns of S."""
        return self.problem.noise_dim

    def limit(self, x0: PyTree[Array], **settings: Any) -> LimitPoint:
        """Φ(x₀) with its verdict; settings are those of `limit_map`."""
        flat = FlatProblem(self.problem, x0)
        return limit_map(flat.loss, flat.ravel(x0), codimension=self.codimension, **settings)

    def init(self, x0: PyTree[Array]) -> State:
        """The state at τ = 0: Φ(x₀).

        Raises:
            RuntimeError: if gradient flow from x₀ does not end on a manifold of minimizers, or the noise is not finite
                there, with the reason.
        """
        limit = self.limit(x0)
        code, x = limit.code, limit.x
        for outcome in Outcome:
            if outcome is not Outcome.ON_MANIFOLD:
                x = eqx.error_if(x, code == outcome, f"x0 leads to no manifold of minimizers: {outcome.message}")
        flat = FlatProblem(self.problem, x0)
        undefined = ~jnp.all(jnp.isfinite(flat.factor(x)))
        x = eqx.error_if(x, undefined, f"no slow equation at Φ(x0): {NoiseOutcome.UNDEFINED.message}")
        return self.at(flat.unravel(x))

    def at(self, x: PyTree[Array]) -> State:
        """The state at τ = 0 from a point that is known to lie on Γ."""
        return {"x": x}

    def drift(self, t: ArrayLike, state: State, args: Any = None) -> State:
        """λ_τ² ½ ∂²Φ[Σ]."""
        flat, x = self._flat(state)
        return {"x": flat.unravel(self._drift(t, flat, x)[0])}

    def noise_product(self, t: ArrayLike, state: State, args: Any, w: Float[Array, " noise_dim"]) -> State:
        """λ_τ P S w."""
        flat, x = self._flat(state)
        space = normal_space_at(flat.loss, x, self.codimension)
        return {"x": flat.unravel(self._rate(t) * space.tangent(flat.noise_product(x, w)))}

    def increment(self, t: ArrayLike, state: State, args: Any, dt: ArrayLike, dw: Float[Array, " noise_dim"]) -> State:
        """Itô increment over dt, ended by a return to Γ: one Hessian for drift and noise, and one per Newton step."""
        flat, x = self._flat(state)
        drift, space = self._drift(t, flat, x)
        moved = x + drift * dt + self._rate(t) * space.tangent(flat.noise_product(x, dw))
        moved = retract(flat.loss, moved, iterations=self.retraction_steps, codimension=space.codimension)
        return {"x": flat.unravel(moved - x)}

    def retract(self, state: State) -> State:
        """The state returned to Γ by Newton steps in the normal space."""
        flat, x = self._flat(state)
        return {
            "x": flat.unravel(retract(flat.loss, x, iterations=self.retraction_steps, codimension=self.codimension))
        }

    def monitor(self, t: ArrayLike, state: State, args: Any = None) -> dict[str, Array]:
        """What to watch along a path, for `diffrax.SaveAt(fn=...)`: loss, distance to Γ, tr H, gap, verdict."""
        flat, x = self._flat(state)
        point = inspect_point(flat.loss, x, codimension=self.codimension, probe=False)
        watched = {
            "loss": point.loss,
            "distance": point.distance,
            "trace": jnp.sum(point.space.eigenvalues),
            "gap": point.space.gap,
            "codimension": point.space.codimension,
            "outcome": point.code,
        }
        # One dtype: diffrax pads what it saves with infinities.
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, x.dtype), watched)

    def terms(self, path: diffrax.AbstractPath) -> diffrax.MultiTerm:
        """Plain diffrax terms for one replica; solve them with `RetractedEuler(sde.retract)` to stay on Γ."""
        return slow_terms(self, path)

    def _flat(self, state: State) -> tuple[FlatProblem, Float[Array, " d"]]:
        flat = FlatProblem(self.problem, state["x"])
        return flat, flat.ravel(state["x"])

    def _rate(self, t: ArrayLike) -> ArrayLike:
        return 1.0 if self.schedule is None else self.schedule(t)

    def _drift(self, t, flat, x):
        rate = self._rate(t)
        # A learning rate λ_τ η at fixed 1 − β has the relaxation rate (1 − β)/(λ_τ η).
        relaxation = self.relaxation_rate if self.schedule is None else self.relaxation_rate / rate
        drift = slow_drift(flat.loss, flat.covariance, x, relaxation_rate=relaxation, codimension=self.codimension)
        return rate**2 * drift.total, drift.space


def slow_sde(
    problem: Any,
    rule: "UpdateRule | None" = None,
    *,
    momentum_index: float = 0,
    relaxation_rate: float | None = None,
    schedule: Callable[[ArrayLike], ArrayLike] | None = None,
    hyperparameters: Mapping[str, float] | None = None,
    codimension: int | None = None,
    retraction_steps: int = 4,
) -> SlowSDE:
    r"""The slow equation that SGD or a momentum method follows along the minimizers of a problem for O(1/η²) steps.

        dY = λ_τ P S dW + λ_τ² [−½ H⁺ D3[Σ_∥] − ½ P (2 D3[H⁺ Σ_⊥∥] + D3[𝓛_H^{-1} Σ_⊥])] dτ,     τ = kη²

    Every linear rule follows it with its own effective learning rate η (`symbolic.effective_learning_rate`), as long as
    η/(1 − β) → 0. At momentum index 1 the inverses become those of the underdamped process; see `normal_covariance`.

    Args:
        problem: an object with `loss(x)`, `noise_product(x, w)`, `noise_dim`; dense derivatives are taken (d ≤ 500).
        rule: an `UpdateRule`; SGD when None. Refused when it is not linear in state and gradient.
        momentum_index: α in 1 − β = λη^α; 0 (fixed β) by default; below 2.
        relaxation_rate: λ, needed at momentum index 1 only.
        schedule: τ ↦ λ_τ, the learning rate at slow time τ as a multiple of η.
        hyperparameters: numbers for the rule's hyperparameters; fixes `step_time` = η².
        codimension: number of normal directions, when known; otherwise found at every point, which takes five more
            Hessians a step.
        retraction_steps: Newton steps that return each increment to Γ.

    Returns:
        A `SlowSDE`.

    Raises:
        ValueError: for a rule that is not linear, a momentum index outside [0, 2), a missing λ, or a problem without
            the members above.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import slow_sde
        >>> from sde_momentum.problems import general
        >>> circle = general(lambda x: (x @ x - 1.0) ** 2, lambda x, w: w, noise_dim=2)
        >>> sde = slow_sde(circle)
        >>> state = sde.init(jnp.array([0.0, 2.0]))
        >>> bool(jnp.allclose(sde.drift(0.0, state)["x"], jnp.array([0.0, -0.5]), atol=1e-5))
        True

    References:
        Katzenberger (1991); Li, Wang, Arora (2022), theorem 4.6; Wang et al. (2024), theorem 4.5.
    """
    missing = [name for name in ("loss", "noise_product", "noise_dim") if not hasattr(problem, name)]
    if missing:
        raise ValueError(
            f"problem of type {type(problem).__name__} lacks {', '.join(missing)}; see sde_momentum.problems"
        )
    rate = momentum_relaxation(momentum_index, relaxation_rate)
    if rule is not None:
        check_has_slow_equation(rule)
        if momentum_index >= 1:
            check_single_buffer(rule)
    step_time = None
    if hyperparameters is not None:
        eta = hyperparameters["learning_rate"] if rule is None else effective_number(rule, hyperparameters)
        step_time = float(eta) ** 2
    return SlowSDE(problem, rate, schedule, step_time, codimension, retraction_steps)
