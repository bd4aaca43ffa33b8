"""Carrying a run out: rounds of blocks, folded in order, with a bar, a budget and checkpoints."""

import dataclasses
import sys
import time

from tqdm import tqdm

from sde_momentum.ensembles._checkpoint import CheckpointFolder, Snapshot, decode, encode
from sde_momentum.ensembles._cost import Cost, measure_cost
from sde_momentum.ensembles._distributed import from_first_process, is_first_process
from sde_momentum.ensembles._gradient_steps import sgd_run
from sde_momentum.ensembles._merge import Moments, merge
from sde_momentum.ensembles._prepare import Job
from sde_momentum.ensembles._workers import Workers

# Seconds of a run from which on its step is compared with one of SGD, which has to be compiled first.
_WORTH_MEASURING = 20.0
# Writing checkpoints may take this share of the time.
_SHARE = 0.05


@dataclasses.dataclass(frozen=True)
class Manner:
    """How a run is carried out; nothing here changes its result.

    Attributes:
        workers: The devices.
        chunk_size: Paths between two checkpoints, or `None` for as often as 5 % of the time allows.
        progress: Whether to show the estimate and a bar.
        budget: Seconds the run may take.
        checkpoint: Where to keep checkpoints.
    """

    workers: Workers
    chunk_size: int | None
    progress: bool
    budget: float | None
    checkpoint: CheckpointFolder | None


def execute(job: Job, manner: Manner) -> Moments:
    """Compute what is missing and return the moments of the whole ensemble.

    Raises:
        ValueError: If the run would exceed its budget, or its checkpoint is of another run.
        OSError: If a checkpoint cannot be written.
    """
    writer = _Writer(job, manner)
    snapshot = _resume(job, manner)
    if snapshot.blocks < job.blocks:
        _announce(job, manner, range(snapshot.blocks, job.blocks))
        snapshot = _fold(job, manner, writer, snapshot)
    return snapshot.moments


def _fold(job: Job, manner: Manner, writer: "_Writer", snapshot: Snapshot) -> Snapshot:
    """Fold the remaining blocks, first to last. What is folded when anything interrupts is written down."""
    blocks = range(snapshot.blocks, job.blocks)
    shown = tqdm(
        total=job.path_steps(blocks), unit=" path-steps", unit_scale=True, delay=0.5, disable=not manner.progress
    )
    try:
        with shown:
            for moments in manner.workers.rounds(blocks):
                for block in moments:
                    snapshot = _add(snapshot, block)
                    shown.update(job.path_steps(range(snapshot.blocks - 1, snapshot.blocks)))
                writer.offer(snapshot)
    finally:
        writer.finish(snapshot)
    return snapshot


def _add(snapshot: Snapshot, block: Moments) -> Snapshot:
    return Snapshot(snapshot.blocks + 1, merge(snapshot.moments, block) if snapshot.blocks else block)


def _announce(job: Job, manner: Manner, blocks: range) -> None:
    """Say what the run will cost, and refuse it if that is too much."""
    if not manner.progress and manner.budget is None:
        return
    steps = job.grid.save_steps[-1]
    rounds = -(-len(blocks) // manner.workers.number)
    cost = measure_cost(manner.workers, job.path_steps(blocks) // steps, rounds, steps)
    if manner.progress:
        tqdm.write(cost.line() + _in_sgd_steps(job, manner, cost), file=sys.stderr)
    if manner.budget is not None:
        cost.refuse_beyond(manner.budget, job.run.block_size * manner.workers.number)


def _in_sgd_steps(job: Job, manner: Manner, cost: Cost) -> str:
    """How many SGD steps one step of an equation costs, measured where the run is long enough for that to be cheap."""
    yardstick = sgd_run(job.run) if cost.seconds > _WORTH_MEASURING else None
    if yardstick is None:
        return ""
    workers = Workers(yardstick, len(manner.workers.devices))
    step = measure_cost(workers, cost.paths, cost.rounds, cost.steps).seconds_per_step
    return f" (one SDE step = {cost.seconds_per_step / step:.2g} SGD steps)" if step else ""


def _resume(job: Job, manner: Manner) -> Snapshot:
    folder = manner.checkpoint
    if folder is None:
        return Snapshot(0, {})

    def read() -> bytes:
        folder.prepare()
        found = folder.load()
        return b"" if found is None else encode(folder.configuration, found)

    content = from_first_process(read)
    return decode(content)[1] if content else Snapshot(0, {})


class _Writer:
    """Writes checkpoints at chunk borders, on the first process only."""

    def __init__(self, job: Job, manner: Manner):
        self.folder = manner.checkpoint if is_first_process() else None
        self.chunk = None if manner.chunk_size is None else max(1, manner.chunk_size // job.run.block_size)
        self.written = 0
        self.due = 0.0

    def offer(self, snapshot: Snapshot) -> None:
        """Write if a chunk is full, or if enough time has passed since the last one."""
        full = time.monotonic() >= self.due if self.chunk is None else snapshot.blocks - self.written >= self.chunk
        if full:
            self.finish(snapshot)

    def finish(self, snapshot: Snapshot) -> None:
        """Write what is not yet written."""
        if self.folder is None or snapshot.blocks <= self.written:
            return
        start = time.monotonic()
        self.folder.save(snapshot)
        end = time.monotonic()
        self.written, self.due = snapshot.blocks, end + (end - start) / _SHARE
