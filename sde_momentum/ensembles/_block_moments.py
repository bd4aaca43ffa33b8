"""Central moments of one block of paths, computed where the paths are."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Statistics = dict[str, Float[Array, "..."]]


class MomentPlan(eqx.Module):
    """What is accumulated besides counts and the first four central moments.

    Args:
        covariance: Whether the full covariance between all observable components is kept.
        drop_diverged: Whether a path whose state is not finite leaves the moments (it is counted in any case).
        histograms: For each histogram its name, the slice of components it covers, and its bin edges.
    """

    covariance: bool = eqx.field(static=True)
    drop_diverged: bool = eqx.field(static=True)
    histograms: tuple[tuple[str, int, int, tuple[float, ...]], ...] = eqx.field(static=True, default=())


def block_moments(
    plan: MomentPlan,
    values: Float[Array, "components paths"],
    finite: Bool[Array, " paths"],
    present: Bool[Array, " paths"],
) -> Statistics:
    """Counts, mean and central sums of powers of one block.

    With weights w ∈ {0, 1}, n = Σ w and m = Σ w v / n, returns n, m and Σ w (v − m)^p for p = 2, 3, 4. The mean is
    corrected once by the mean of the residuals, so that its error does not grow with the block. Counts are floats,
    exact up to 2²⁴ paths a block, since diffrax saves nothing else.

    Args:
        plan: What to accumulate.
        values: Observables, one row a component.
        finite: Whether the path's whole state is finite.
        present: Whether the path belongs to the ensemble (the last block is padded).
    """
    kept = present & finite if plan.drop_diverged else present
    dtype = values.dtype
    count = jnp.sum(kept, dtype=dtype)
    mean, residual = _center(values, kept, jnp.maximum(count, 1))
    square = residual * residual
    statistics: Statistics = {
        "count": count,
        "diverged": jnp.sum(present & ~finite, dtype=dtype),
        "undefined": jnp.sum(present & finite & ~jnp.isfinite(values), axis=-1, dtype=dtype),
        "mean": mean,
        "m2": jnp.sum(square, axis=-1),
        "m3": jnp.sum(square * residual, axis=-1),
        "m4": jnp.sum(square * square, axis=-1),
    }
    if plan.covariance:
        # An elementwise product and a sum, not a matrix product: its order does not depend on the number of threads.
        statistics["cross"] = jnp.sum(residual[:, None, :] * residual[None, :, :], axis=-1)
    for name, start, stop, edges in plan.histograms:
        statistics[f"histogram_{name}"] = _histogram(values[start:stop], kept, edges)
    return statistics


def _center(
    values: Float[Array, "components paths"], kept: Bool[Array, " paths"], count: Float[Array, ""]
) -> tuple[Float[Array, " components"], Float[Array, "components paths"]]:
    """Mean, and deviations from it that vanish for paths left out."""
    first = jnp.sum(jnp.where(kept, values, 0), axis=-1) / count
    residual = jnp.where(kept, values - first[:, None], 0)
    correction = jnp.sum(residual, axis=-1) / count
    return first + correction, jnp.where(kept, residual - correction[:, None], 0)


def _histogram(
    values: Float[Array, "components paths"], kept: Bool[Array, " paths"], edges: tuple[float, ...]
) -> Float[Array, "components bins"]:
    """Counts below the first edge, in each bin [e_j, e_{j+1}), and from the last edge on; NaN is counted nowhere."""
    limits = jnp.asarray(edges, values.dtype)[:, None]
    below = jnp.sum(kept & (values[:, None, :] < limits), axis=-1, dtype=values.dtype)
    number = jnp.sum(kept & ~jnp.isnan(values), axis=-1, dtype=values.dtype)[:, None]
    return jnp.diff(below, axis=-1, prepend=0, append=number)
