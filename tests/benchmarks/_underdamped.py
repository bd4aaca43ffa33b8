"""W3: position and momentum in two dimensions each, dx = p dt, dp = (F(x) − p) dt + √(½ + ½x²) dW."""

from collections.abc import Callable
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from sde_momentum.solvers import CounterPath, FusedTerm, MacroEuler
from sde_momentum.solvers._normal import normal_pairs
from sde_momentum.solvers._pack import in_one_loop
from tests.benchmarks._contender import Contender
from tests.benchmarks._workload import Workload

DT = 2.0**-7
SUBSTEPS = 8


def force(x: Any) -> Any:
    """Two double wells that repel one another a little."""
    return x - x * x * x - 0.25 * x[::-1]


def _step(t: Any, y: tuple, args: Any, dt: Any, dw: Any) -> tuple:
    x, p = y
    return p * dt, (force(x) - p) * dt + jnp.sqrt(0.5 + 0.5 * x * x) * dw


def _by_component(t: Any, y: tuple, args: Any, dt: Any, dw: Any) -> tuple:
    """The same with one array a component, which leaves nothing to be shuffled in memory."""
    x0, x1, p0, p1 = y
    kick0 = (x0 - x0 * x0 * x0 - 0.25 * x1 - p0) * dt + jnp.sqrt(0.5 + 0.5 * x0 * x0) * dw[0]
    kick1 = (x1 - x1 * x1 * x1 - 0.25 * x0 - p1) * dt + jnp.sqrt(0.5 + 0.5 * x1 * x1) * dw[1]
    return p0 * dt, p1 * dt, kick0, kick1


def _solve(increment: Callable, path: dfx.AbstractPath, steps: int, y0: Any, substeps: int = 1) -> Any:
    rest = {"adjoint": dfx.DirectAdjoint(), "max_steps": None}
    solver = dfx.Euler() if substeps == 1 else MacroEuler(substeps)
    return dfx.diffeqsolve(FusedTerm(increment, path), solver, 0.0, steps * DT, substeps * DT, y0, **rest).ys


def _ours(paths: int, steps: int, increment: Callable, substeps: int = 1) -> Callable:
    def solve(seed, y0):
        path = CounterPath(0.0, steps * DT, DT, seed, jnp.arange(paths, dtype=jnp.uint32), size=2)
        return _solve(increment, path, steps, y0, substeps)

    return solve


def _fused_loop(paths: int, steps: int) -> Callable:
    """The same numbers without diffrax."""
    path, root, dt = jnp.arange(paths, dtype=jnp.uint32), np.float32(DT**0.5), np.float32(DT)

    def solve(seed, y0):
        def body(number, y):
            first = number * jnp.uint32(SUBSTEPS)
            steps = first + jnp.arange(SUBSTEPS, dtype=jnp.uint32)[:, None, None]
            pairs = normal_pairs(seed, path, steps, 2, 0, np.dtype(np.float32))

            def substeps(y):
                for pair in pairs:
                    change = _by_component(0.0, y, None, dt, (root * pair[0].real, root * pair[0].imag))
                    y = jax.tree.map(jnp.add, y, change)
                return y

            return in_one_loop(first, substeps, y)

        return jax.lax.fori_loop(jnp.uint32(0), jnp.uint32(steps // SUBSTEPS), body, y0)

    return solve


def _batched(paths: int, steps: int) -> Callable:
    shape = jax.ShapeDtypeStruct((2, paths), jnp.float32)
    return lambda key, y0: _solve(_step, dfx.UnsafeBrownianPath(shape, key), steps, y0)


def _scan(paths: int, steps: int) -> Callable:
    def step(carry, _):
        key, y = carry
        key, now = jr.split(key)
        change = _step(0.0, y, None, DT, DT**0.5 * jr.normal(now, (2, paths), jnp.float32))
        return (key, jax.tree.map(jnp.add, y, change)), None

    return lambda key, y0: jax.lax.scan(step, (key, y0), length=steps)[0][1]


def _numpy(paths: int, steps: int) -> Callable:
    generator = np.random.Generator(np.random.SFC64(1))
    dt, root, half = np.float32(DT), np.float32(DT**0.5), np.float32(0.5)

    def run():
        x, p = np.zeros((2, 2, paths), np.float32)
        for _ in range(steps):
            noise = root * generator.standard_normal((2, paths), np.float32)
            kick = (x - x * x * x - np.float32(0.25) * x[::-1] - p) * dt + np.sqrt(half + half * x * x) * noise
            x, p = x + p * dt, p + kick
        return x, p

    return run


def workload(quick: bool) -> Workload:
    """Contenders of W3."""
    paths, steps = (256, 16) if quick else (98_304, 512)
    size, piece = {"paths": paths, "steps": steps}, {"paths": paths, "steps": max(16, steps // 8)}
    words, key = jnp.array([0, 7], jnp.uint32), jr.key(7)
    zero, pair = jnp.zeros(paths, jnp.float32), jnp.zeros((2, paths), jnp.float32)
    pairs, parts = (pair, pair), (zero, zero, zero, zero)
    contenders = [
        Contender.compiled(_OURS, _ours(paths, steps, _by_component, SUBSTEPS), words, parts, wide=True, **size),
        Contender.compiled(_STOCK, _ours(paths, steps, _step), words, pairs, wide=True, **size),
        Contender.compiled(_LOOP, _fused_loop(paths, steps), words, parts, wide=True, **size),
        Contender.compiled("lax.scan, jax.random.normal", _scan(**piece), key, pairs, **piece),
        Contender.compiled("diffrax batched, UnsafeBrownianPath", _batched(**piece), key, pairs, **piece),
        Contender("numpy, SFC64", _numpy(**piece), **piece),
    ]
    return Workload("underdamped, 2 + 2 dimensions, state-dependent noise, float32", contenders, _RATIOS)


_OURS = "diffrax, CounterPath and MacroEuler, one array a component"
_STOCK = "diffrax, CounterPath and Euler, one array a variable"
_LOOP = "our loop without diffrax"
_RATIOS = {
    "against diffrax batched with its own noise": (_OURS, "diffrax batched, UnsafeBrownianPath", 11.0),
    "the same, Euler and one array a variable": (_STOCK, "diffrax batched, UnsafeBrownianPath", None),
    "of our own loop without diffrax": (_OURS, _LOOP, 0.97),
    "against lax.scan by hand": (_OURS, "lax.scan, jax.random.normal", None),
    "against numpy": (_OURS, "numpy, SFC64", None),
}
