"""One run in a process of its own: `python ensemble_worker.py '{"process": "sde", ...}'` (see `main`)."""

import json
import sys

import ensemble_doubles as doubles
import jax
import jax.numpy as jnp
import numpy as np


def compute(process, **arguments):
    """One of the runs that tests compare, here or in another process."""
    from sde_momentum.ensembles import simulate

    made = {"sde": doubles.ornstein_uhlenbeck, "chain": doubles.autoregression, "well": doubles.DoubleWell}[process]()
    start = jnp.asarray(0.5) if process == "well" else jnp.asarray([1.0, -2.0])
    common = {"num_paths": 1000, "seed": 11, "saves": 4, "block_size": 128, "progress": False}
    times = {"t1": 1.6} if process == "chain" else {"t1": 1.0, "dt": 1 / 32}
    result = simulate(made, start, **(common | times | arguments))
    return {str(name): result[name].values for name in result.data_vars}


def main(chosen):
    """Join the other processes if there are any, compute, and store the variables."""
    jax.config.update("jax_enable_x64", True)
    if "coordinator" in chosen:
        jax.distributed.initialize(chosen["coordinator"], chosen["processes"], chosen["rank"])
    numbers = compute(chosen["process"], **chosen.get("arguments", {}))
    if "output" in chosen:
        np.savez(chosen["output"], devices=jax.local_device_count(), **numbers)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
