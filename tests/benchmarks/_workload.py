"""A workload: its contenders, and the ratios that are to be read off."""

from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks._contender import Contender, measure, ratio


@dataclass(frozen=True)
class Workload:
    """Contenders of one task.

    Attributes:
        title: what is computed.
        contenders: the ways to compute it.
        ratios: statement to (faster, slower, goal); the goal is None where there is none.
        skipped: what could not be run, and why.
    """

    title: str
    contenders: list[Contender]
    ratios: dict[str, tuple[str, str, float | None]]
    skipped: list[str] = field(default_factory=list)

    def result(self, rounds: int) -> dict[str, Any]:
        """Rates and ratios."""
        timings = measure(self.contenders, rounds)
        ratios = {
            statement: {**ratio(timings, fast, slow), "goal": goal}
            for statement, (fast, slow, goal) in self.ratios.items()
            if fast in timings and slow in timings
        }
        return {
            "title": self.title,
            "contenders": {name: timing.record() for name, timing in timings.items()},
            "ratios": ratios,
            "skipped": self.skipped,
        }
