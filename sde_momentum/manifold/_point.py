"""What is known about one point: stationarity, spectrum, and whether a manifold passes through it."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ._derivatives import Loss, hessian_matrix
from ._normal_space import NormalSpace, normal_space
from ._outcome import Outcome


class ManifoldPoint(eqx.Module):
    """A point, the split of its Hessian, and the verdict on it.

    Args:
        x: (d,), the point.
        space: tangent and normal directions.
        loss: L(x).
        gradient_norm: |∇L(x)|.
        distance: first-order distance to the nearest stationary point, |H⁺∇L| together with |P∇L|/λ_min; unit of x.
        probe_residual: |∇L| left after one step along the kernel and a return in the normal space, relative to
            λ_max |step|; NaN when not probed.
        code: integer value of the `Outcome`.
    """

    x: Float[Array, " d"]
    space: NormalSpace
    loss: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    distance: Float[Array, ""]
    probe_residual: Float[Array, ""]
    code: Int[Array, ""]

    @property
    def outcome(self) -> Outcome:
        """The verdict (concrete values only)."""
        return Outcome(int(self.code))


def newton_step(
    loss: Loss, x: Float[Array, " d"], codimension: int | Array | None = None
) -> tuple[Float[Array, " d"], NormalSpace]:
    """The step −H⁺∇L in the normal space, and that space.

    The split is a constant to automatic differentiation: eigenvectors of repeated eigenvalues have no derivative, and
    x − H⁺∇L(x) with H⁺ frozen already has the derivatives of a projection onto Γ, up to the distance from Γ.
    """
    space = normal_space(hessian_matrix(loss, jax.lax.stop_gradient(x)), codimension=codimension)
    return -space.pseudo_inverse(jax.grad(loss)(x)), space


def normal_space_at(loss: Loss, x: Float[Array, " d"], codimension: int | Array | None = None) -> NormalSpace:
    """Tangent and normal directions at a point on or near Γ, the codimension found where it is not given."""
    return newton_step(loss, x, find_codimension(loss, x, codimension))[1]


def find_codimension(loss: Loss, x: Float[Array, " d"], codimension: int | Array | None = None) -> int | Array:
    """Number of normal directions near x: the gap test where plain Newton steps from x come to rest.

    Not at x: at distance δ from Γ the tangent eigenvalues are of order δ, which looks like a gap above rounding.
    """
    if codimension is not None:
        return codimension
    return normal_space(hessian_matrix(loss, jax.lax.stop_gradient(_newton(loss, x, 4, None)))).codimension


def _newton(loss: Loss, x: Float[Array, " d"], iterations: int, codimension: int | Array | None) -> Float[Array, " d"]:
    # A loop keeps one Hessian and one eigendecomposition in the compiled program.
    return jax.lax.fori_loop(0, iterations, lambda _, z: z + newton_step(loss, z, codimension)[0], x)


def retract(
    loss: Loss, x: Float[Array, " d"], *, iterations: int = 4, codimension: int | Array | None = None
) -> Float[Array, " d"]:
    """Return a point near Γ to Γ: Newton's method in the normal space.

    x ← x − H⁺∇L. At distance δ from Γ the result differs from Φ(x) by O(δ²), and its own distance is O(δ^{2^n}).

    Args:
        loss: scalar function of a flat array (d,).
        x: (d,), near Γ.
        iterations: number n of Newton steps.
        codimension: number of normal directions, when known; finding it costs five more Hessians.

    Returns:
        (d,), on Γ up to the stated error.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import retract
        >>> x = retract(lambda x: (x @ x - 1.0) ** 2, jnp.array([1.01, 0.0]))
        >>> print(f"{float(x[0]):.6f}")
        1.000000
    """
    return _newton(loss, x, iterations, find_codimension(loss, x, codimension)) if iterations else x


def inspect_point(
    loss: Loss,
    x: Float[Array, " d"],
    *,
    tolerance: float | None = None,
    codimension: int | Array | None = None,
    probe: bool = True,
) -> ManifoldPoint:
    """Say whether x is a regular point of a manifold of minimizers.

    Stationarity: the first-order distance to a stationary point is below `tolerance` (1 + |x|). Rank: the gap test of
    `normal_space`. Sign: no negative eigenvalue. Probe: a step of relative size ε^{1/6} along the kernel, followed by a
    return in the normal space, must end where the gradient vanishes; a quartic minimum fails here although ker H ≠ 0.

    Args:
        loss: scalar function of a flat array (d,).
        x: (d,).
        tolerance: relative distance that still counts as on the manifold; √ε by default.
        codimension: number of normal directions, when known.
        probe: whether to step along the kernel (five more Hessians).

    Returns:
        A `ManifoldPoint`; every failure is data in `code`.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import inspect_point
        >>> inspect_point(lambda x: (x @ x - 1.0) ** 2, jnp.array([1.0, 0.0])).outcome.name
        'ON_MANIFOLD'
        >>> inspect_point(lambda x: x[0] ** 2 + x[1] ** 4, jnp.zeros(2)).outcome.name
        'NO_MANIFOLD_NEARBY'
    """
    x = jnp.asarray(x)
    eps, tiny = jnp.finfo(x.dtype).eps, jnp.finfo(x.dtype).tiny
    tolerance = float(eps) ** 0.5 if tolerance is None else tolerance
    value, gradient = jax.value_and_grad(loss)(x)
    step, space = newton_step(loss, x, find_codimension(loss, x, codimension))
    tangential = jnp.linalg.norm(space.tangent(gradient)) / jnp.maximum(space.smallest_normal, tiny)
    distance = jnp.sqrt(step @ step + jnp.where(space.smallest_normal > 0, tangential, jnp.linalg.norm(gradient)) ** 2)
    residual = _probe(loss, x, space) if probe else jnp.asarray(jnp.nan, x.dtype)
    # The loss must be flat along Γ to rounding; 1e3 leaves room for the accumulated rounding of the gradient itself.
    continues = (residual <= 1e3 * x.size * eps ** (5 / 6)) if probe else jnp.asarray(True)
    finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient)) & jnp.all(jnp.isfinite(space.eigenvalues))
    stationary = distance <= tolerance * (1 + jnp.linalg.norm(x))
    code = jnp.select(
        [~finite, ~stationary, space.has_negative, ~space.is_split, jnp.all(space.normal), ~continues],
        [
            Outcome.UNDEFINED,
            Outcome.NOT_STATIONARY,
            Outcome.SADDLE,
            Outcome.DEGENERATE_GAP,
            Outcome.ISOLATED,
            Outcome.NO_MANIFOLD_NEARBY,
        ],
        Outcome.ON_MANIFOLD,
    )
    return ManifoldPoint(x, space, value, jnp.linalg.norm(gradient), distance, residual, code)


def _probe(loss: Loss, x: Float[Array, " d"], space: NormalSpace) -> Float[Array, ""]:
    """|∇L| after a tangential step and four Newton returns, relative to λ_max |step|."""
    size = jnp.finfo(x.dtype).eps ** (1 / 6) * (1 + jnp.linalg.norm(x))
    # A fixed direction with a share in every kernel vector: cos(1 + k) never vanishes at an integer.
    mixed = jnp.where(space.normal, 0.0, jnp.cos(1.0 + jnp.arange(x.size))).astype(x.dtype)
    along = space.eigenvectors @ (mixed / jnp.maximum(jnp.linalg.norm(mixed), jnp.finfo(x.dtype).tiny))
    moved = retract(loss, x + size * along, iterations=4, codimension=space.codimension)
    return jnp.linalg.norm(jax.grad(loss)(moved)) / (
        jnp.maximum(jnp.abs(space.eigenvalues[-1]), jnp.finfo(x.dtype).tiny) * size
    )
