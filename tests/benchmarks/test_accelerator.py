import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from sde_momentum.solvers import normal, signs

ROOT = Path(__file__).parents[2]


def _bench(output: Path, platform: dict[str, str]) -> dict:
    command = [sys.executable, "-m", "tests.benchmarks", "--accelerator", "--quick", "--output", str(output)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **platform}, check=True, capture_output=True, timeout=280)
    return json.loads(output.read_text())


@pytest.mark.slow
def test_the_accelerator_benchmark_runs_on_a_cpu_too(tmp_path):
    """Rates, operations counted and measured, and a fraction between 0 and 1."""
    result = _bench(tmp_path / "device.json", {"JAX_PLATFORMS": "cpu"})
    assert 50 < result["operations_per_step"] < 200
    assert 0 < result["fraction_of_arithmetic_limit"] < 1


def _need_accelerator() -> None:
    if jax.default_backend() == "cpu":
        pytest.skip("no accelerator here")


@pytest.mark.gpu
@pytest.mark.parametrize("draw", [normal, signs])
@pytest.mark.parametrize("size", [None, 5])
def test_an_accelerator_draws_the_numbers_of_the_cpu(draw, size):
    """The same words, hence the same signs, and the same normal numbers up to rounding."""
    _need_accelerator()
    paths = np.arange(10_000, dtype=np.uint32)
    here = jax.jit(lambda p: draw(7, p, 3, size, dtype="float32"))(paths)
    with jax.default_device(jax.devices("cpu")[0]):
        there = jax.jit(lambda p: draw(7, p, 3, size, dtype="float32"))(paths)
    np.testing.assert_allclose(here, there, rtol=1e-5, atol=2e-6)


@pytest.mark.gpu
def test_the_accelerator_benchmark_runs(tmp_path):
    """The small run of `make gpu` on the device itself."""
    _need_accelerator()
    assert _bench(tmp_path / "device.json", {})["backend"] != "cpu"
