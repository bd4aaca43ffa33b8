"""Which eigenvalues of the Hessian are zero: the gap test."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class NormalSpace(eqx.Module):
    """A symmetric matrix split into its kernel and the rest.

    Args:
        eigenvalues: (d,), ordered by increasing magnitude; unit of H.
        eigenvectors: (d, d), in columns.
        normal: (d,), whether the direction is normal to the manifold (nonzero eigenvalue).
        gap: ratio between the smallest magnitude counted as nonzero and the largest counted as zero.
        gap_threshold: the ratio below which the split is not trusted.
    """

    eigenvalues: Float[Array, " d"]
    eigenvectors: Float[Array, "d d"]
    normal: Bool[Array, " d"]
    gap: Float[Array, ""]
    gap_threshold: float = eqx.field(static=True)

    @property
    def codimension(self) -> Array:
        """Number of normal directions."""
        return jnp.sum(self.normal)

    @property
    def is_split(self) -> Array:
        """Whether the gap is wide enough to be trusted."""
        return self.gap >= self.gap_threshold

    @property
    def smallest_normal(self) -> Array:
        """Smallest magnitude among the nonzero eigenvalues."""
        return jnp.min(jnp.where(self.normal, jnp.abs(self.eigenvalues), jnp.inf))

    @property
    def has_negative(self) -> Array:
        """Whether a nonzero eigenvalue is negative."""
        return jnp.any(self.normal & (self.eigenvalues < 0))

    def apply(self, weights: Float[Array, " d"], v: Float[Array, " d"]) -> Float[Array, " d"]:
        """The matrix with the same eigenvectors and eigenvalues `weights`, applied to v."""
        return self.eigenvectors @ (weights * (self.eigenvectors.T @ v))

    def tangent(self, v: Float[Array, " d"]) -> Float[Array, " d"]:
        """P v, the projection onto the kernel."""
        return self.apply(jnp.where(self.normal, 0.0, 1.0).astype(v.dtype), v)

    def pseudo_inverse(self, v: Float[Array, " d"]) -> Float[Array, " d"]:
        """H⁺ v, with the eigenvalues counted as zero left out."""
        usable = self.normal & (self.eigenvalues != 0)
        return self.apply(jnp.where(usable, 1.0 / jnp.where(usable, self.eigenvalues, 1.0), 0.0), v)

    def projector(self) -> Float[Array, "d d"]:
        """P as a matrix."""
        return (self.eigenvectors * jnp.where(self.normal, 0.0, 1.0)) @ self.eigenvectors.T


def normal_space(
    hessian: Float[Array, "d d"], *, codimension: int | Array | None = None, gap_threshold: float | None = None
) -> NormalSpace:
    """Split ℝᵈ into tangent and normal directions at the widest gap of the Hessian's spectrum.

    Magnitudes |λ| are sorted and raised to the rounding floor d ε max|λ|; the split is where the ratio of neighbors is
    largest, the floor itself counting as the zeroth value (so a regular matrix has no kernel).

    Args:
        hessian: (d, d), symmetric; unit loss/parameter².
        codimension: number of normal directions, when it is known; the gap is then measured there.
        gap_threshold: ratio below which the split is reported as degenerate; ε^{-1/4} by default (8 000 in float64, 54
            in float32).

    Returns:
        A `NormalSpace`.

    Raises:
        ValueError: if `hessian` is not square or `codimension` is not between 1 and d.

    Example:
        >>> import jax.numpy as jnp
        >>> from sde_momentum.manifold import normal_space
        >>> space = normal_space(jnp.diag(jnp.array([0.0, 3.0, 1.0])))
        >>> int(space.codimension), bool(space.is_split)
        (2, True)
        >>> bool(normal_space(jnp.diag(10.0 ** jnp.arange(-20, 1))).is_split)
        False
    """
    if hessian.ndim != 2 or hessian.shape[0] != hessian.shape[1]:
        raise ValueError(f"hessian has shape {hessian.shape}; a square matrix is needed")
    dim = hessian.shape[0]
    if isinstance(codimension, int) and not 1 <= codimension <= dim:
        raise ValueError(f"codimension={codimension} does not lie between 1 and the dimension {dim}")
    eps = jnp.finfo(hessian.dtype).eps
    values, vectors = jnp.linalg.eigh((hessian + hessian.T) / 2)
    order = jnp.argsort(jnp.abs(values))
    values, vectors = values[order], vectors[:, order]
    floor = jnp.maximum(dim * eps * jnp.abs(values[-1]), jnp.finfo(hessian.dtype).tiny)
    levels = jnp.maximum(jnp.concatenate([floor[None], jnp.abs(values)]), floor)
    ratios = levels[1:] / levels[:-1]
    kernel_dimension = jnp.argmax(ratios) if codimension is None else jnp.asarray(dim - codimension)
    normal = jnp.arange(dim) >= kernel_dimension
    threshold = float(eps) ** -0.25 if gap_threshold is None else gap_threshold
    return NormalSpace(values, vectors, normal, ratios[kernel_dimension], threshold)
