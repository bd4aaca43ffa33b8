"""What `simulate` and `compare` do."""

import contextlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np

from sde_momentum.cli._lookup import find_regime, find_rule, nearest


def find_setting(options: Any) -> tuple[Any, Any, Any, Any]:
    """Rule, regime, problem and starting point."""
    rule = find_rule(options)
    problem = find_problem(options.problem, options.batch_size)
    return rule, find_regime(options, rule), problem, problem.initial(0)


def find_problem(name: str, batch_size: int) -> Any:
    """A problem by name."""
    from sde_momentum import problems

    makers = {
        "double-well": problems.double_well,
        "quadratic": lambda: problems.quadratic(np.diag([1.0, 0.25]), noise=0.5 * np.eye(2)),
        "breast-cancer": lambda: problems.breast_cancer(batch_size=batch_size),
        "digits": lambda: problems.digits_mlp(batch_size=batch_size),
    }
    if name not in makers:
        raise nearest("problem", name, makers)
    return makers[name]()


def run_simulation(options: Any) -> None:
    """Simulate an optimizer or its limit, print the last moments, and save. Of several processes, the first does."""
    from sde_momentum.dynamics import chain, sde
    from sde_momentum.ensembles import simulate
    from sde_momentum.symbolic import modified_equation

    tune_processor()
    first = join_machines(options.machines)
    rule, regime, problem, x0 = find_setting(options)
    numbers = {"learning_rate": options.learning_rate, **options.numbers.given()}
    check_output(options.output if first else None)
    if options.limit_order:
        process = sde(modified_equation(rule, regime, order=options.limit_order), problem, **numbers)
    else:
        process = chain(rule, problem, regime=regime, **numbers)
    manner = {"progress": first, "checkpoint": options.machines.checkpoint, "budget": options.machines.budget}
    result = simulate(process, x0, t1=options.t1, num_paths=options.num_paths, seed=options.seed, **manner)
    if first:
        _print_moments(result, options)


def tune_processor() -> None:
    """Compile for speed where there is no accelerator, unless JAX has started already, as it has in a notebook."""
    from sde_momentum.solvers import tune_cpu

    if importlib.util.find_spec("jax_plugins") is None:
        with contextlib.suppress(RuntimeError):
            tune_cpu()


def join_machines(machines: Any) -> bool:
    """Join the other processes if there are any to join, and tell whether this one is the first."""
    where = (machines.coordinator, machines.num_processes, machines.process_index)
    if not machines.distributed and where == (None, None, None):
        return True
    import jax

    from sde_momentum.ensembles import join_cluster

    print("waiting for the other processes of the job", file=sys.stderr, flush=True)
    join_cluster(*where)
    return jax.process_index() == 0


def _print_moments(result: Any, options: Any) -> None:
    """The moments at the end of the run, on the screen and in the file."""
    last = result.isel(time=-1)
    for label in result["observable"].values[-8:]:
        at = last.sel(observable=label)
        mean, error, variance = (float(at[name]) for name in ("mean", "standard_error", "variance"))
        print(f"{label:>12}: mean {mean:.6g} ± {error:.2g}, standard deviation {variance**0.5:.6g}")
    print(f"  at t = {options.t1:g}, {options.num_paths} paths; {result.attrs['status']}")
    if options.output is not None:
        result.to_netcdf(options.output, engine="h5netcdf")


def run_comparison(options: Any) -> None:
    """Measure the weak error over learning rates, print the verdict, and save."""
    import jax

    # Differences of nearly equal numbers: double precision throughout.
    jax.config.update("jax_enable_x64", True)
    from sde_momentum.compare import weak_error
    from sde_momentum.symbolic import modified_equation

    rule, regime, problem, x0 = find_setting(options)
    limit = modified_equation(rule, regime, order=options.order)
    if not limit.exists:
        raise ValueError(f"there is nothing to compare with: {limit}")
    check_output(options.output)
    study = weak_error(
        rule,
        limit,
        problem,
        x0,
        t1=options.t1,
        learning_rates=options.learning_rates,
        learning_rate_unit=options.learning_rate_unit,
        method=options.method,
        num_paths=options.num_paths,
        target_snr=options.target_snr,
        seed=options.seed,
        **options.numbers.given(),
    )
    print(study)
    if options.output is not None:
        study.dataset.to_netcdf(options.output, engine="h5netcdf")
        study.plot().figure.savefig(options.output.with_suffix(".svg"))


def check_output(path: Path | None) -> None:
    """Find out that a file cannot be written before the work is done, not after."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(2, "no such folder for the output", str(path.parent))
    with open(path, "ab"):
        pass
