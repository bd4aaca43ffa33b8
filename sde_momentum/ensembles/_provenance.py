"""Where a result comes from: versions, platform, source state, configuration, process."""

import functools
import importlib.metadata
import pathlib
import platform
import subprocess
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax

_PACKAGES = ("sde_momentum", "jax", "jaxlib", "diffrax", "equinox", "numpy", "xarray")


def collect_provenance(process: Any, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Everything needed to repeat a run, as plain data.

    Args:
        process: What was simulated; its `describe()` is used where it has one.
        configuration: The arguments that determine the result.
    """
    return {
        "process": describe(process),
        "configuration": dict(configuration),
        "versions": {"python": platform.python_version()} | {name: package_version(name) for name in _PACKAGES},
        "platform": {"machine": platform.machine(), "backend": jax.default_backend(), "device": _device()},
        "git": _git_state(),
    }


def describe(process: Any) -> Any:
    """The process in its own words, or its fields with the shapes of their arrays."""
    own = getattr(process, "describe", None)
    return own() if callable(own) else eqx.tree_pformat(process)


@functools.cache
def package_version(package: str) -> str | None:
    """Version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # a source tree on the path, never installed
        return None


def _device() -> str:
    return jax.local_devices()[0].device_kind


@functools.cache
def _git_state() -> dict[str, Any] | None:
    """Commit of the library's source tree and whether it was modified; `None` for an installed package."""
    source = pathlib.Path(__file__).resolve()
    folder = source.parent
    try:
        _git(folder, "ls-files", "--error-unmatch", source.name)  # an environment inside somebody else's repository
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "modified": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: pathlib.Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
