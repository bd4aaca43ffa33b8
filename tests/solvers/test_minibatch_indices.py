import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.solvers import indices, shuffled_indices

SE = 5.0


def _chi_square_score(counts, expected):
    statistic = ((counts - expected) ** 2 / expected).sum()
    freedom = counts.size - 1
    return (statistic - freedom) / math.sqrt(2 * freedom)


def _draw(function, paths, steps, size, population):
    return np.asarray(jax.vmap(lambda k: function(3, jnp.arange(paths), k, size, population))(jnp.arange(steps)))


def test_indices_are_uniform_and_independent():
    """Single indices and pairs within a batch, between steps and between paths fill their cells evenly."""
    batch = _draw(indices, 20_000, 4, 3, 13)
    assert batch.min() == 0
    assert batch.max() == 12
    assert abs(_chi_square_score(np.bincount(batch.ravel()), batch.size / 13)) < SE
    pairs = [
        (batch[:, 0], batch[:, 1]),
        (batch[:, 1], batch[:, 2]),
        (batch[1:], batch[:-1]),
        (batch[..., 1:], batch[..., :-1]),
    ]
    for a, b in pairs:
        assert abs(_chi_square_score(np.bincount((13 * a + b).ravel(), minlength=169), a.size / 169)) < SE


def test_a_biased_index_is_rejected():
    """Negative control: 8-bit words reduced modulo 13 fail the same test."""
    biased = np.random.default_rng(0).integers(0, 256, 240_000) % 13
    assert abs(_chi_square_score(np.bincount(biased), biased.size / 13)) > SE


def test_a_large_population_is_reached():
    """The largest population keeps its range and its mean."""
    top = 2**31 - 1
    drawn = np.asarray(jax.jit(lambda p: indices(1, p, 0, 2, top))(np.arange(20_000)), float)
    assert drawn.min() >= 0
    assert abs(drawn.mean() / top - 0.5) * math.sqrt(12 * drawn.size) < SE


LARGER = [(2, 1), (12, 4), (23, 5), (100, 10)]


@pytest.mark.parametrize(
    ("population", "size"), [(1, 1), (9, 3), *(pytest.param(*case, marks=pytest.mark.slow) for case in LARGER)]
)
def test_an_epoch_takes_each_point_at_most_once(population, size):
    """Within an epoch no index repeats; epochs without remainder take each point exactly once."""
    steps = population // size
    orders = _draw(shuffled_indices, 50, 2 * steps, size, population)
    for epoch in (orders[:steps], orders[steps:]):
        taken = np.sort(epoch.reshape(steps * size, -1), axis=0)
        assert (np.diff(taken, axis=0) > 0).all()
        assert taken.min() >= 0
        assert taken.max() < population


def _orders(population, size, paths, epochs):
    """Orders of many paths and epochs, one in each row, without the points that an epoch leaves out."""
    steps = population // size
    drawn = _draw(shuffled_indices, paths, epochs * steps, size, population)
    return drawn.reshape(epochs, steps * size, paths).transpose(0, 2, 1).reshape(-1, steps * size)


@pytest.mark.parametrize(("population", "size"), [(4, 2), (5, 2), pytest.param(5, 5, marks=pytest.mark.slow)])
def test_all_orders_are_equally_likely(population, size):
    """Over paths and epochs, each possible order of a small data set occurs equally often."""
    orders = _orders(population, size, 12_000, 10)
    powers = population ** np.arange(orders.shape[1])
    possible = np.array(list(itertools.permutations(range(population), orders.shape[1]))) @ powers
    counts = np.bincount(orders @ powers, minlength=powers[-1] * population)
    assert counts.sum() == counts[possible].sum()
    assert abs(_chi_square_score(counts[possible], len(orders) / len(possible))) < SE


def test_pairs_of_places_are_uniform():
    """Any two places of an order hold each pair of distinct points equally often, as do two epochs and two paths."""
    population, paths = 30, 60_000
    order = _draw(shuffled_indices, paths, 2, 30, population)
    off = ~np.eye(population, dtype=bool)
    for first, second in ((0, 1), (0, 29), (5, 6), (12, 24)):
        table = np.zeros((population, population))
        np.add.at(table, (order[0, first], order[0, second]), 1)
        assert np.diag(table).sum() == 0
        assert abs(_chi_square_score(table[off], paths / off.sum())) < SE
    for a, b in ((order[0, 3], order[1, 3]), (order[0, 3, 1:], order[0, 3, :-1])):
        assert abs(_chi_square_score(np.bincount(a * population + b, minlength=900), a.size / 900)) < SE


def test_a_step_is_reproduced_by_itself():
    """One path at one step gives the column of the batch."""
    batch = shuffled_indices(3, np.arange(5), 7, 4, 30)
    assert jnp.array_equal(shuffled_indices(3, 2, 7, 4, 30), batch[:, 2])
