"""The limit of gradient flow: known limits, and a clear outcome for every loss that has none."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.manifold import Outcome, inspect_point, limit_map, normal_space, retract


class Terrain(eqx.Module):
    """Σ of terms with adjustable weights, so that every case below shares one compilation."""

    circle: float = 0.0
    hyperbola: float = 0.0
    cross: float = 0.0
    bowl: float = 0.0
    quartic: float = 0.0
    cliff: float = 0.0
    slope: float = 0.0

    def __call__(self, x):
        return (
            self.circle * (x @ x - 1) ** 2
            + 0.5 * self.hyperbola * (x[0] * x[1] - 1) ** 2
            + self.cross * (x[0] * x[1]) ** 2
            + self.bowl * x[0] ** 2
            + self.quartic * x[1] ** 4
            + self.cliff * jnp.exp(-x[1])
            + self.slope * x[1] ** 2
        )


def terrain(**weights):
    names = ("circle", "hyperbola", "cross", "bowl", "quartic", "cliff", "slope")
    return Terrain(*(jnp.asarray(float(weights.get(name, 0.0))) for name in names))


@pytest.mark.slow
@pytest.mark.parametrize("start", [(3.0, 0.4), (0.5, 1.2), (-2.0, -0.1)])
def test_hyperbola_conserves_the_difference_of_squares(start):
    """For L = ½(xy − 1)², gradient flow conserves x² − y²: with xy = 1 that determines Φ to 1e-7."""
    limit = limit_map(terrain(hyperbola=1), jnp.array(start))
    difference = start[0] ** 2 - start[1] ** 2
    square = (difference + np.hypot(difference, 2)) / 2
    expected = np.sign(start[0]) * np.array([np.sqrt(square), 1 / np.sqrt(square)])
    assert limit.outcome is Outcome.ON_MANIFOLD
    np.testing.assert_allclose(limit.x, expected, atol=1e-7)
    assert float(limit.point.distance) < 1e-13


@pytest.mark.parametrize(
    ("weights", "start", "outcome"),
    [
        ({"circle": 1}, (3.0, 4.0), Outcome.ON_MANIFOLD),
        ({"circle": 1}, (0.6, 0.8), Outcome.ON_MANIFOLD),
        ({"circle": 1e-7}, (0.3, 0.4), Outcome.ON_MANIFOLD),
        ({"bowl": 1, "slope": 0.01}, (3.0, 0.4), Outcome.ISOLATED),
        ({"bowl": 1, "slope": -1}, (3.0, 0.0), Outcome.SADDLE),
        ({"bowl": 1, "quartic": 1}, (3.0, 0.4), Outcome.NO_MANIFOLD_NEARBY),
        ({"cross": 1}, (0.0, 0.0), Outcome.DEGENERATE_GAP),
        ({"bowl": 1, "cliff": 1}, (3.0, 0.4), Outcome.ESCAPED),
        ({"bowl": 1, "quartic": -1}, (3.0, 0.4), Outcome.ESCAPED),
        ({"bowl": 1, "slope": -1}, (3.0, 0.4), Outcome.ESCAPED),
        ({"bowl": float("nan")}, (3.0, 0.4), Outcome.UNDEFINED),
    ],
)
def test_every_outcome_is_recognized(weights, start, outcome):
    """Manifold, isolated minimum, saddle, degenerate minimum, crossing, three escapes, NaN: each by its name."""
    limit = limit_map(terrain(**weights), jnp.array(start))
    assert limit.outcome is outcome
    assert bool(limit.converged) == (outcome not in (Outcome.ESCAPED, Outcome.UNDEFINED))
    assert len(limit.outcome.message) > 10


@pytest.mark.slow
def test_too_few_steps_are_reported():
    """A flow that has not come to rest is unfinished, not converged."""
    limit = limit_map(terrain(hyperbola=1), jnp.array([3.0, 0.4]), max_steps=3, solver=diffrax.Tsit5())
    assert limit.outcome is Outcome.UNFINISHED
    assert not bool(limit.converged)


@pytest.mark.slow
def test_float32_reaches_its_own_precision():
    """In float32 the same limits are found to 1e-5."""
    loss = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), terrain(hyperbola=1))
    limit = limit_map(loss, jnp.array([2.0, 2.0], jnp.float32))
    assert limit.x.dtype == jnp.float32
    assert limit.outcome is Outcome.ON_MANIFOLD
    np.testing.assert_allclose(limit.x, 1.0, atol=1e-5)


inspect = eqx.filter_jit(inspect_point)


@pytest.mark.parametrize("offset", [0.0, 1e-12, 1e-9, 1e-7, 1e-4, 1e-2])
def test_the_rank_is_found_off_the_manifold_too(offset):
    """At distance δ the tangent eigenvalue is of order δ; the codimension is still 1 and the distance is δ."""
    point = inspect(terrain(circle=1), (1 + offset) * jnp.array([0.6, 0.8]))
    assert int(point.space.codimension) == 1
    assert point.outcome is (Outcome.ON_MANIFOLD if offset < 1e-8 else Outcome.NOT_STATIONARY)
    assert abs(float(point.distance) - offset) <= 2e-2 * offset + 1e-15


@pytest.mark.slow
def test_retraction_agrees_with_the_limit_map_to_second_order():
    """|retract(x) − Φ(x)| falls by 4 when the distance halves."""
    loss, foot = terrain(hyperbola=1), jnp.array([2.0, 0.5])
    normal = jnp.array([0.5, 2.0]) / jnp.hypot(0.5, 2.0)
    run = eqx.filter_jit(lambda x: retract(loss, x) - limit_map(loss, x, solver_tolerance=1e-12).x)
    far, near = (float(jnp.linalg.norm(run(foot + delta * normal))) for delta in (0.02, 0.01))
    assert 3.5 < far / near < 4.5


def test_the_gap_test_knows_its_limits():
    """A spectrum that fades to zero has no gap; a forced codimension is measured where it was forced."""
    fading = jnp.diag(10.0 ** -jnp.arange(0, 18, 1.0))
    assert not bool(normal_space(fading).is_split)
    assert not bool(normal_space(fading, codimension=4).is_split)
    clear = jnp.diag(jnp.array([0.0, 1e-3, 1.0, 2.0]))
    assert int(normal_space(clear).codimension) == 3
    with pytest.raises(ValueError, match="codimension=5"):
        normal_space(clear, codimension=5)
    with pytest.raises(ValueError, match="square"):
        normal_space(jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="flat"):
        limit_map(jnp.sum, jnp.ones((2, 2)))
