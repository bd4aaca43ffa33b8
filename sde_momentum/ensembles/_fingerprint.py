"""Whether two runs would compute the same thing, told from their arguments."""

import hashlib
import re
import types
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

_ADDRESS = re.compile(r"0x[0-9a-f]+")


def fingerprint(value: Any) -> str:
    """A short hash of a pytree: its structure, the bits of its arrays, the code and closures of its functions.

    Equal values have equal fingerprints in every process. A function's globals are not followed.
    """
    digest = hashlib.sha256()
    _feed(digest, value, depth=0)
    return digest.hexdigest()[:16]


def differences(stored: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """Which entries of two configurations differ, in words."""
    names = sorted(set(stored) | set(present))
    return [
        f"{name} was {stored.get(name)!r}, now {present.get(name)!r}"
        for name in names
        if stored.get(name) != present.get(name)
    ]


def _feed(digest: Any, value: Any, depth: int) -> None:
    leaves, structure = jax.tree.flatten(value)
    digest.update(_ADDRESS.sub("", str(structure)).encode())
    for leaf in leaves:
        _feed_leaf(digest, leaf, depth)


def _feed_leaf(digest: Any, leaf: Any, depth: int) -> None:
    if isinstance(leaf, (jax.Array, np.ndarray, np.generic)):
        array = np.asarray(leaf)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    elif isinstance(leaf, types.FunctionType) and depth < 4:
        _feed_function(digest, leaf, depth)
    else:
        digest.update(_ADDRESS.sub("", repr(leaf)).encode())


def _feed_function(digest: Any, function: types.FunctionType, depth: int) -> None:
    digest.update(f"{function.__module__}.{function.__qualname__}".encode())
    _feed_code(digest, function.__code__)
    captured = [cell.cell_contents for cell in function.__closure__ or ()]
    for value in (*captured, function.__defaults__ or ()):
        _feed(digest, value, depth + 1)


def _feed_code(digest: Any, code: types.CodeType) -> None:
    digest.update(code.co_code)
    digest.update(repr(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _feed_code(digest, constant)
        else:
            digest.update(repr(constant).encode())
