"""W4: momentum descent on minibatches of a least-squares problem, 2 000 replicas."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from sde_momentum.solvers import indices
from tests.benchmarks._contender import Contender
from tests.benchmarks._workload import Workload

POINTS, SIZE, BATCH = 1000, 10, 8
RATE, MOMENTUM = 0.01, 0.9


def data() -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels of a linear model with noise."""
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((POINTS, SIZE))
    labels = inputs @ generator.standard_normal(SIZE) + 0.5 * generator.standard_normal(POINTS)
    return inputs.astype(np.float32), labels.astype(np.float32)


def _update(x: Any, m: Any, rows: Any, labels: Any) -> tuple[Any, Any]:
    """One step of every replica; `rows` is (replicas, batch, size)."""
    residuals = (rows * x[:, None, :]).sum(-1) - labels
    m = MOMENTUM * m + (1 - MOMENTUM) * (rows * residuals[:, :, None]).sum(1) / BATCH
    return x - RATE * m, m


def _loop(paths: int, steps: int, draw: Callable) -> Callable:
    """Gather the batch of every replica and step; `draw(seed, k)` gives indices (replicas, batch)."""
    inputs, labels = (jnp.asarray(array) for array in data())

    def solve(seed):
        def step(state, k):
            chosen = draw(seed, k)
            return _update(*state, inputs[chosen], labels[chosen]), None

        start = jnp.zeros((paths, SIZE), jnp.float32)
        return jax.lax.scan(step, (start, start), jnp.arange(steps, dtype=jnp.uint32))[0]

    return solve


def _ours(paths: int, steps: int) -> Callable:
    """Replicas along the last axis, as everywhere in this package: each column of the data is gathered as a vector."""
    inputs, labels = data()
    columns, path = [jnp.asarray(column) for column in (*inputs.T, labels)], jnp.arange(paths, dtype=jnp.uint32)

    def solve(seed):
        def step(state, k):
            x, m = state
            chosen = indices(seed, path, k, BATCH, POINTS)
            *rows, targets = (column.at[chosen].get(mode="promise_in_bounds") for column in columns)
            residuals = sum(row * x[j] for j, row in enumerate(rows)) - targets
            gradient = jnp.stack([(row * residuals).sum(0) for row in rows]) / BATCH
            m = MOMENTUM * m + (1 - MOMENTUM) * gradient
            return (x - RATE * m, m), None

        start = jnp.zeros((SIZE, paths), jnp.float32)
        return jax.lax.scan(step, (start, start), jnp.arange(steps, dtype=jnp.uint32))[0]

    return solve


def _counter_draw(paths: int) -> Callable:
    path = jnp.arange(paths, dtype=jnp.uint32)
    return lambda seed, k: indices(seed, path, k, BATCH, POINTS).T


def _randint_draw(paths: int) -> Callable:
    return lambda key, k: jr.randint(jr.fold_in(key, k), (paths, BATCH), 0, POINTS)


def _numpy(paths: int, steps: int) -> Callable:
    generator, (inputs, labels) = np.random.Generator(np.random.SFC64(1)), data()

    def run():
        x = m = np.zeros((paths, SIZE), np.float32)
        for _ in range(steps):
            chosen = generator.integers(0, POINTS, (paths, BATCH), np.int32)
            x, m = _update(x, m, inputs[chosen], labels[chosen])
        return x, m

    return run


def workload(quick: bool) -> Workload:
    """Contenders of W4."""
    paths, steps = (64, 16) if quick else (2000, 1000)
    size, piece = {"paths": paths, "steps": steps}, {"paths": paths, "steps": max(16, steps // 5)}
    words, key = jnp.array([0, 7], jnp.uint32), jr.key(7)
    same, theirs = _loop(paths, steps, _counter_draw(paths)), _loop(paths, steps, _randint_draw(paths))
    contenders = [
        Contender.compiled(_OURS, _ours(paths, steps), words, wide=True, **size),
        Contender.compiled("the same, replicas along the first axis", same, words, wide=True, **size),
        Contender.compiled("lax.scan, jax.random.randint", theirs, key, **size),
        Contender("numpy, SFC64", _numpy(**piece), **piece),
    ]
    return Workload("minibatch SGD with momentum, least squares, 8 of 1 000 points, float32", contenders, _RATIOS)


_OURS = "lax.scan, indices by counter, replicas along the last axis"
_RATIOS = {
    "against lax.scan with jax.random.randint": (_OURS, "lax.scan, jax.random.randint", 2.5),
    "the same, replicas along the first axis": (
        "the same, replicas along the first axis",
        "lax.scan, jax.random.randint",
        None,
    ),
    "against numpy": (_OURS, "numpy, SFC64", None),
}
