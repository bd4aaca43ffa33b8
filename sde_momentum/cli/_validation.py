"""What `validate` and `report` do."""

import math
from typing import Any

from sde_momentum.claims import Settings, claim_names, load_claim, validate, write_report
from sde_momentum.claims.telling._store import Store


def run_validation(options: Any) -> None:
    """Run claims, announce each, and say where the report is."""
    import jax

    jax.config.update("jax_enable_x64", True)
    if not (math.isfinite(options.effort) and options.effort > 0):
        raise ValueError(f"`--effort` must be a positive number, got {options.effort}.")
    settings = Settings(seed=options.seed, effort=options.effort, progress=not options.quiet)
    finished = validate(
        options.claims,
        output=options.output,
        settings=settings,
        fresh=options.fresh,
        announce=lambda line: print(line, flush=True),
    )
    counts = [str(result.evidence.outcome) for result in finished]
    kinds = ("supported", "not supported", "undecided")
    print(", ".join(f"{counts.count(kind)} {kind}" for kind in kinds) + f"; report: {options.output / 'report.html'}")


def run_report(options: Any) -> None:
    """Write the report from saved results."""
    settings = Settings(seed=options.seed, effort=options.effort)
    store = Store(options.output)
    found = [store.load(load_claim(name), settings) for name in claim_names()]
    finished = [result for result in found if result is not None]
    if not finished:
        raise ValueError(
            f"{options.output} holds no results of this version with these settings; run `sde-momentum validate` first."
        )
    print(write_report(finished, options.output / "report.html", settings))
