import os
import subprocess
import sys

import pytest

_PROGRAM = """
import diffrax as dfx
import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from sde_momentum.solvers import CounterPath, FusedTerm, MacroEuler, signs

assert jax.device_count() == 2
paths = jnp.arange(64, dtype=jnp.uint32)
mesh = jax.make_mesh((2,), ("paths",), axis_types=(AxisType.Auto,))
halves = NamedSharding(mesh, PartitionSpec("paths"))

def solve(size, solver, index):
    path = CounterPath(0.0, 1.0, 1 / 16, 7, index, size)
    kick = lambda dw: dw if size is None else dw[0] * dw[1]
    term = FusedTerm(lambda t, y, args, dt, dw: -y * dt + kick(dw), path)
    step = getattr(solver, "substeps", 1) / 16
    rest = {"adjoint": dfx.DirectAdjoint(), "max_steps": None}
    return dfx.diffeqsolve(term, solver, 0.0, 1.0, step, 0.0 * index, **rest).ys[-1]

for work in (
    lambda index: solve(None, MacroEuler(4), index),
    lambda index: solve(2, dfx.Euler(), index),
    lambda index: signs(1, index, 3, 40).sum(0),
):
    alone = jax.jit(work)(paths)
    assert float(jnp.abs(alone).max()) > 0
    assert bool((jax.jit(work)(jax.device_put(paths, halves)) == alone).all())
    # diffrax's own conditions do not pass JAX's check of what varies between devices.
    rest = {"in_specs": PartitionSpec("paths"), "out_specs": PartitionSpec("paths"), "check_vma": False}
    each = jax.shard_map(work, mesh=mesh, **rest)
    assert bool((jax.jit(each)(paths) == alone).all())
print("equal")
"""


@pytest.mark.slow
def test_noise_is_the_same_on_one_device_and_on_two():
    """Arrays divided between devices, by the compiler or by `shard_map`, hold the bits of one device."""
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", _PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.stdout.strip() == "equal", done.stderr
