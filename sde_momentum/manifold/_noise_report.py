"""What the gradient noise does at a point of Γ: whether it is defined, moves along Γ, and descends a functional."""

import enum
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ._flat import FlatProblem
from ._point import normal_space_at


class NoiseOutcome(enum.IntEnum):
    """Verdict on the noise at a point of Γ, as data; `.message` is the sentence.

    Example:
        >>> from sde_momentum.manifold import NoiseOutcome
        >>> print(NoiseOutcome.ABSENT.message)
        no noise on the manifold: every minimizer is a fixed point, and the slow equation is trivial
    """

    LABEL = 0
    NORMAL_ISOTROPIC = 1
    NORMAL = 2
    TANGENT = 3
    ABSENT = 4
    UNDEFINED = 5

    @property
    def message(self) -> str:
        """The verdict as a sentence."""
        return _MESSAGES[self]


_MESSAGES = {
    NoiseOutcome.LABEL: "Σ is a multiple c of H: the slow equation is the flow −(c/4) ∇_Γ tr H",
    NoiseOutcome.NORMAL_ISOTROPIC: "Σ is a multiple s² of the normal projector: the flow −(s²/4) ∇_Γ log det⁺ H",
    NoiseOutcome.NORMAL: "the noise is normal to the manifold: the slow equation is a flow, in general not a gradient",
    NoiseOutcome.TANGENT: "the noise has a part along the manifold: the slow equation is a diffusion with Itô terms, "
    "and its drift is in general not a gradient",
    NoiseOutcome.ABSENT: "no noise on the manifold: every minimizer is a fixed point, and the slow equation is trivial",
    NoiseOutcome.UNDEFINED: "the noise is not defined on the manifold: its factor is not finite there, and no slow "
    "equation exists",
}


class NoiseReport(eqx.Module):
    """The noise at a point of Γ.

    Args:
        size: |Σ|, Frobenius norm.
        tangent: |P Σ P| / |Σ|.
        label_ratio: c that fits Σ = cH best.
        label_misfit: |Σ − cH| / |Σ|.
        normal_variance: s² that fits Σ = s²(I − P) best.
        normal_misfit: |Σ − s²(I − P)| / |Σ|.
        code: integer value of the `NoiseOutcome`.
    """

    size: Float[Array, ""]
    tangent: Float[Array, ""]
    label_ratio: Float[Array, ""]
    label_misfit: Float[Array, ""]
    normal_variance: Float[Array, ""]
    normal_misfit: Float[Array, ""]
    code: Int[Array, ""]

    @property
    def outcome(self) -> NoiseOutcome:
        """The verdict (concrete values only)."""
        return NoiseOutcome(int(self.code))


def inspect_noise(
    problem: Any, x: PyTree[Array], *, codimension: int | None = None, tolerance: float | None = None
) -> NoiseReport:
    """Say what the noise of a problem does at a point of Γ, and which functional the slow drift descends there.

    Args:
        problem: loss and noise; dense derivatives are taken (d ≤ 500).
        x: a point of Γ, pytree; check it with `inspect_point`.
        codimension: number of normal directions, when known.
        tolerance: relative misfit that still counts as equal; ε^{1/3} by default, since Γ is met to √ε.

    Returns:
        A `NoiseReport`; its `outcome.message` is a plain statement.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import inspect_noise
        >>> from sde_momentum.problems import general, label_noise_parabola
        >>> labels = label_noise_parabola([1.0, 2.0], delta=0.5)
        >>> inspect_noise(labels, labels.initial()).outcome.name
        'LABEL'
        >>> circle = lambda x: (x @ x - 1.0) ** 2
        >>> inspect_noise(general(circle, lambda x, w: w, noise_dim=2), jnp.array([1.0, 0.0])).outcome.name
        'TANGENT'
    """
    flat = FlatProblem(problem, x)
    return _inspect(flat, flat.ravel(x), codimension, tolerance)


@eqx.filter_jit
def _inspect(flat: FlatProblem, x: Array, codimension: int | None, tolerance: float | None) -> NoiseReport:
    sigma = flat.covariance(x)
    finite = jnp.all(jnp.isfinite(sigma))
    sigma = jnp.where(finite, sigma, 0.0)
    space = normal_space_at(flat.loss, x, codimension)
    values = jnp.where(space.normal, space.eigenvalues, 0.0)
    noise = space.eigenvectors.T @ sigma @ space.eigenvectors
    size = jnp.linalg.norm(noise)
    relative = lambda matrix: jnp.linalg.norm(matrix) / jnp.where(size > 0, size, 1.0)
    ratio = jnp.sum(jnp.diag(noise) * values) / jnp.sum(values**2)
    variance = jnp.sum(jnp.where(space.normal, jnp.diag(noise), 0.0)) / space.codimension
    tangent = relative(jnp.where(space.normal[:, None] | space.normal[None, :], 0.0, noise))
    misfits = relative(noise - ratio * jnp.diag(values)), relative(noise - variance * jnp.diag(1.0 * space.normal))
    tolerance = float(jnp.finfo(x.dtype).eps) ** (1 / 3) if tolerance is None else tolerance
    # Against the noise that a unit of distance from Γ would make: what is left of it at rounding is none.
    nothing = size <= jnp.finfo(x.dtype).eps * jnp.max(jnp.abs(values)) ** 2 * jnp.maximum(1.0, x @ x)
    code = jnp.select(
        [~finite, nothing, misfits[0] <= tolerance, misfits[1] <= tolerance, tangent <= tolerance],
        [
            NoiseOutcome.UNDEFINED,
            NoiseOutcome.ABSENT,
            NoiseOutcome.LABEL,
            NoiseOutcome.NORMAL_ISOTROPIC,
            NoiseOutcome.NORMAL,
        ],
        NoiseOutcome.TANGENT,
    )
    size = jnp.where(finite, size, jnp.nan)
    return NoiseReport(size, tangent, ratio, misfits[0], variance, misfits[1], code)
