"""What processes tell each other: moments of blocks, and where to resume."""

import contextlib
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

Arrays = dict[str, np.ndarray]


class PeerLostError(RuntimeError):
    """Another process of the job has ended in the middle of a run."""


@contextlib.contextmanager
def _peers() -> Iterator[None]:
    """Say what a failed exchange means. XLA reports it as a ValueError about sockets."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise PeerLostError(
            f"another of the {jax.process_count()} processes has ended, and so must this one; what was folded before "
            "is in the checkpoint, if the run has one: start all of them again with the same command, and it goes on"
        ) from error


def gather(local: Arrays) -> Arrays:
    """The arrays of all processes, concatenated along the leading axis in the order of the processes.

    Raises:
        PeerLostError: If another process has ended.
    """
    if jax.process_count() == 1:
        return local
    with _peers():
        gathered = multihost_utils.process_allgather(local)
    return {name: np.asarray(array).reshape(-1, *local[name].shape[1:]) for name, array in gathered.items()}


def from_first_process(read: Callable[[], bytes]) -> bytes:
    """Bytes read by process 0 only, given to every process.

    Raises:
        ValueError: On every process, with the message of the error that process 0 met.
        PeerLostError: If another process has ended.
    """
    if jax.process_count() == 1:
        return read()
    reply = _reply(read) if jax.process_index() == 0 else b""
    with _peers():
        length = int(multihost_utils.broadcast_one_to_all(np.int32(len(reply))))
        buffer = np.zeros(length, np.uint8)
        if reply:
            buffer[:] = np.frombuffer(reply, np.uint8)
        received = np.asarray(multihost_utils.broadcast_one_to_all(buffer)).tobytes()
    if received[:1] == b"!":
        raise ValueError(received[1:].decode())
    return received[1:]


def _reply(read: Callable[[], bytes]) -> bytes:
    try:
        return b"=" + read()
    except (OSError, ValueError) as error:
        return b"!" + str(error).encode()


def is_first_process() -> bool:
    """Whether this process keeps the checkpoints."""
    return jax.process_index() == 0
