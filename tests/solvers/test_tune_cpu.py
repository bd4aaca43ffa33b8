import os
import subprocess
import sys

import numpy as np
import pytest

from sde_momentum.solvers import tune_cpu

_PROGRAM = """
import jax, jax.numpy as jnp
from sde_momentum.solvers import normal, tune_cpu
if {tuned}: tune_cpu(); assert "interleave=4" in tune_cpu()
numbers = jax.jit(lambda: normal(1, jnp.arange(1000), 0, dtype="float32"))()
print(*numbers.tolist())
"""


def _numbers(tuned: bool) -> np.ndarray:
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", _PROGRAM.format(tuned=tuned)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return np.array(done.stdout.split(), float)


@pytest.mark.slow
def test_tuning_changes_numbers_by_rounding_only():
    """The same normal numbers with and without the flags of `tune_cpu`, up to the rounding of float32."""
    tuned, plain = _numbers(True), _numbers(False)
    assert tuned.size == 1000
    np.testing.assert_allclose(tuned, plain, rtol=1e-5, atol=1e-6)


def test_tuning_too_late_is_refused():
    """Once JAX has computed, the flags would have no effect."""
    import jax.numpy as jnp

    jnp.zeros(1).block_until_ready()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XLA_FLAGS", raising=False)
        with pytest.raises(RuntimeError, match="tune_cpu came too late"):
            tune_cpu()
