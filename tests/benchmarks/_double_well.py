"""W1: dx = (x − x³) dt + √(½ + ½x²) dW, float32."""

from collections.abc import Callable
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np

from sde_momentum.solvers import AbstractIncrements, CounterPath, FusedTerm, MacroEuler, TwoPointIncrements
from sde_momentum.solvers._normal import normal_run
from tests.benchmarks._contender import Contender
from tests.benchmarks._torch import double_well as torch_contenders
from tests.benchmarks._workload import Workload

DT = 2.0**-7
SUBSTEPS, SIGN_SUBSTEPS = 16, 64


def drift(x: Any) -> Any:
    """The force of the double well."""
    return x - x * x * x


def diffusion(x: Any) -> Any:
    """The noise factor."""
    return jnp.sqrt(0.5 + 0.5 * x * x)


def _terms(path: dfx.AbstractPath) -> dfx.MultiTerm:
    """The equation as diffrax's documentation writes it."""
    noise = dfx.ControlTerm(lambda t, x, args: lx.DiagonalLinearOperator(diffusion(x)), path)
    return dfx.MultiTerm(dfx.ODETerm(lambda t, x, args: drift(x)), noise)


def counter_solve(
    paths: int, steps: int, increments: AbstractIncrements | None = None, substeps: int = SUBSTEPS
) -> Callable:
    """One solve of the whole batch with noise by counter: (seed, x0) ↦ x at the end."""
    t1 = steps * DT

    def solve(seed, x0):
        path = CounterPath(0.0, t1, DT, seed, jnp.arange(paths, dtype=jnp.uint32), increments=increments)
        term = FusedTerm(lambda t, x, args, dt, dw: drift(x) * dt + diffusion(x) * dw, path)
        # With max_steps this adjoint would keep what reverse differentiation needs; stock diffrax paths refuse it too.
        rest = {"adjoint": dfx.DirectAdjoint(), "max_steps": None}
        return dfx.diffeqsolve(term, MacroEuler(substeps), 0.0, t1, substeps * DT, x0, **rest).ys

    return solve


def _fused_loop(paths: int, steps: int) -> Callable:
    """The same numbers without diffrax."""
    path, root, dt = jnp.arange(paths, dtype=jnp.uint32), np.float32(DT**0.5), np.float32(DT)

    def solve(seed, x0):
        def body(number, x):
            for z in normal_run(seed, path, number * SUBSTEPS, SUBSTEPS, 0, np.dtype(np.float32)):
                x = x + (drift(x) * dt + diffusion(x) * (root * z))
            return x

        return jax.lax.fori_loop(jnp.uint32(0), jnp.uint32(steps // SUBSTEPS), body, x0)

    return solve


def _scan(paths: int, steps: int) -> Callable:
    def solve(key, x0):
        def step(carry, _):
            key, x = carry
            key, now = jr.split(key)
            return (key, x + drift(x) * DT + diffusion(x) * (DT**0.5 * jr.normal(now, (paths,), x.dtype))), None

        return jax.lax.scan(step, (key, x0), length=steps)[0][1]

    return solve


def _stock_solve(path_of_key: Callable, steps: int) -> Callable:
    def solve(key, x0):
        rest = {"adjoint": dfx.DirectAdjoint(), "max_steps": None}
        return dfx.diffeqsolve(_terms(path_of_key(key)), dfx.Euler(), 0.0, steps * DT, DT, x0, **rest).ys

    return solve


def _batched(paths: int, steps: int) -> Callable:
    shape = jax.ShapeDtypeStruct((paths,), jnp.float32)
    return _stock_solve(lambda key: dfx.UnsafeBrownianPath(shape, key), steps)


def _tree(steps: int) -> Callable:
    """What a user of diffrax writes first: one solve, mapped over keys."""
    shape = jax.ShapeDtypeStruct((), jnp.float32)
    one = _stock_solve(lambda key: dfx.VirtualBrownianTree(0.0, steps * DT, DT / 2, shape, key), steps)
    return jax.vmap(one)


def _numpy(paths: int, steps: int) -> Callable:
    generator = np.random.Generator(np.random.SFC64(1))
    dt, root = np.float32(DT), np.float32(DT**0.5)

    def run():
        x = np.zeros(paths, np.float32)
        for _ in range(steps):
            noise = generator.standard_normal(paths, np.float32)
            x += (x - x * x * x) * dt + np.sqrt(np.float32(0.5) + np.float32(0.5) * x * x) * (root * noise)
        return x

    return run


def workload(quick: bool) -> Workload:
    """Contenders of W1."""
    paths, steps = (1024, 64) if quick else (98_304, 1024)
    few, short = (8, 16) if quick else (2048, 128)
    size, small = {"paths": paths, "steps": steps}, {"paths": few, "steps": short}
    piece = {"paths": paths, "steps": steps // 16}
    words, key, x0 = jnp.array([0, 7], jnp.uint32), jr.key(7), jnp.zeros(paths, jnp.float32)
    keys, starts = jr.split(key, few), jnp.zeros(few, jnp.float32)
    ours, signs = counter_solve(paths, steps), counter_solve(paths, steps, TwoPointIncrements(), SIGN_SUBSTEPS)
    by_torch, skipped = torch_contenders(paths, steps // 16, DT)
    contenders = [
        Contender.compiled("diffrax, CounterPath and MacroEuler", ours, words, x0, wide=True, **size),
        Contender.compiled("the same, two-valued increments", signs, words, x0, wide=True, **size),
        Contender.compiled("our loop without diffrax", _fused_loop(paths, steps), words, x0, wide=True, **size),
        Contender.compiled("lax.scan, jax.random.normal", _scan(paths, steps), key, x0, **size),
        Contender.compiled("diffrax batched, UnsafeBrownianPath", _batched(paths, steps), key, x0, **size),
        Contender.compiled("diffrax vmap, VirtualBrownianTree", _tree(short), keys, starts, **small),
        Contender("numpy, SFC64, one thread", _numpy(**piece), **piece),
        *by_torch,
    ]
    return Workload("1-D double well, σ(x) = √(½ + ½x²), float32", contenders, _RATIOS, skipped)


_OURS = "diffrax, CounterPath and MacroEuler"
_RATIOS = {
    "against diffrax batched with its own noise": (_OURS, "diffrax batched, UnsafeBrownianPath", 14.0),
    "against diffrax as written first": (_OURS, "diffrax vmap, VirtualBrownianTree", 1500.0),
    "against torchsde": (_OURS, "torchsde Euler", 25.0),
    "against lax.scan by hand": (_OURS, "lax.scan, jax.random.normal", None),
    "against numpy": (_OURS, "numpy, SFC64, one thread", None),
    "of our own loop without diffrax": (_OURS, "our loop without diffrax", 0.9),
    "two-valued against Gaussian steps": ("the same, two-valued increments", _OURS, 3.0),
}
