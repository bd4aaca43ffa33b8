"""The limit of gradient flow, Φ."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ._derivatives import Loss, hessian_vector_product
from ._outcome import Outcome
from ._point import ManifoldPoint, find_codimension, inspect_point, retract


class LimitPoint(eqx.Module):
    """Where gradient flow ends.

    Args:
        x: (d,), Φ(x₀); meaningful when `converged`.
        point: what is known about it (`ManifoldPoint`).
        displacement: distance that the final Newton polish moved; Φ is exact to its square. Unit of x.
        time: flow time used.
        steps: accepted and rejected steps of the solver.
        code: integer value of the `Outcome`.
    """

    x: Float[Array, " d"]
    point: ManifoldPoint
    displacement: Float[Array, ""]
    time: Float[Array, ""]
    steps: Int[Array, ""]
    code: Int[Array, ""]

    @property
    def converged(self) -> Array:
        """Whether a limit was reached, whatever it is (a manifold, a point, a saddle)."""
        return (self.code != Outcome.ESCAPED) & (self.code != Outcome.UNFINISHED) & (self.code != Outcome.UNDEFINED)

    @property
    def outcome(self) -> Outcome:
        """The verdict (concrete values only)."""
        return Outcome(int(self.code))


def limit_map(
    loss: Loss,
    x: Float[Array, " d"],
    *,
    tolerance: float | None = None,
    solver_tolerance: float | None = None,
    minimum_time: float = 0.0,
    polish: int = 4,
    codimension: int | None = None,
    escape_radius: float = 1e6,
    solver: diffrax.AbstractSolver | None = None,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    dt0: float | None = None,
    adjoint: diffrax.AbstractAdjoint | None = None,
    max_steps: int = 4096,
) -> LimitPoint:
    """Limit of gradient flow, Φ(x₀) = lim x(t) for dx/dt = −∇L(x), x(0) = x₀.

    The flow runs until the distance to its limit, |∇L|²/|H∇L|, is below `tolerance` (1 + |x|), then Newton's method in
    the normal space removes the rest; this changes Φ only by the square of the distance. For dense Hessians (d ≤ 500).

    Args:
        loss: scalar function of a flat array (d,).
        x: (d,), the start x₀.
        tolerance: relative distance at which the flow hands over to Newton's method; √ε by default.
        solver_tolerance: relative and absolute tolerance of the ODE solver; ε^{0.55} by default.
        minimum_time: flow time before which the flow does not stop; with derivatives, a multiple of 1/λ_min.
        polish: number of Newton steps.
        codimension: number of normal directions, when known; the gap test finds it otherwise.
        escape_radius: the flow has escaped when |x − x₀| exceeds this many (1 + |x₀|).
        solver: any diffrax ODE solver; `Kvaerno5`, which bears stiffness, by default.
        stepsize_controller: `PIDController` by default. To differentiate Φ at a point of Γ use `ConstantStepSize` and a
            `minimum_time`: the point itself is at rest there, its tangents are not.
        dt0: first step, or the constant one; chosen by diffrax when None.
        adjoint: `ForwardMode` by default: `jax.jvp` and `jax.jacfwd` work.
        max_steps: largest number of solver steps.

    Returns:
        A `LimitPoint`; escape, saddles and unfinished flows are data in `code`.

    Raises:
        ValueError: if `x` is not a flat floating-point array.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import limit_map
        >>> limit = limit_map(lambda x: (x @ x - 1.0) ** 2, jnp.array([3.0, 4.0]))
        >>> limit.outcome.name, [f"{v:.4f}" for v in limit.x]
        ('ON_MANIFOLD', ['0.6000', '0.8000'])

    References:
        Katzenberger (1991); Li, Wang, Arora (2022).
    """
    x = jnp.asarray(x)
    if x.ndim != 1 or not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"x must be a flat floating-point array (d,), got shape {x.shape}, {x.dtype}; ravel pytrees first"
        )
    eps = float(jnp.finfo(x.dtype).eps)
    rtol = eps**0.55 if solver_tolerance is None else solver_tolerance
    controller = diffrax.PIDController(rtol=rtol, atol=rtol) if stepsize_controller is None else stepsize_controller
    settings: dict[str, Any] = {
        "solver": diffrax.Kvaerno5() if solver is None else solver,
        "stepsize_controller": controller,
        "dt0": dt0,
        "adjoint": diffrax.ForwardMode() if adjoint is None else adjoint,
        "max_steps": max_steps,
    }
    return _limit_map(
        loss,
        x,
        eps**0.5 if tolerance is None else tolerance,
        minimum_time,
        escape_radius,
        settings,
        polish,
        codimension,
    )


@eqx.filter_jit
def _limit_map(loss, x0, tolerance, minimum_time, escape_radius, settings, polish, codimension) -> LimitPoint:
    solution = _flow(loss, x0, tolerance, minimum_time, escape_radius, settings)
    assert solution.ys is not None
    assert solution.ts is not None
    end = solution.ys[-1]
    codimension = find_codimension(loss, end, codimension)
    x = retract(loss, end, iterations=polish, codimension=codimension)
    displacement = jnp.linalg.norm(x - end)
    point = inspect_point(loss, jax.lax.stop_gradient(x), tolerance=tolerance, codimension=codimension)
    # The polish may only finish what the flow began: a long leap is another minimizer, or none.
    scale = 1 + jnp.linalg.norm(end)
    rested = _distance_along_gradient(loss, end) <= tolerance * scale
    finished = rested & (displacement <= 10 * tolerance * scale) & (point.code != Outcome.NOT_STATIONARY)
    code = jnp.where(finished, point.code, _unfinished(loss, x0, end, tolerance, escape_radius))
    code = jnp.where(jnp.all(jnp.isfinite(end)) & jnp.isfinite(loss(x0)), code, _not_finite(loss, x0))
    return LimitPoint(x, point, displacement, solution.ts[-1], solution.stats["num_steps"], code)


def _flow(loss, x0, tolerance, minimum_time, escape_radius, settings) -> diffrax.Solution:
    """Gradient flow until it rests, escapes, or has nothing left to descend."""
    eps = jnp.finfo(x0.dtype).eps
    start = jnp.linalg.norm(jax.grad(loss)(x0))

    def rests(t, x, args, **_):
        return (t >= minimum_time) & (_distance_along_gradient(loss, x) <= tolerance * (1 + jnp.linalg.norm(x)))

    def escapes(t, x, args, **_):
        return jnp.linalg.norm(x - x0) > escape_radius * (1 + jnp.linalg.norm(x0))

    def exhausts(t, x, args, **_):
        # The slope is gone and the distance is not: a valley that falls towards infinity.
        return jnp.linalg.norm(jax.grad(loss)(x)) < eps**1.5 * start

    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, x, args: -jax.grad(loss)(x)),
        t0=jnp.zeros((), x0.dtype),
        t1=jnp.asarray(jnp.inf, x0.dtype),
        y0=x0,
        event=diffrax.Event([rests, escapes, exhausts]),
        throw=False,
        **settings,
    )


def _distance_along_gradient(loss: Loss, x: Float[Array, " d"]) -> Float[Array, ""]:
    """|∇L|²/|H∇L|: late in the flow ∇L lies along the slowest normal direction, and this is the distance left."""
    gradient = jax.grad(loss)(x)
    norm = jnp.linalg.norm(gradient)
    unit = gradient / jnp.where(norm > 0, norm, 1.0)
    curvature = jnp.linalg.norm(hessian_vector_product(loss, x, unit))
    return jnp.where(norm > 0, norm / jnp.where(curvature > 0, curvature, jnp.finfo(x.dtype).tiny), 0.0)


def _unfinished(loss, x0, end, tolerance, escape_radius) -> Array:
    """Escaped: far away, ever faster, or slope lost while the distance stays large. Otherwise merely unfinished."""
    far = jnp.linalg.norm(end - x0) > escape_radius * (1 + jnp.linalg.norm(x0))
    before, after = jnp.linalg.norm(jax.grad(loss)(x0)), jnp.linalg.norm(jax.grad(loss)(end))
    away = _distance_along_gradient(loss, end) > 1e3 * tolerance * (1 + jnp.linalg.norm(end))
    return jnp.where(
        far | (after > 1e6 * before) | ((after <= 1e-6 * before) & away), Outcome.ESCAPED, Outcome.UNFINISHED
    )


def _not_finite(loss, x0) -> Array:
    """Undefined from the start, or carried to infinity by the flow."""
    return jnp.where(jnp.isfinite(loss(x0)), Outcome.ESCAPED, Outcome.UNDEFINED)
