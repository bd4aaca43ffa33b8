"""What is timed, and how: compiled beforehand, in turn with the others, each at a size that it can afford."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax

_WIDE = {"xla_cpu_prefer_vector_width": 512}


def compiler_options() -> dict[str, int] | None:
    """Vectors of 512 bits where the CPU has them; XLA takes 256 by default."""
    information = Path("/proc/cpuinfo")
    return dict(_WIDE) if information.exists() and "avx512f" in information.read_text() else None


@dataclass(frozen=True)
class Contender:
    """One way to do a workload; `run` returns when the result is there.

    Rates are per path and step, so that slow contenders may do a smaller piece of the same work.
    """

    name: str
    run: Callable[[], Any]
    paths: int
    steps: int
    compile_seconds: float = 0.0

    @classmethod
    def compiled(
        cls, name: str, function: Callable, *args: Any, paths: int, steps: int, wide: bool = False
    ) -> "Contender":
        """A JAX function, compiled for these arguments; `wide` asks for the longest vectors."""
        start = time.perf_counter()
        options = compiler_options() if wide else None
        program = jax.jit(function, compiler_options=options).lower(*args).compile()
        seconds = time.perf_counter() - start
        return cls(name, lambda: jax.block_until_ready(program(*args)), paths, steps, seconds)


@dataclass
class Timing:
    """Path-steps per second of every round."""

    contender: Contender
    rates: list[float] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """What the table keeps."""
        return {
            "rate": statistics.median(self.rates),
            "slowest": min(self.rates),
            "fastest": max(self.rates),
            "paths": self.contender.paths,
            "steps": self.contender.steps,
            "compile_seconds": round(self.contender.compile_seconds, 3),
        }


def measure(contenders: Sequence[Contender], rounds: int) -> dict[str, Timing]:
    """Run all contenders in turn, `rounds` times after a warm-up, so that a disturbance meets all of them."""
    timings = {contender.name: Timing(contender) for contender in contenders}
    for number in range(rounds + 1):
        for contender in contenders:
            start = time.perf_counter()
            contender.run()
            seconds = time.perf_counter() - start
            if number:
                timings[contender.name].rates.append(contender.paths * contender.steps / seconds)
    return timings


def ratio(timings: dict[str, Timing], fast: str, slow: str) -> dict[str, float]:
    """How many times faster: the median, smallest and largest over the rounds, each round against itself."""
    pairs = zip(timings[fast].rates, timings[slow].rates, strict=True)
    quotients = [one / other for one, other in pairs]
    return {"median": statistics.median(quotients), "smallest": min(quotients), "largest": max(quotients)}
