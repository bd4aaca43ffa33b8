"""Running moments: what one block computes, and what merging blocks gives."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.ensembles._block_moments import MomentPlan, block_moments
from sde_momentum.ensembles._merge import as_host, merge

SIZE = 1000
_block_moments = eqx.filter_jit(block_moments)
PLAN = MomentPlan(covariance=True, drop_diverged=False, histograms=(("x", 0, 1, (-1.0, 0.0, 1.0)),))


def _moments(values, plan=PLAN, present=None):
    """Moments of some paths, padded to one size so that most tests share one compiled program."""
    values = np.atleast_2d(values)
    present = np.ones(values.shape[1], bool) if present is None else present
    padding = ((0, 0), (0, SIZE - values.shape[1]))
    values, present = np.pad(values, padding, constant_values=7.0), np.pad(present, padding[1])
    finite = np.isfinite(values).all(axis=0)
    statistics = _block_moments(plan, jnp.asarray(values), jnp.asarray(finite), jnp.asarray(present))
    return {name: array[None] for name, array in as_host(statistics).items()}


def _sample(paths, offset=0.0):
    rng = np.random.default_rng(3)
    x = rng.gamma(2.0, size=paths) + offset
    return np.stack([x, x**2 + rng.normal(size=paths), -x])


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("cuts", [(1, 500), (64, 128, 192), (999,)])
def test_merged_blocks_equal_the_moments_of_the_union(cuts, offset):
    """Folding blocks gives the central moments of all paths, however they are cut and however far the mean."""
    values = _sample(1000, offset)
    if offset:
        values[1] = values[0]  # the square would lose its digits before the moments do
    folded = None
    for block in np.split(values, cuts, axis=1):
        folded = _moments(block) if folded is None else merge(folded, _moments(block))
    mean = values.mean(axis=1)
    centered = values - mean[:, None]
    np.testing.assert_allclose(folded["mean"][0], mean, rtol=1e-14)
    for power in (2, 3, 4):
        # Central moments are translation invariant; rounding enters through the spacing of floats at the offset.
        np.testing.assert_allclose(
            folded[f"m{power}"][0], (centered**power).sum(axis=1), rtol=1e-11 if not offset else 1e-6
        )
    np.testing.assert_allclose(folded["cross"][0], centered @ centered.T, rtol=1e-11 if not offset else 1e-6)
    assert folded["count"][0] == 1000


def test_merging_weighs_blocks_by_their_size():
    """The mean of two blocks of different sizes is not the mean of their means."""
    left, right = _moments(np.zeros(10)), _moments(np.full(30, 4.0))
    assert merge(left, right)["mean"][0, 0] == 3.0
    assert merge(left, right)["m2"][0, 0] == pytest.approx(10 * 9 + 30 * 1)


def test_merging_with_an_empty_block_changes_no_bit():
    """A block that is all padding is the neutral element, on either side."""
    some = _moments(_sample(50))
    empty = _moments(_sample(50), present=np.zeros(50, bool))
    for merged in (merge(some, empty), merge(empty, some)):
        for name, array in some.items():
            np.testing.assert_array_equal(merged[name], array)


def test_padding_is_left_out():
    """A partly filled block has the moments of its present paths."""
    values = _sample(40)
    present = np.arange(40) < 25
    padded, exact = _moments(values, present=present), _moments(values[:, :25])
    for name in exact:
        np.testing.assert_allclose(padded[name], exact[name], rtol=1e-13)


def test_histogram_counts_every_finite_path_once():
    """Bins are half open, with one bin below and one above; infinite values are counted, NaN is not."""
    values = np.array([-2.0, -1.0, -0.5, 0.0, 0.99, 1.0, 7.0, np.inf, -np.inf, np.nan])
    histogram = _moments(values)["histogram_x"][0, 0]
    np.testing.assert_array_equal(histogram, [2, 2, 2, 3])


def test_diverged_paths_poison_the_mean_unless_dropped():
    """One infinite path makes the mean infinite or NaN; dropped, the others' moments remain and it is still counted."""
    values = _sample(30)
    values[0, 4] = np.inf
    poisoned = _moments(values)
    assert not np.isfinite(poisoned["mean"][0, 0])
    assert poisoned["diverged"][0] == 1
    dropped = _moments(values, MomentPlan(covariance=True, drop_diverged=True))
    kept = np.delete(values, 4, axis=1)
    assert dropped["count"][0] == 29
    assert dropped["diverged"][0] == 1
    np.testing.assert_allclose(dropped["mean"][0], kept.mean(axis=1), rtol=1e-14)


def test_block_mean_in_single_precision_keeps_its_digits():
    """The corrected two-pass mean is accurate to one unit in the last place where a plain float32 sum is not."""
    values = (np.float32(1000.0) + np.random.default_rng(0).random(SIZE, dtype=np.float32))[None]
    exact = values.astype(np.float64).mean()
    assert abs(_moments(values, MomentPlan(covariance=False, drop_diverged=False))["mean"][0, 0] - exact) <= np.spacing(
        np.float32(1000.0)
    )
