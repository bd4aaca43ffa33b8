"""Running claims one after the other, keeping what is finished."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sde_momentum.claims.evidence._claim import Claim, Settings
from sde_momentum.claims.telling._registry import claim_names, load_claim
from sde_momentum.claims.telling._report import write_report
from sde_momentum.claims.telling._store import Finished, Store


def validate(
    names: Iterable[str] = (),
    *,
    output: str | Path = "results",
    settings: Settings | None = None,
    fresh: bool = False,
    announce: Callable[[str], None] = lambda line: None,
) -> tuple[Finished, ...]:
    """Test claims by experiment and write `report.html` and one data file a claim.

    A claim that an earlier run with the same settings finished is read back instead of run again, so an interrupted
    validation continues where it stopped.

    Args:
        names: claims to test; all when empty.
        output: folder for the report and the data.
        settings: seed, effort, progress.
        fresh: run every claim again.
        announce: called with one line before and after every claim.

    Returns:
        One `Finished` a claim, in the order of the report.

    Raises:
        ValueError: unknown claim name.
        OSError: the folder cannot be written.
    """
    settings = settings or Settings()
    claims = [load_claim(name) for name in (tuple(names) or claim_names())]
    store = Store(Path(output))
    finished: list[Finished] = []
    try:
        for number, claim in enumerate(claims, 1):
            announce(f"[{number}/{len(claims)}] {claim.title} …")
            finished.append(_one(claim, store, settings, fresh))
            announce(summary(claim, finished[-1]))
    finally:
        # Interrupted or not, what is finished can be read.
        if finished:
            write_report(finished, store.folder / "report.html", settings)
    return tuple(finished)


def _one(claim: Claim, store: Store, settings: Settings, fresh: bool) -> Finished:
    earlier = None if fresh else store.load(claim, settings)
    if earlier is not None:
        return earlier
    start = time.perf_counter()
    evidence = claim.experiment(settings)
    seconds = time.perf_counter() - start
    store.save(claim, settings, evidence, seconds)
    return Finished(claim.name, evidence, seconds)


def summary(claim: Claim, result: Finished) -> str:
    """One line a claim: statement, what was measured, interval, verdict."""
    decisive = next((m for m in result.evidence.measurements if m.outcome is result.evidence.outcome), None)
    low, high = decisive.interval if decisive else (float("nan"), float("nan"))
    numbers = f"{decisive.label} = {decisive.value:.4g} [{low:.4g}, {high:.4g}]" if decisive else "nothing measured"
    count = len(result.evidence.measurements)
    when = "from an earlier run" if result.resumed else f"{result.seconds:.0f} s"
    return f"  {result.evidence.outcome}: {claim.statement} Measured: {numbers}, {count} measurements ({when})."
