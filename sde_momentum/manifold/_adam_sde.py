"""The slow equation of Adam and RMSProp on the manifold of minimizers."""

from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from ._flat import FlatProblem
from ._flow_projection import flow_projection
from ._point import normal_space_at, retract
from ._slow_drift import slow_drift
from ._slow_sde import SlowSDE
from ._slow_terms import State, slow_terms


class AdamSlowSDE(eqx.Module):
    r"""dζ = ∂Φ_S Σ̂^{1/2} dW + ½ ∂²Φ_S[Σ̂] dτ, dv = c(diag Σ − v)dτ, with Σ̂ = SΣS and Φ_S the limit of dx = −S∇L.

    The preconditioner S = 1/(√v̂ + ε) changes slowly and without noise, so it is frozen in Φ_S. In z = S^{−1/2} x the
    flow is a gradient flow of L̃(z) = L(S^{1/2} z) with noise S^{1/2} Σ S^{1/2}: the formulas of `slow_drift` apply
    there, with the kernel of H̃ = S^{1/2} H S^{1/2} in place of that of H. Built by `adam_slow_sde`; states are
    `{"x": params, "v": second moments}`, the clock is τ = kη², and β₁ does not appear as long as η/(1 − β₁) → 0.

    Attributes:
        problem: loss and noise at noise scale 1.
        decay_rate: c in 1 − β₂ = cη².
        epsilon: ε, outside the root.
        bias_correction: whether v̂ = v/(1 − e^{−cτ}).
        codimension: number of normal directions; found at every point when None.
        retraction_steps: Newton steps, in z, that end each `increment`.
    """

    problem: Any
    decay_rate: ArrayLike
    epsilon: ArrayLike = 0.0
    bias_correction: bool = eqx.field(static=True, default=False)
    codimension: int | None = eqx.field(static=True, default=None)
    retraction_steps: int = eqx.field(static=True, default=4)

    @property
    def noise_dim(self) -> int:
        """Columns of the problem's noise factor."""
        return self.problem.noise_dim

    def init(self, x0: PyTree[Array]) -> State:
        """Φ(x₀) of plain gradient flow, with v equilibrated to diag Σ there; v = 0 under bias correction.

        Raises:
            RuntimeError: if gradient flow from x₀ does not end on a manifold of minimizers.
        """
        return self.at(SlowSDE(self.problem, codimension=self.codimension).init(x0)["x"])

    def at(self, x: PyTree[Array]) -> State:
        """The state at τ = 0 from a point that is known to lie on Γ."""
        flat = FlatProblem(self.problem, x)
        v = jnp.diag(flat.covariance(flat.ravel(x)))
        return {"x": x, "v": flat.unravel(jnp.zeros_like(v) if self.bias_correction else v)}

    def drift(self, t: ArrayLike, state: State, args: Any = None) -> State:
        """½ ∂²Φ_S[Σ̂] for x and c(diag Σ − v) for v."""
        flat, x, v, root = self._read(t, state)
        sigma = flat.covariance(x)
        drift = root * self._scaled_drift(flat, x, root, sigma).total
        return {"x": flat.unravel(drift), "v": flat.unravel(self.decay_rate * (jnp.diag(sigma) - v))}

    def noise_product(self, t: ArrayLike, state: State, args: Any, w: Float[Array, " noise_dim"]) -> State:
        """S^{1/2} P̃ S^{1/2} S_noise w for x, with P̃ the projector on ker H̃; zero for v."""
        flat, x, v, root = self._read(t, state)
        loss = lambda z: flat.loss(root * z)
        space = normal_space_at(loss, x / root, self.codimension)
        moved = root * space.tangent(root * flat.noise_product(x, w))
        return {"x": flat.unravel(moved), "v": flat.unravel(jnp.zeros_like(v))}

    def increment(self, t: ArrayLike, state: State, args: Any, dt: ArrayLike, dw: Float[Array, " noise_dim"]) -> State:
        """Itô increment over dt, ended by a return to Γ along S."""
        flat, x, v, root = self._read(t, state)
        sigma = flat.covariance(x)
        drift = self._scaled_drift(flat, x, root, sigma)
        step = drift.total * dt + drift.space.tangent(root * flat.noise_product(x, dw))
        z = retract(
            lambda z: flat.loss(root * z),
            x / root + step,
            iterations=self.retraction_steps,
            codimension=drift.space.codimension,
        )
        return {"x": flat.unravel(root * z - x), "v": flat.unravel(self.decay_rate * (jnp.diag(sigma) - v) * dt)}

    def retract(self, state: State, t: ArrayLike = 0.0) -> State:
        """The state returned to Γ along S by Newton steps; t is its slow time, which matters under bias correction."""
        flat, x, _, root = self._read(t, state)
        loss = lambda z: flat.loss(root * z)
        z = retract(loss, x / root, iterations=self.retraction_steps, codimension=self.codimension)
        return {**state, "x": flat.unravel(root * z)}

    def project(self, t: ArrayLike, state: State) -> State:
        """Φ_S(x) with the preconditioner of the state, for iterates near Γ; see `flow_projection`."""
        flat, x, _, root = self._read(t, state)
        z = flow_projection(lambda z: flat.loss(root * z), x / root, codimension=self.codimension)
        return {**state, "x": flat.unravel(root * z)}

    def terms(self, path: diffrax.AbstractPath) -> diffrax.MultiTerm:
        """Plain diffrax terms for one replica."""
        return slow_terms(self, path)

    def _read(self, t: ArrayLike, state: State):
        """The flat problem, x, v and S^{1/2}."""
        flat = FlatProblem(self.problem, state["x"])
        x, v = flat.ravel(state["x"]), flat.ravel(state["v"])
        corrected = v
        if self.bias_correction:
            age = -jnp.expm1(-self.decay_rate * jnp.asarray(t, x.dtype))
            # v/age → diag Σ as τ → 0, where v itself is still zero.
            fresh = jnp.diag(flat.covariance(x))
            corrected = jnp.where(age > 0, v / jnp.where(age > 0, age, 1.0), fresh)
        return flat, x, v, 1.0 / jnp.sqrt(jnp.sqrt(corrected) + self.epsilon)

    def _scaled_drift(self, flat: FlatProblem, x: Array, root: Array, sigma: Array):
        covariance = root[:, None] * sigma * root[None, :]
        return slow_drift(lambda z: flat.loss(root * z), covariance, x / root, codimension=self.codimension)


def adam_slow_sde(
    problem: Any,
    decay_rate: float,
    *,
    epsilon: float = 0.0,
    bias_correction: bool = False,
    codimension: int | None = None,
    retraction_steps: int = 4,
) -> AdamSlowSDE:
    r"""Slow equation of Adam (and of RMSProp) for 1 − β₂ = cη², on the clock τ = kη².

    Under label noise Σ = cH and with v equilibrated to diag Σ, Adam decreases tr (Diag H)^{1/2} where SGD decreases
    tr H. With 1 − β₂ ∝ η the second moments follow within the fast time and this limit does not hold.

    Args:
        problem: an object with `loss`, `noise_product`, `noise_dim`; dense derivatives are taken (d ≤ 500).
        decay_rate: c in 1 − β₂ = cη²; unit 1/slow time.
        epsilon: ε outside the root; unit loss/parameter. Positive where a coordinate carries no noise.
        bias_correction: whether the second moments start at zero and are divided by 1 − β₂^k.
        codimension: number of normal directions, when known.
        retraction_steps: Newton steps that return each increment to Γ.

    Returns:
        An `AdamSlowSDE`.

    Raises:
        ValueError: if `decay_rate` or `epsilon` is negative.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import adam_slow_sde
        >>> from sde_momentum.problems import general
        >>> hyperbola = lambda x: 0.5 * (x[0] * x[1] - 1.0) ** 2
        >>> noise = lambda x, w: w[0] * jnp.array([x[1], x[0]])
        >>> sde = adam_slow_sde(general(hyperbola, noise, noise_dim=1), decay_rate=1.0, codimension=1)
        >>> x = jnp.array([2.0, 0.5])
        >>> state = {"x": x, "v": jnp.array([0.25, 4.0])}
        >>> moves = sde.drift(0.0, state)["x"]
        >>> bool(moves[0] < 0) and bool(moves[1] > 0)  # towards balance
        True

    References:
        Li, Wen, Lyu (2025).
    """
    if decay_rate < 0 or epsilon < 0:
        raise ValueError(f"decay_rate={decay_rate} and epsilon={epsilon} must not be negative")
    return AdamSlowSDE(problem, decay_rate, epsilon, bias_correction, codimension, retraction_steps)
