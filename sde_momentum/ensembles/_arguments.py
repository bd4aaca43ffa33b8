"""Checks and defaults of the arguments of a run."""

import math
import operator
from typing import Any

import jax

_MAX_PATHS = 2**32 - 2**20
_COVARIANCE_LIMIT = 32
# Numbers in the largest array of one block, and its most paths: on a CPU what stays in the caches (a network is fastest
# in blocks of about 8, whose activations do), on an accelerator what fills it.
_CAPACITY = {"cpu": (2**19, 2**14)}
_ACCELERATOR_CAPACITY = (2**28, 2**20)


def check_count(value: Any, name: str, largest: int = _MAX_PATHS) -> int:
    """A positive integer.

    Raises:
        ValueError: If it is not one, or too large for the counters.
    """
    try:
        count = operator.index(value)
    except TypeError:
        count = 0
    if isinstance(value, bool) or not 1 <= count <= largest:
        raise ValueError(f"{name} must be an integer from 1 to {largest}, got {value!r}")
    return count


def choose_block_size(block_size: int | None, replica_block: int | None, num_paths: int, numbers: int) -> int:
    """Paths per block: the caller's, or the power of two that suits the cache; never more than there are paths.

    It depends on the configuration only, so that a run repeats itself; with `replica_block` it is a multiple of that.

    Args:
        block_size: What the caller asks for.
        replica_block: Replicas computed at a time inside a step.
        num_paths: Size of the ensemble.
        numbers: Numbers in the largest array of one replica.
    """
    if block_size is None:
        capacity, most = _CAPACITY.get(jax.default_backend(), _ACCELERATOR_CAPACITY)
        largest = min(most, max(8, 2 ** math.floor(math.log2(capacity / numbers))))
        # Blocks of equal size: the last one is then hardly padded.
        block_size = -(-num_paths // -(-num_paths // largest))
    block_size = min(check_count(block_size, "block_size"), num_paths)
    multiple = 1 if replica_block is None else check_count(replica_block, "replica_block")
    return -(-block_size // multiple) * multiple


def choose_devices(devices: int | None) -> int:
    """Devices of each process: all local ones unless told otherwise.

    Raises:
        ValueError: If there are fewer.
    """
    available = jax.local_device_count()
    if devices is None:
        return available
    number = check_count(devices, "devices")
    if number > available:
        raise ValueError(f"devices={number}, but this process has {available}; see jax.local_devices()")
    return number


def choose_covariance(covariance: bool | None, components: int) -> bool:
    """Keep the covariance matrix of up to 32 components unless told otherwise."""
    if covariance not in (None, True, False):
        raise TypeError(f"covariance must be True, False or None, got {covariance!r}")
    return components <= _COVARIANCE_LIMIT if covariance is None else bool(covariance)
