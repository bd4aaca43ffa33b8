"""The law of what one step draws: moments within five standard errors, and exact combinatorics."""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum import problems
from sde_momentum.solvers import Stream

PATHS = 60_000
SEED = 11


@partial(jax.jit, static_argnums=(0, 1))
def sample(draw, paths, step):
    return draw.sample(SEED, jnp.arange(paths), step)


def within(values, expected, errors=5.0):
    """Whether the mean of independent `values` is within this many standard errors of `expected`."""
    values = np.asarray(values)
    return abs(values.mean() - expected) <= errors * values.std(ddof=1) / math.sqrt(values.size)


STANDARD = {
    "normal": (problems.NormalDraw(2), 0.0, 3.0),
    "sign": (problems.SignDraw(2), 0.0, 1.0),
    "skewed": (problems.SkewedDraw(2, degrees=4, dtype=jnp.float32), math.sqrt(2.0), 6.0),
    "student": (problems.StudentDraw(2, degrees=9, dtype=jnp.float32), 0.0, 3 + 6 / 5),
}


@pytest.mark.parametrize("name", STANDARD)
def test_standardized_draws_have_unit_covariance_and_the_stated_cumulants(name):
    """E z = 0, E z zᵀ = I, E z³ and E z⁴ as stated; a normal's third or fourth moment is rejected where it differs."""
    draw, third, fourth = STANDARD[name]
    z = np.asarray(sample(draw, PATHS, 4))
    assert z.shape == (2, PATHS)
    assert draw.cumulant(3) == pytest.approx(third)
    assert draw.cumulant(4) == pytest.approx(fourth - 3)
    assert within(z, 0.0)
    assert within(z[0] * z[1], 0.0)
    assert name == "sign" or within(z**2, 1.0)
    assert within(z**3, third)
    assert name == "sign" or within(z**4, fourth)
    # Negative controls: a covariance off by 5 %, and the Gaussian value of the first cumulant that differs.
    assert not within(z**2, 1.05)
    assert {None: True, 3: not within(z**3, 0.0), 4: not within(z**4, 3.0)}[draw.leading_cumulant]


@pytest.mark.parametrize("name", ["normal", "skewed"])
def test_steps_paths_and_second_draws_are_uncorrelated(name):
    """Lag-1 correlation in step, in path, and with the second draw of SVAG vanish within five standard errors."""
    draw, *_ = STANDARD[name]
    first, second = sample(problems.PairDraw(draw), PATHS, 4)
    following = sample(draw, PATHS, 5)
    for other in (second, following, np.roll(first, 1, axis=-1)):
        assert within(np.asarray(first * other), 0.0)
    assert not within(np.asarray(first * first), 0.0)


DRAWS = {
    "normal": problems.NormalDraw(2),
    "epoch": problems.EpochDraw(7, 3),
    "label": problems.LabelDraw(7, 3),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_path_draws_the_same_in_any_company(name):
    """What a path draws depends on its index and the step, not on the other paths of its batch."""
    draw = DRAWS[name]
    together, alone = (jax.jit(lambda path: draw.sample(SEED, path, 9))(jnp.array(p)) for p in ([0, 1, 2, 3], [2]))
    for many, one in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        assert many.shape == (*many.shape[:-1], 4)
        np.testing.assert_array_equal(many[..., 2:3], one)
        assert np.unique(np.asarray(many), axis=-1).shape[-1] > 1, "all paths draw the same"


def chi_square(counts):
    """Pearson's statistic of equally likely cells, as a standardized deviation (normal for many cells)."""
    counts = np.asarray(counts, float)
    expected = counts.sum() / counts.size
    return (((counts - expected) ** 2 / expected).sum() - (counts.size - 1)) / math.sqrt(2 * (counts.size - 1))


@pytest.mark.parametrize("draw", [problems.SubsetDraw(6, 3), problems.EpochDraw(6, 3)], ids=["subset", "epoch"])
def test_subsets_are_uniform(draw):
    """All 20 subsets of 3 out of 6 are equally likely at every step; cells off by 5 % are rejected."""
    for step in (0, 1):
        drawn = np.sort(np.asarray(sample(draw, PATHS, step)), axis=0)
        codes = drawn[0] * 36 + drawn[1] * 6 + drawn[2]
        cells = [i * 36 + j * 6 + k for i, j, k in itertools.combinations(range(6), 3)]
        counts = np.array([(codes == cell).sum() for cell in cells])
        assert counts.sum() == PATHS, "repeated examples in a batch"
        assert chi_square(counts) < 5
        assert chi_square(counts * np.where(np.arange(20) < 10, 1.05, 0.95)) > 5


def test_an_epoch_visits_every_example_once():
    """The ⌊n/B⌋ batches of an epoch are disjoint, and the next epoch has another order."""
    draw = problems.EpochDraw(12, 3)
    epochs = [
        np.concatenate([sample(draw, 50, jnp.asarray(4 * epoch + batch)) for batch in range(4)]) for epoch in (0, 5)
    ]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch, axis=0), np.arange(12)[:, None] * np.ones(50))
    assert (epochs[0] != epochs[1]).any(axis=0).all()


def test_with_replacement_is_uniform_and_repeats():
    """Each index has probability 1/n in each place, and pairs repeat with probability 1/n."""
    drawn = np.asarray(sample(problems.IndexDraw(7, 3), PATHS, 0))
    assert max(chi_square(np.bincount(place, minlength=7)) for place in drawn) < 5
    assert within(drawn[0] == drawn[1], 1 / 7)
    assert not within(drawn[0] == drawn[1], 1 / 6)


def test_label_signs_do_not_depend_on_the_indices():
    """Signs are fair for every index, and come from a stream of their own."""
    index, sign = (np.asarray(v) for v in sample(problems.LabelDraw(3, 1), PATHS, 2))
    assert all(within(sign[index == k], 0.0) for k in range(3))
    assert problems.label_noise_parabola([1.0], 0.1).draw.stream == Stream.LABELS


def test_metadata_says_what_limits_need():
    """Gaussian noise has no further cumulants; Student's has ν moments; epochs make steps dependent."""
    assert problems.NormalDraw(1).leading_cumulant is None
    assert problems.StudentDraw(1, degrees=4).finite_moments == 4
    assert not problems.EpochDraw(4, 2).independent_steps
    assert problems.SubsetDraw(4, 2).independent_steps
    assert problems.EpochDraw(7, 3).variance_factor == pytest.approx(4 / 6)
