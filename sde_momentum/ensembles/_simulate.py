"""`simulate`: an ensemble of a process, as moments with their standard errors."""

import importlib
import math
import os
import pathlib
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import diffrax as dfx
from jax.typing import DTypeLike
from jaxtyping import PyTree

from sde_momentum.ensembles._arguments import check_count, choose_devices
from sde_momentum.ensembles._checkpoint import CheckpointFolder
from sde_momentum.ensembles._dataset import to_dataset
from sde_momentum.ensembles._execute import Manner, execute
from sde_momentum.ensembles._observables import Observable
from sde_momentum.ensembles._prepare import Question, prepare
from sde_momentum.ensembles._provenance import collect_provenance
from sde_momentum.ensembles._workers import Workers
from sde_momentum.solvers import AbstractIncrements, Seed

if TYPE_CHECKING:
    import xarray as xr


def simulate(
    process: Any,
    x0: PyTree[Any],
    *,
    t1: float,
    num_paths: int,
    seed: Seed,
    dt: float | None = None,
    solver: dfx.AbstractSolver | None = None,
    increments: AbstractIncrements | None = None,
    saves: int | Sequence[float] | None = None,
    observables: Mapping[str, Observable] | None = None,
    histograms: Mapping[str, Sequence[float]] | None = None,
    covariance: bool | None = None,
    dtype: DTypeLike | None = None,
    drop_diverged: bool = False,
    block_size: int | None = None,
    replica_block: int | None = None,
    chunk_size: int | None = None,
    devices: int | None = None,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    budget: float | None = None,
) -> "xr.Dataset":
    """Simulate an ensemble of an SDE or of an optimizer, and return the moments of observables over its paths.

    The paths are cut into fixed blocks, each integrated in one diffrax solve (a chain: in one loop) with the block as
    the last axis of every array. Only moments leave the device, at the save times; memory does not grow with the number
    of steps or of paths. Noise is a function of (seed, path, step), and moments are folded from the first block to the
    last, so that the result has the same bits whatever `chunk_size`, `devices`, the number of processes, or
    interruptions.

    Args:
        process: An `SDE` or a `Chain`, or any object with the members of one.
        x0: Parameters of one replica, a pytree of real numbers.
        t1: End of the run, units of time, a whole number of steps.
        num_paths: Size of the ensemble.
        seed: An integer in [0, 2⁶⁴) or a JAX key.
        dt: Step of the SDE, units of time. A chain has its own `step_time`.
        solver: A diffrax solver for Itô equations; Euler–Maruyama by default.
        increments: Law of the noise increments of an SDE, Gaussian by default.
        saves: When moments are taken: `None` for t1 only, n for the times t1 j/n, or times on the grid of steps.
        observables: Name to function of one replica's state, with values real scalars or arrays. By default the
            parameters as a vector, and the loss where the process knows its problem.
        histograms: Name of an observable to increasing bin edges. Counts below and above the edges are kept too.
        covariance: Whether to keep the covariance of all components; by default if there are at most 32.
        dtype: float32 or float64, for the state and the numbers of the process; by default that of `x0`.
        drop_diverged: Leave paths whose state is not finite out of the moments. Otherwise they make them non-finite.
        block_size: Paths of one block. Part of the configuration: it fixes the order of summation. Bounds the memory.
        replica_block: Replicas computed at a time inside a step, about 8 for networks; `None` computes a block at once.
        chunk_size: Paths between two checkpoints, rounded down to whole blocks, at least one.
        devices: Devices used by each process; all local ones by default.
        progress: Show the estimated cost and a bar, on standard error.
        checkpoint: Folder for checkpoints. A run with the same configuration resumes there; another one is refused.
        budget: Seconds the run may take by its estimate, else it is refused with a number of paths that would fit.

    Returns:
        A data set over `time` and `observable` (one label a component: `x[0]`, `loss`) with `mean`, `standard_error`,
        `variance`, `variance_standard_error`, `third_central_moment`, `fourth_central_moment`, `covariance`, and the
        counts `count`, `diverged` (paths whose state is not finite) and `undefined` (finite state, but not the
        observable). Write `result["mean"]`: `result.mean` is a method of xarray. The attribute `provenance` is a JSON
        string; `status` says in words whether paths diverged.

        Times are carried over as given, so runs with different steps have equal coordinates. Set
        `xarray.set_options(arithmetic_join="exact")` before subtracting results: by default xarray silently keeps only
        the times on which two results agree to the last bit.

    Raises:
        ValueError: If an argument has no meaning or the run exceeds its budget; the message names the remedy.
        TypeError: If `process` is neither SDE nor chain, or `x0` or an observable is of the wrong kind.
        OSError: If the checkpoint folder cannot be written.

    Example:
        The Ornstein–Uhlenbeck process dX = −X dt + √2 dW, whose variance at t = 1 from X₀ = 0 is 1 − e⁻² ≈ 0.865:

        >>> import equinox as eqx
        >>> class OrnsteinUhlenbeck(eqx.Module):
        ...     noise_dim: int = 1
        ...     def init(self, x0):
        ...         return {"x": x0}
        ...     def drift(self, t, state, args):
        ...         return {"x": -state["x"]}
        ...     def noise_product(self, t, state, args, w):
        ...         return {"x": 2**0.5 * w[0]}
        ...     def increment(self, t, state, args, dt, dw):
        ...         return {"x": -state["x"] * dt + 2**0.5 * dw[0]}
        >>> result = simulate(OrnsteinUhlenbeck(), 0.0, t1=1.0, dt=0.01, num_paths=2000, seed=1, progress=False)
        >>> abs(float(result.variance[0, 0]) - 0.865) < 0.15
        True

    References:
        J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
    """
    devices = choose_devices(devices)
    question = Question(
        t1=t1,
        num_paths=num_paths,
        seed=seed,
        dt=dt,
        solver=solver,
        increments=increments,
        saves=saves,
        observables=observables,
        histograms=histograms,
        covariance=covariance,
        block_size=block_size,
        replica_block=replica_block,
        dtype=dtype,
        drop_diverged=drop_diverged,
    )
    chunk_size = None if chunk_size is None else check_count(chunk_size, "chunk_size")
    if budget is not None and not (math.isfinite(budget) and budget > 0):
        raise ValueError(f"budget must be a positive number of seconds, got {budget!r}")
    job = prepare(process, x0, question)
    # XLA compiles meanwhile, without Python's lock.
    threading.Thread(target=importlib.import_module, args=("xarray",), daemon=True).start()
    folder = None if checkpoint is None else CheckpointFolder(pathlib.Path(checkpoint), job.identity)
    moments = execute(job, Manner(Workers(job.run, devices), chunk_size, progress, budget, folder))
    provenance = collect_provenance(process, job.configuration)
    return to_dataset(moments, job.grid, job.run.observables, job.run.plan, provenance)
