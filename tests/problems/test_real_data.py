"""The data sets that ship with scikit-learn, as problems."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from sde_momentum import problems


@eqx.filter_jit
def descend(problem, x, learning_rate, steps):
    def step(_, y):
        return jax.tree.map(lambda leaf, slope: leaf - learning_rate * slope, y, problem.gradient(y))

    return jax.lax.fori_loop(0, steps, step, x)


def test_breast_cancer_is_standardized_and_learnable():
    """569 rows, features of mean 0 and variance 1, labels ±1; gradient descent separates the classes."""
    problem = problems.breast_cancer(8)
    inputs, labels = problem.data["inputs"], problem.data["labels"]
    assert inputs.shape == (569, 30)
    assert set(np.unique(labels)) == {-1.0, 1.0}
    np.testing.assert_allclose(inputs.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(inputs.std(axis=0), 1.0, rtol=1e-12)
    start = problem.initial()
    np.testing.assert_allclose(problem.loss(start), np.log(2.0), rtol=1e-12)
    end = descend(problem, start, 0.5, 300)
    assert problem.loss(end) < 0.15
    assert problem.accuracy(end) > 0.97
    # Strong convexity in the weights: the penalty is seen in the loss.
    assert problems.breast_cancer(8, l2=1.0).loss(end) > problem.loss(end) + 0.4


def test_digits_split_is_fixed_stratified_and_disjoint():
    """1 437 + 360 rows, pixels in [0, 1], every class in the same proportion, no row in both parts."""
    problem = problems.digits_mlp(hidden=4)
    train, test = problem.data, problem.test_data
    assert (problem.noise_dim, test["labels"].shape) == (1437, (360,))
    assert 0.0 <= float(train["inputs"].min()) <= float(train["inputs"].max()) == 1.0
    counts = np.bincount(train["labels"]) / np.bincount(test["labels"])
    assert np.abs(counts / (1437 / 360) - 1).max() < 0.05
    rows = lambda table: {row.tobytes() for row in np.asarray(table["inputs"])}
    assert not rows(train) & rows(test)
    np.testing.assert_array_equal(problems.digits_mlp(hidden=4).test_data["inputs"], test["inputs"])


def test_digits_network_learns():
    """Full-batch gradient descent reaches 85 % on the test set from chance; accuracy is a fraction of the rows."""
    problem = problems.digits_mlp(hidden=16, dtype=jnp.float32)
    start = problem.initial(seed=1)
    assert problem.test_accuracy(start) < 0.3
    end = descend(problem, start, 0.5, 300)
    assert problem.test_accuracy(end) > 0.85
    assert problem.train_accuracy(end) > problem.test_accuracy(end) - 0.02
    assert problem.test_loss(end) < 0.6
    counted = np.mean(np.argmax(problem.logits(end, problem.test_data["inputs"]), 1) == problem.test_data["labels"])
    np.testing.assert_allclose(problem.test_accuracy(end), counted, rtol=1e-6)


def test_initial_weights_depend_on_the_seed_alone():
    """Variance 1/fan-in; another seed gives other weights; float32 is float64 rounded."""
    double = problems.digits_mlp(hidden=(16, 8))
    single = problems.digits_mlp(hidden=(16, 8), dtype=jnp.float32)
    first, again, other = (ravel_pytree(double.initial(seed))[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
    np.testing.assert_allclose(ravel_pytree(single.initial(3))[0], first, atol=2e-6)
    weights = double.initial(3)[0]["weights"]
    assert weights.shape == (64, 16)
    # 1 024 numbers: the relative standard error of their variance is √(2/1024) = 4.4 %.
    assert abs(64 * np.var(weights) - 1) < 5 * np.sqrt(2 / 1024)
