"""Every derivation script runs from the first cell to the last, as a plain program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "derivations").glob("*.py"))


def run(script: Path) -> subprocess.CompletedProcess:
    """Run a script where no window can open; its warnings are errors, as in the tests."""
    environment = {**os.environ, "MPLBACKEND": "agg", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "error", str(script)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_there_are_derivations():
    """The other tests have something to run."""
    assert {"sgd", "momentum"} <= {script.stem for script in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_derivation(script):
    """The script's own assertions against the published equations hold."""
    done = run(script)
    assert done.returncode == 0, done.stderr


def test_failing_script_is_noticed(tmp_path):
    """Negative control: a wrong assertion in a cell fails the run."""
    script = tmp_path / "wrong.py"
    script.write_text("# %% [markdown]\n# # A mistake\n\n# %%\nassert 1 + 1 == 3\n")
    assert "AssertionError" in run(script).stderr
