"""Peak memory of a process that solves W1, for few and for many steps."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_PROGRAM = "from tests.benchmarks._memory import peak; import sys; sys.stdout.write(str(peak(*map(int, sys.argv[1:]))))"


def peak(paths: int, steps: int) -> int:
    """Solve W1 in this process; peak resident memory in KiB."""
    import jax
    import jax.numpy as jnp

    from tests.benchmarks._contender import compiler_options
    from tests.benchmarks._double_well import counter_solve

    solve = jax.jit(counter_solve(paths, steps), compiler_options=compiler_options())
    jax.block_until_ready(solve(jnp.array([0, 7], jnp.uint32), jnp.zeros(paths, jnp.float32)))
    return _peak_kib()


def _peak_kib() -> int:
    # Linux hands the parent's `ru_maxrss` on to a new program, so that field would show this benchmark's own size.
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def _in_new_process(paths: int, steps: int) -> int:
    command = [sys.executable, "-c", _PROGRAM, str(paths), str(steps)]
    return int(subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True, timeout=300).stdout)


def measure(quick: bool) -> dict[str, Any]:
    """Peaks for two numbers of steps, the smallest of three processes each, and their ratio."""
    paths, few, many = (1024, 32, 64) if quick else (8192, 256, 32_768)
    repeats = 1 if quick else 3
    pairs = [(_in_new_process(paths, few), _in_new_process(paths, many)) for _ in range(repeats)]
    small, large = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    return {
        "paths": paths,
        "steps": [few, many],
        "peak_mib": [round(kib / 1024, 1) for kib in (small, large)],
        "ratio": large / small,
        "goal": 1.02,
    }
