"""Φ for batches: gradient flow by a fixed number of Runge–Kutta steps, finished by Newton's method."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._derivatives import Loss
from ._point import find_codimension, newton_step, retract

_STABLE = 2.0  # of the 2.78 that the classical Runge–Kutta method bears on the negative axis


def flow_projection(
    loss: Loss, x: Float[Array, " d"], *, codimension: int | None = None, steps: int = 64, polish: int = 2
) -> Float[Array, " d"]:
    r"""Project a point near Γ on Γ along gradient flow, with the same work for every point.

    `limit_map` adapts its steps and judges its result, one point at a time; this takes `steps` Runge–Kutta steps of
    length 2/λ_max and then Newton steps, whose error is the square of the distance left, δ² e^{−4 steps/κ} with κ the
    ratio of the normal eigenvalues. Newton steps alone (`retract`) differ from Φ by δ².

    Args:
        loss: scalar function of a flat array (d,).
        x: (d,), as near to Γ as iterates of a small learning rate are.
        codimension: number of normal directions, when known.
        steps: Runge–Kutta steps.
        polish: Newton steps.

    Returns:
        (d,), Φ(x) up to the error above.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import flow_projection
        >>> hyperbola = lambda x: 0.5 * (x[0] * x[1] - 1.0) ** 2
        >>> x = flow_projection(hyperbola, jnp.array([1.5, 0.9]))
        >>> print(f"{float(x[0] ** 2 - x[1] ** 2):.4f}")  # conserved by the flow: 1.5² − 0.9²
        1.4400
    """
    foot = retract(loss, x, iterations=2, codimension=codimension)
    known = find_codimension(loss, foot, codimension)
    stiffest = jnp.max(jnp.abs(newton_step(loss, foot, known)[1].eigenvalues))
    step = _STABLE / stiffest
    slope = lambda z: -jax.grad(loss)(z)

    def advance(_, z: Array) -> Array:
        first = slope(z)
        second = slope(z + step / 2 * first)
        third = slope(z + step / 2 * second)
        return z + step / 6 * (first + 2 * second + 2 * third + slope(z + step * third))

    return retract(loss, jax.lax.fori_loop(0, steps, advance, x), iterations=polish, codimension=known)
