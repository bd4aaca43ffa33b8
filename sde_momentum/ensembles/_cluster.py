"""Starting on several machines: the processes of one job find each other."""

import os
import socket
import time

import jax

_ALONE = (
    "no other processes were found: neither Slurm, Open MPI nor Kubernetes has started this one. Start it with "
    "`srun`, or name coordinator, num_processes and process_index yourself"
)


def join_cluster(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_index: int | None = None,
    *,
    timeout: float = 300.0,
) -> None:
    """Join the processes of one job, so that the ensembles simulated from now on share their blocks.

    Call it before anything else touches JAX, in every process. Under Slurm, Open MPI or Kubernetes no argument is
    needed: their variables tell. Elsewhere name all three. A second call does nothing.

    Args:
        coordinator: Address of process 0, as `host:port`, with a port that is free there.
        num_processes: How many processes there are in all.
        process_index: Which one this is, from 0.
        timeout: Seconds to wait for the others. Process 0 is ended by JAX if they do not come in time.

    Raises:
        ValueError: If only some of the arguments are given, or none and no cluster manager started this process.
        RuntimeError: If process 0 did not come in time, JAX is in use already, or a process has no device.

    Example:
        Two processes on one machine, each with its own `process_index`:

        >>> join_cluster("127.0.0.1:12345", num_processes=2)
        Traceback (most recent call last):
            ...
        ValueError: process_index is missing: coordinator, num_processes and process_index are named together
    """
    if jax.distributed.is_initialized():
        return
    given = {"coordinator": coordinator, "num_processes": num_processes, "process_index": process_index}
    _check(given)
    if coordinator and process_index:
        _await_listener(coordinator, timeout)
    try:
        jax.distributed.initialize(coordinator, num_processes, process_index, initialization_timeout=int(timeout))
        devices = jax.local_device_count()
    except ValueError as error:
        raise ValueError(_ALONE) from error
    except RuntimeError as error:
        raise RuntimeError(_failure(error)) from error
    if not devices:
        raise RuntimeError(
            f"process {jax.process_index()} of {jax.process_count()} has no device: start fewer processes on its host"
        )


def _check(given: dict[str, str | int | None]) -> None:
    """All three arguments or none, and numbers that fit together."""
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ValueError(f"{' and '.join(missing)} {verb} missing: {_TOGETHER}")
    coordinator, number, index = given.values()
    host, _, port = str(coordinator).rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"coordinator must be host:port, got {coordinator!r}")
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"num_processes must be a positive integer, got {number!r}")
    if not isinstance(index, int) or not 0 <= index < number:
        raise ValueError(f"process_index must be an integer from 0 to {number - 1}, got {index!r}")


_TOGETHER = "coordinator, num_processes and process_index are named together"


def _await_listener(coordinator: str, timeout: float) -> None:
    """Wait until process 0 listens. JAX would end this process, with a page of C++, if it did not in time."""
    host, _, port = coordinator.rpartition(":")
    end = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError as error:
            if time.monotonic() >= end:
                raise RuntimeError(
                    f"nobody listens at {coordinator} after {timeout:g} s: start process 0 there, with the same numbers"
                ) from error
            time.sleep(0.1)
        else:
            return


def _failure(error: RuntimeError) -> str:
    """What a person can do about it."""
    text = str(error)
    if "before any JAX" in text:
        return "the processes must be joined before JAX is used: call join_cluster() first of all"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = "" if visible is None else f" (CUDA_VISIBLE_DEVICES={visible})"
    return (
        f"this process could not start with a device of its own{devices}: {text.splitlines()[0] if text else error!r}"
    )
