"""`python -m tests.benchmarks`: measure, print, and write the JSON from which the documentation makes its table."""

import argparse
import datetime
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

if "--accelerator" not in sys.argv:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # before JAX is imported

from sde_momentum.solvers import tune_cpu
from tests.benchmarks import _accelerator, _double_well, _machine, _memory, _minibatch, _quadratic, _underdamped
from tests.benchmarks._table import table

RESULTS = Path(__file__).parent / "results"
_WORKLOADS = {"W1": _double_well, "W2": _quadratic, "W3": _underdamped, "W4": _minibatch}


def run(names: list[str], rounds: int, quick: bool) -> dict[str, Any]:
    """All that the table needs."""
    start, before = time.monotonic(), _machine.load()
    workloads = {name: _WORKLOADS[name].workload(quick).result(rounds) for name in names}
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": _machine.describe(),
        "rounds": rounds,
        "quick": quick,
        "workloads": workloads,
        "memory": _memory.measure(quick),
        "load": {"before": before, "after": _machine.load()},
        "seconds": round(time.monotonic() - start, 1),
    }


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run? The numbers mean nothing")
    parser.add_argument("--accelerator", action="store_true", help="W1 on JAX's default device; results/<backend>.json")
    parser.add_argument("--plain", action="store_true", help="without `tune_cpu`, as JAX compiles by itself")
    parser.add_argument("--rounds", type=int, help="interleaved rounds, by default 7 (quick: 1)")
    parser.add_argument("--only", nargs="+", choices=_WORKLOADS, default=list(_WORKLOADS), help="some workloads")
    parser.add_argument("--output", type=Path, help="the JSON, by default results/cpu.json (quick or some: none)")
    chosen = parser.parse_args(words)
    if chosen.rounds is None:
        chosen.rounds = 1 if chosen.quick else 7
    if chosen.rounds < 1:
        parser.error("--rounds must be at least 1")
    return chosen


def main(words: list[str] | None = None) -> None:
    """Entry point."""
    chosen = _arguments(words)
    if chosen.accelerator:
        result = _accelerator.measure_device(chosen.rounds, chosen.quick)
        name, complete, show = result["backend"], not chosen.quick, _accelerator.table
    else:
        if not chosen.plain and os.environ["JAX_PLATFORMS"] == "cpu":
            tune_cpu()
        result = run(chosen.only, chosen.rounds, chosen.quick)
        name, complete, show = "cpu", not chosen.quick and len(chosen.only) == len(_WORKLOADS), table
    output = chosen.output or (RESULTS / f"{name}.json" if complete else None)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(show(result))


if __name__ == "__main__":
    main()
