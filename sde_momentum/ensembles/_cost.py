"""What a run will cost, measured on its own compiled program before it starts."""

import dataclasses

from sde_momentum.ensembles._sde_block import substeps
from sde_momentum.ensembles._workers import Workers

_LONG_ENOUGH = 0.02


@dataclasses.dataclass(frozen=True)
class Cost:
    """The size of a run and how long it should take.

    Attributes:
        paths: Paths.
        steps: Steps of each path.
        rounds: Rounds of blocks still to compute.
        seconds_per_round: Measured time of a round apart from its steps, mostly that of the saves.
        seconds_per_step: Measured time of one step of one round.
    """

    paths: int
    steps: int
    rounds: int
    seconds_per_round: float
    seconds_per_step: float

    @property
    def seconds(self) -> float:
        """Estimated time of the whole run."""
        return self.rounds * self._round

    @property
    def _round(self) -> float:
        return self.seconds_per_round + self.steps * self.seconds_per_step

    def line(self) -> str:
        """One line for a person."""
        total = self.paths * self.steps
        return f"{self.paths:,} paths × {self.steps:,} steps = {total:.3g} path-steps, about {_duration(self.seconds)}"

    def refuse_beyond(self, budget: float, paths_per_round: int) -> None:
        """Refuse a run that would take longer than its budget, naming what would fit.

        Raises:
            ValueError: If the estimate exceeds the budget.
        """
        if self.seconds <= budget:
            return
        affordable = int(budget / self._round) * paths_per_round
        remedy = (
            f"num_paths={affordable:,} would fit"
            if affordable
            else "not even one block fits; take a smaller block_size"
        )
        raise ValueError(f"the run needs {self.line()}, but budget={budget:g} s; {remedy}")


def measure_cost(workers: Workers, paths: int, rounds: int, steps: int) -> Cost:
    """Time a few steps of the compiled program, more and more of them until the clock can tell.

    Args:
        workers: The devices, and the run.
        paths: Paths of the whole run.
        rounds: Rounds of blocks to compute.
        steps: Steps of a path.
    """
    short = substeps(workers.run.solver)
    workers.seconds(short)  # compiles
    fixed = elapsed = min(workers.seconds(short) for _ in range(2))
    number = short
    while elapsed - fixed < _LONG_ENOUGH and number < steps:
        number = min(4 * number, steps)
        elapsed = workers.seconds(number)
    return Cost(paths, steps, rounds, fixed, max(elapsed - fixed, 0.0) / number)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
