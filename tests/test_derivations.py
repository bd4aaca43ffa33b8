"""Every derivation script runs from the first cell to the last; all of them in one process, which imports once."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = sorted((Path(__file__).parents[1] / "derivations").glob("*.py"))

# Each script gets a namespace of its own, 32-bit JAX and no open figure, as in a fresh process.
_DRIVER = """
import json, runpy, sys, traceback
import jax
import matplotlib.pyplot as plt

found = {}
for script in sys.argv[1:]:
    jax.config.update("jax_enable_x64", False)
    try:
        runpy.run_path(script, run_name="__main__")
        found[script] = ""
    except BaseException:
        found[script] = traceback.format_exc()
    plt.close("all")
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


def test_derivations():
    """There is a script for every optimizer of the SGD family, and the assertions of all scripts hold."""
    assert {"gd", "sgd", "momentum", "heavy_ball", "nesterov", "qhm", "what_momentum_changes"} <= {
        script.stem for script in SCRIPTS
    }
    errors = {name: error for name, error in run(*SCRIPTS).items() if error}
    assert not errors, "\n\n".join(f"{name}:\n{error}" for name, error in errors.items())


def test_failing_script_is_noticed(tmp_path):
    """Negative control: a wrong assertion in a cell fails that script, and no other."""
    wrong, right = tmp_path / "wrong.py", tmp_path / "right.py"
    wrong.write_text("# %% [markdown]\n# # A mistake\n\n# %%\nassert 1 + 1 == 3\n")
    right.write_text("# %%\nassert 1 + 1 == 2\n")
    errors = run(wrong, right)
    assert "AssertionError" in errors["wrong"]
    assert not errors["right"]
