"""Exact, ordered merging of block moments on the host, in float64."""

from collections.abc import Mapping

import numpy as np

Moments = dict[str, np.ndarray]

_COUNTS = ("count", "diverged", "undefined")


def as_host(statistics: Mapping[str, object]) -> Moments:
    """The same statistics as arrays of the host, counts as integers and the rest in float64."""
    return {
        name: np.asarray(value).astype(np.int64 if _counts(name) else np.float64) for name, value in statistics.items()
    }


def merge(left: Moments, right: Moments) -> Moments:
    """Moments of the union of two disjoint sets of paths.

    With δ the difference of the means and n = n₁ + n₂, the central sums obey (Pébay 2008, eqs. 2.1–2.3, for p = 4 too)

        M₂ = M₂₁ + M₂₂ + δ² n₁n₂/n
        M₃ = M₃₁ + M₃₂ + δ³ n₁n₂(n₁ − n₂)/n² + 3δ(n₁M₂₂ − n₂M₂₁)/n
        M₄ = M₄₁ + M₄₂ + δ⁴ n₁n₂(n₁² − n₁n₂ + n₂²)/n³ + 6δ²(n₁²M₂₂ + n₂²M₂₁)/n² + 4δ(n₁M₃₂ − n₂M₃₁)/n

    The operation is exact in exact arithmetic; in float64 the bits depend on the order, which is why blocks are always
    folded from the first to the last.

    Args:
        left: Moments of the blocks so far, leading axis the save times.
        right: Moments of the next block.

    References:
        P. Pébay, *Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical
        moments*, Sandia report SAND2008-6212 (2008).
    """
    with np.errstate(invalid="ignore", over="ignore"):
        return _merge_finite(left, right)


def _merge_finite(left: Moments, right: Moments) -> Moments:
    a = left["count"][:, None].astype(np.float64)
    b = right["count"][:, None].astype(np.float64)
    n = np.maximum(a + b, 1.0)
    # A side without paths contributes nothing, not even through its meaningless mean.
    delta = np.where((a > 0) & (b > 0), right["mean"] - left["mean"], 0.0)
    shift = np.where(a > 0, delta * b / n, 0.0)
    merged: Moments = {name: left[name] + right[name] for name in left if _counts(name)}
    merged["mean"] = np.where(a > 0, left["mean"], right["mean"]) + shift
    merged["m2"] = left["m2"] + right["m2"] + delta**2 * a * b / n
    merged["m3"] = (
        left["m3"]
        + right["m3"]
        + delta**3 * a * b * (a - b) / n**2
        + 3 * delta * (a * right["m2"] - b * left["m2"]) / n
    )
    merged["m4"] = (
        left["m4"]
        + right["m4"]
        + delta**4 * a * b * (a**2 - a * b + b**2) / n**3
        + 6 * delta**2 * (a**2 * right["m2"] + b**2 * left["m2"]) / n**2
        + 4 * delta * (a * right["m3"] - b * left["m3"]) / n
    )
    if "cross" in left:
        outer = delta[:, :, None] * delta[:, None, :]
        merged["cross"] = left["cross"] + right["cross"] + outer * (a * b / n)[:, :, None]
    return merged


def _counts(name: str) -> bool:
    return name in _COUNTS or name.startswith("histogram_")
