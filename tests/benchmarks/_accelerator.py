"""W1 on an accelerator: 10⁷ paths, and the fraction of what the device's arithmetic allows."""

import datetime
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from sde_momentum.solvers import TwoPointIncrements
from sde_momentum.solvers._normal import normal_run
from tests.benchmarks._contender import Contender, measure, ratio
from tests.benchmarks._double_well import DT, SIGN_SUBSTEPS, SUBSTEPS, _batched, _scan, counter_solve, diffusion, drift

_OURS = "diffrax, CounterPath and MacroEuler"
_STOCK = "diffrax batched, UnsafeBrownianPath"
_LIMIT = "arithmetic only"
_ROUNDS = 256
# What moves or renames numbers and is no arithmetic of its own.
_FREE = {"broadcast_in_dim", "reshape", "bitcast_convert_type", "squeeze", "slice", "copy", "pjit", "jit"}


def operations_per_step() -> float:
    """Operations on vectors of paths that one step of W1 asks for: hash, Box–Muller and Euler step."""
    paths = 8

    def steps(x, seed, first):
        for z in normal_run(seed, jnp.arange(paths, dtype=jnp.uint32), first, SUBSTEPS, 0, np.dtype(np.float32)):
            x = x + (drift(x) * np.float32(DT) + diffusion(x) * (np.float32(DT**0.5) * z))
        return x

    closed = jax.make_jaxpr(steps)(jnp.zeros(paths, jnp.float32), jnp.zeros(2, jnp.uint32), jnp.uint32(0))
    return _count(closed.jaxpr, paths) / SUBSTEPS


def _count(jaxpr: Any, paths: int) -> int:
    total = 0
    for equation in jaxpr.eqns:
        inner = [getattr(value, "jaxpr", None) for value in equation.params.values()]
        total += sum(_count(part, paths) for part in inner if hasattr(part, "eqns"))
        shaped = getattr(equation.outvars[0].aval, "shape", ()) == (paths,)
        total += shaped and equation.primitive.name not in _FREE
    return total


def _arithmetic(number: Any) -> Any:
    """Four chains of 32-bit operations, two of integers and two of floats, and no memory: the device's limit."""
    a, b = number.astype(jnp.uint32), number.astype(jnp.uint32) ^ jnp.uint32(0x9E3779B9)
    x, y = number, number * np.float32(0.5)
    for _ in range(_ROUNDS):
        a, b = a + b, b ^ a
        x, y = x * np.float32(0.999) + np.float32(0.001), y * np.float32(0.998) + np.float32(0.002)
    return x + y + (a ^ b).astype(jnp.float32)


def _operations() -> int:
    return 6 * _ROUNDS  # of one number: add and xor, and two products with two sums


def _contenders(paths: int, steps: int) -> list[Contender]:
    words, key, x0 = jnp.array([0, 7], jnp.uint32), jr.key(7), jnp.zeros(paths, jnp.float32)
    size, piece = {"paths": paths, "steps": steps}, {"paths": paths, "steps": max(16, steps // 16)}
    signs = counter_solve(paths, steps, TwoPointIncrements(), SIGN_SUBSTEPS)
    limit: Callable = jax.vmap(_arithmetic)
    return [
        Contender.compiled(_OURS, counter_solve(paths, steps), words, x0, **size),
        Contender.compiled("the same, two-valued increments", signs, words, x0, **size),
        Contender.compiled("lax.scan, jax.random.normal", _scan(**piece), key, x0, **piece),
        Contender.compiled(_STOCK, _batched(**piece), key, x0, **piece),
        Contender.compiled(_LIMIT, limit, x0, paths=paths, steps=_operations()),
    ]


def measure_device(rounds: int, quick: bool) -> dict[str, Any]:
    """Rates of W1 on JAX's default device, and the fraction of its arithmetic that they use."""
    paths, steps = (1024, 64) if quick else (10_000_000, 1024)
    timings = measure(_contenders(paths, steps), rounds)
    limit = timings.pop(_LIMIT).record()["rate"]
    rates = {name: timing.record() for name, timing in timings.items()}
    device, operations = jax.devices()[0], operations_per_step()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": device.device_kind,
        "backend": jax.default_backend(),
        "jax": jax.__version__,
        "rounds": rounds,
        "quick": quick,
        "contenders": rates,
        "against diffrax batched with its own noise": ratio(timings, _OURS, _STOCK),
        "operations_per_step": operations,
        "operations_per_second": limit,
        "fraction_of_arithmetic_limit": operations * rates[_OURS]["rate"] / limit,
        "goal": 5e10,
    }


def table(result: dict[str, Any]) -> str:
    """Markdown of one result file."""
    rows = [f"{result['date']}, {result['device']}, jax {result['jax']}, medians of {result['rounds']} rounds.", ""]
    rows += ["| way | 10⁹ path-steps / s | paths × steps |", "|---|---|---|"]
    for name, record in result["contenders"].items():
        rows.append(f"| {name} | {record['rate'] / 1e9:.3g} | {record['paths']} × {record['steps']} |")
    share, times = (
        result["fraction_of_arithmetic_limit"],
        result["against diffrax batched with its own noise"]["median"],
    )
    rows += [
        "",
        f"One step is {result['operations_per_step']:.0f} operations; the device does "
        f"{result['operations_per_second']:.3g} of such operations a second when it does nothing else. The first way "
        f"reaches {share:.0%} of that, and is {times:.1f} times as fast as diffrax with its own noise.",
        "",
    ]
    return "\n".join(rows)
