"""Label noise on one weighted sum of squares: the smallest manifold whose slow flow is known in closed form."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, ArrayLike, Float, PyTree

from sde_momentum.problems._check import check_finite, check_positive, check_shape
from sde_momentum.problems._label_noise_base import AbstractLabelNoise


class LabelNoiseParabola(AbstractLabelNoise):
    r"""f(u) = Σ z_i u_i², L = ½ (f − 1)², label 1 ± δ. Built by `label_noise_parabola`.

    The manifold of minimizers is the ellipsoid f = 1, on which tr H = 4 Σ z_i² u_i² and Σ = δ² H.

    Attributes:
        inputs: The weights z as one row, shape `(1, d)`.
        targets: The label, 1.
        delta: δ.
        start: Where `initial` starts.
    """

    inputs: Float[Array, "1 d"]
    targets: Float[Array, " 1"]
    delta: Float[Array, ""]
    start: Float[Array, " d"]

    loss_factor: ClassVar[float] = 0.5
    batch_size: ClassVar[int | None] = None

    @property
    def weights(self) -> Float[Array, " d"]:
        """The weights z."""
        return self.inputs[0]

    def predict(self, x: Float[ArrayLike, " d"], inputs: PyTree[Array]) -> Float[Array, " rows"]:
        """Return Σ z_i u_i² for every row z."""
        return inputs @ check_shape(x, self.weights.shape) ** 2

    def initial(self, seed: int = 0) -> Array:
        """Return the start; there is nothing random in it."""
        del seed
        return self.start

    def hessian_trace(self, x: Float[ArrayLike, " d"]) -> Float[Array, ""]:
        """Return 4 Σ z_i² u_i², the trace of the Hessian on the manifold: the implicit regularizer."""
        return 4 * jnp.sum((self.weights * jnp.asarray(x)) ** 2)

    def limit_map(self, x: Float[ArrayLike, " d"]) -> Float[Array, " d"]:
        r"""Return Φ(u), where gradient flow from u ends: u_i e^{z_i y} with Σ z_i u_i² e^{2 z_i y} = 1.

        Exact up to a scalar root, and differentiable twice.
        """
        return self._onto_manifold(x, jnp.zeros_like(self.weights))

    def slow_drift(self, x: Float[ArrayLike, " d"]) -> Float[Array, " d"]:
        r"""Return du/dτ = 2δ² z_i u_i (Σ z³u²/Σ z²u² − z_i) on the manifold, τ = kη²; it is −(δ²/4) ∇_Γ tr H."""
        z, x = self.weights, check_shape(x, self.weights.shape)
        pull = jnp.sum(z**3 * x**2) / jnp.sum(z**2 * x**2)
        return 2 * self.delta**2 * z * x * (pull - z)

    def slow_flow(self, squares: Float[ArrayLike, " d"]) -> Float[Array, " d"]:
        r"""Return dw/dτ = 4δ² z_i w_i (Σ z³w/Σ z²w − z_i) for the squares w = u²."""
        z, w = self.weights, check_shape(squares, self.weights.shape)
        return 4 * self.delta**2 * z * w * (jnp.sum(z**3 * w) / jnp.sum(z**2 * w) - z)

    def slow_solution(self, x: Float[ArrayLike, " d"], slow_time: ArrayLike) -> Float[Array, " d"]:
        r"""Return u(τ) on the manifold from u(0) = Φ(u): Φ(u e^{−2δ²z²τ}), the slow flow solved.

        The flow of log u is −2δ² z² plus a multiple of z, and limit maps add multiples of z.
        """
        return self._onto_manifold(x, -2 * self.delta**2 * self.weights**2 * jnp.asarray(slow_time))

    def _onto_manifold(self, x: Float[ArrayLike, " d"], exponents: Float[Array, " d"]) -> Float[Array, " d"]:
        """Return Φ(u e^{exponents}), with exponents kept apart so that nothing underflows."""
        x = check_shape(x, self.weights.shape)
        z, exponents = self.weights.astype(x.dtype), exponents.astype(x.dtype)
        return x * jnp.exp(exponents + z * _flow_time(2 * z, 2 * exponents, z * x**2))


def label_noise_parabola(
    weights: Float[ArrayLike, " d"],
    delta: float,
    *,
    start: Float[ArrayLike, " d"] | None = None,
    dtype: Any = None,
) -> LabelNoiseParabola:
    r"""Label noise on f(u) = Σ z_i u_i², L = ½ (f − 1)², whose slow flow on the manifold f = 1 is explicit.

        dw_i/dτ = 4δ² z_i w_i (Σ z³w / Σ z²w − z_i) ,   w = u² ,  τ = kη² .

    It decreases tr H = 4 Σ z²w until only the smallest weight is left.

    Args:
        weights: z, shape `(d,)`, positive.
        delta: δ > 0.
        start: Where `initial` starts, shape `(d,)`; by default the point of the manifold with equal components.
        dtype: Floating-point type; the default is JAX's current default.

    Returns:
        The problem; u has shape `(d,)`.

    Raises:
        ValueError: If a weight or δ is not positive and finite.

    Example:
        >>> problem = label_noise_parabola([1.0, 2.0], delta=0.5)
        >>> [round(float(speed), 4) for speed in problem.slow_flow(problem.initial() ** 2)]
        [0.2667, -0.1333]
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    weights = check_finite(jnp.asarray(weights, dtype), "weights")
    if weights.ndim != 1 or weights.size == 0 or not bool(jnp.all(weights > 0)):
        raise ValueError(f"weights must be positive numbers of shape (d,), but are {weights!r}.")
    start = jnp.full(weights.shape, 1 / jnp.sqrt(jnp.sum(weights))) if start is None else jnp.asarray(start, dtype)
    return LabelNoiseParabola(
        weights[None],
        jnp.ones(1, dtype),
        jnp.asarray(check_positive(delta, "delta"), dtype),
        check_shape(check_finite(start, "start"), weights.shape),
    )


def _flow_time(
    rates: Float[Array, " d"], exponents: Float[Array, " d"], masses: Float[Array, " d"]
) -> Float[Array, ""]:
    """Solve Σ masses e^{exponents + rates y} = 1 by Newton on its logarithm: convex in y, so it always converges."""

    def improve(_, y: Array) -> Array:
        # Newton's map has derivative 0 at the root, so differentiating the last steps differentiates the root.
        powers = exponents + rates * y
        logarithm = logsumexp(powers, b=masses)
        return y - logarithm / jnp.sum(rates * masses * jnp.exp(powers - logarithm))

    return jax.lax.fori_loop(0, _NEWTON_STEPS, improve, jnp.zeros((), rates.dtype))


_NEWTON_STEPS = 60
