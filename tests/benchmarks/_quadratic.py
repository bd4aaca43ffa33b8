"""W2: dy = −H y dt + L dW in ten dimensions, H and L dense, with mean and covariance at a hundred times."""

from collections.abc import Callable
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from sde_momentum.solvers import CounterPath, FusedTerm
from tests.benchmarks._contender import Contender
from tests.benchmarks._workload import Workload

DT, SIZE, EVERY = 2.0**-7, 10, 10


def matrices() -> tuple[np.ndarray, np.ndarray]:
    """A positive definite H with eigenvalues of order one, and the Cholesky factor of another such matrix."""
    generator = np.random.default_rng(0)
    first, second = generator.standard_normal((2, SIZE, SIZE)) / np.sqrt(SIZE)
    unit = np.eye(SIZE)
    noise = np.linalg.cholesky(second @ second.T + 0.1 * unit)
    return (first @ first.T + 0.1 * unit).astype(np.float32), noise.astype(np.float32)


def _moments(y: Any, axis: int) -> tuple[Any, Any]:
    """Mean and covariance over the paths, which lie along `axis`."""
    mean = jnp.mean(y, axis)
    centered = y - jnp.expand_dims(mean, axis)
    product = centered @ centered.T if axis else centered.T @ centered
    return mean, product / y.shape[axis]


def _solve(increment: Callable, path: dfx.AbstractPath, steps: int, y0: Any, axis: int) -> Any:
    saves = dfx.SaveAt(steps=EVERY, fn=lambda t, y, args: _moments(y, axis))
    # Of diffrax's adjoints only this one runs a plain loop where `max_steps` is given, as `steps` here demands.
    rest = {"adjoint": dfx.ForwardMode(), "max_steps": steps + 1, "saveat": saves}
    return dfx.diffeqsolve(FusedTerm(increment, path), dfx.Euler(), 0.0, steps * DT, DT, y0, **rest).ys


def _ours(paths: int, steps: int) -> Callable:
    h, factor = (jnp.asarray(matrix) for matrix in matrices())

    def increment(t, y, args, dt, dw):
        return factor @ dw - (h * dt) @ y

    def solve(seed, y0):
        path = CounterPath(0.0, steps * DT, DT, seed, jnp.arange(paths, dtype=jnp.uint32), size=SIZE)
        return _solve(increment, path, steps, y0, 1)

    return solve


def _rows(paths: int, steps: int) -> Callable:
    h, factor = (jnp.asarray(matrix) for matrix in matrices())

    def solve(key, y0):
        path = dfx.UnsafeBrownianPath(jax.ShapeDtypeStruct((paths, SIZE), jnp.float32), key)
        return _solve(lambda t, y, args, dt, dw: dw @ factor.T - (y @ h.T) * dt, path, steps, y0, 0)

    return solve


def _scan(paths: int, steps: int) -> Callable:
    h, factor = (jnp.asarray(matrix) for matrix in matrices())

    def step(carry, _):
        key, y = carry
        key, now = jr.split(key)
        dw = DT**0.5 * jr.normal(now, (paths, SIZE), y.dtype)
        return (key, y + dw @ factor.T - (y @ h.T) * DT), None

    def segment(carry, _):
        carry = jax.lax.scan(step, carry, length=EVERY)[0]
        return carry, _moments(carry[1], 0)

    return lambda key, y0: jax.lax.scan(segment, (key, y0), length=steps // EVERY)[1]


def _numpy(paths: int, steps: int) -> Callable:
    generator, (h, factor) = np.random.Generator(np.random.SFC64(1)), matrices()
    dt, root = np.float32(DT), np.float32(DT**0.5)

    def run():
        y, saved = np.zeros((paths, SIZE), np.float32), []
        for number in range(1, steps + 1):
            noise = generator.standard_normal((paths, SIZE), np.float32)
            y += noise @ (root * factor.T) - y @ (dt * h.T)
            if number % EVERY == 0:
                saved.append((y.mean(0), np.cov(y, rowvar=False)))
        return saved

    return run


def workload(quick: bool) -> Workload:
    """Contenders of W2."""
    paths, steps = (256, 20) if quick else (20_000, 1000)
    size, piece = {"paths": paths, "steps": steps}, {"paths": paths, "steps": steps // 10 if not quick else steps}
    words, key = jnp.array([0, 7], jnp.uint32), jr.key(7)
    columns, rows = jnp.zeros((SIZE, paths), jnp.float32), jnp.zeros((paths, SIZE), jnp.float32)
    contenders = [
        Contender.compiled("diffrax, CounterPath", _ours(**size), words, columns, wide=True, **size),
        Contender.compiled("lax.scan, jax.random.normal", _scan(**piece), key, rows, **piece),
        Contender.compiled("diffrax batched, UnsafeBrownianPath", _rows(**piece), key, rows, **piece),
        Contender("numpy, SFC64", _numpy(**piece), **piece),
    ]
    return Workload("10-D quadratic, dense noise, 100 saves of mean and covariance, float32", contenders, _RATIOS)


_OURS = "diffrax, CounterPath"
_RATIOS = {
    "against diffrax batched with its own noise": (_OURS, "diffrax batched, UnsafeBrownianPath", 20.0),
    "against lax.scan by hand": (_OURS, "lax.scan, jax.random.normal", None),
    "against numpy": (_OURS, "numpy, SFC64", None),
}
