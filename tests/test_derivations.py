"""Every derivation script runs from the first cell to the last; all of them in one process, which imports once."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sde_momentum.optimizers import CATALOGUE

SCRIPTS = sorted((Path(__file__).parents[1] / "derivations").glob("*.py"))

# Each script gets a namespace of its own, 32-bit JAX and no open figure, as in a fresh process.
_DRIVER = """
import json, runpy, sys, traceback

found = {}
for script in sys.argv[1:]:
    try:
        runpy.run_path(script, run_name="__main__")
        found[script] = ""
    except BaseException:
        found[script] = traceback.format_exc()
    # A derivation alone loads neither.
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", False)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
print("\\n" + json.dumps(found))
"""


def run(*scripts: Path) -> dict[str, str]:
    """Run scripts where no window can open, their warnings being errors: name → traceback, empty if all went well."""
    environment = {**os.environ, "MPLBACKEND": "agg", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "error", "-c", _DRIVER, *map(str, scripts)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    return {Path(name).stem: error for name, error in results.items()}


def derivation(script: Path) -> str:
    """The cells before the first that computes in numbers: assumptions, derivation, and what is asserted of it."""
    cells = script.read_text().split("\n# %%")
    numeric = [re.search("^import (jax|matplotlib|numpy)", cell, re.MULTILINE) is not None for cell in cells]
    return "\n# %%".join(cells[: numeric.index(True)])


def check(errors: dict[str, str]) -> None:
    """Every script ran to its end."""
    failed = {name: error for name, error in errors.items() if error}
    assert not failed, "\n\n".join(f"{name}:\n{error}" for name, error in failed.items())


def test_derivations(tmp_path):
    """There is a script for every optimizer, and what each derives is what it asserts.

    Negative control, in the same process: of two more scripts the one with a wrong assertion fails, and no other.
    """
    assert {script.stem for script in SCRIPTS} >= {*CATALOGUE, "what_momentum_changes", "slow_sde"}
    for script in SCRIPTS:
        (tmp_path / script.name).write_text(derivation(script))
    (tmp_path / "a_wrong_one.py").write_text("# %% [markdown]\n# # A mistake\n\n# %%\nassert 1 + 1 == 3\n")
    (tmp_path / "a_right_one.py").write_text("# %%\nassert 1 + 1 == 2\n")
    errors = run(*sorted(tmp_path.glob("*.py")))
    assert "AssertionError" in errors.pop("a_wrong_one")
    assert len(errors) == len(SCRIPTS) + 1
    check(errors)


@pytest.mark.slow
def test_scripts_with_their_figures():
    """The runs and figures of all scripts too."""
    check(run(*SCRIPTS))
