import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _bench(*words: str) -> str:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "tests.benchmarks", *words]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=True)
    return result.stdout


@pytest.mark.slow
def test_every_contender_of_every_workload_runs_and_leaves_a_table(tmp_path):
    """A quick run writes JSON and prints the table that the documentation makes from it."""
    printed = _bench("--quick", "--output", str(tmp_path / "quick.json"))
    assert (tmp_path / "quick.json").exists()
    for name in ("W1", "W2", "W3", "W4", "Memory"):
        assert f"## {name}" in printed
