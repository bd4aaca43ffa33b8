"""The machine in words: what a speed depends on, and nothing that names the machine."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

_PACKAGES = ("jax", "jaxlib", "diffrax", "equinox", "numpy", "torch", "torchsde")


def _cpu() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def load() -> float | None:
    """Processes that wanted a core, averaged over the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def describe() -> dict[str, Any]:
    """Processor, cores and versions."""
    information = Path("/proc/cpuinfo")
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "avx512": information.exists() and "avx512f" in information.read_text(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in _PACKAGES if _version(package)},
    }
