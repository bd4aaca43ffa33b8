"""Saved evidence: one netCDF and one JSON file a claim, written whole or not at all."""

import hashlib
import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import xarray as xr

from sde_momentum.claims.evidence._claim import Claim, Evidence, Measurement, Settings
from sde_momentum.compare import Outcome

_FORMAT = 1


@dataclass(frozen=True)
class Finished:
    """A claim with its evidence and how long it took.

    Args:
        name: of the claim.
        evidence: measurements and data.
        seconds: wall time of the experiment.
        resumed: True when it was read from an earlier run.
    """

    name: str
    evidence: Evidence
    seconds: float
    resumed: bool = False


class Store:
    """Results of claims in a folder.

    Args:
        folder: made if it does not exist.

    Raises:
        OSError: the folder cannot be made or written to.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder):
            pass

    def save(self, claim: Claim, settings: Settings, evidence: Evidence, seconds: float) -> None:
        """Write the evidence of one claim; the JSON file comes last and marks it as complete."""
        self._replace(f"{claim.name}.nc", lambda path: evidence.dataset.to_netcdf(path, engine="h5netcdf"))
        record = {
            "format": _FORMAT,
            "claim": claim.name,
            "key": self.key(claim, settings),
            "seconds": seconds,
            "outcome": str(evidence.outcome),
            "measurements": [_to_json(m) for m in evidence.measurements],
            "equations": list(evidence.equations),
            "remarks": list(evidence.remarks),
        }
        text = json.dumps(record, indent=2, ensure_ascii=False)
        self._replace(f"{claim.name}.json", lambda path: Path(path).write_text(text, encoding="utf-8"))

    def load(self, claim: Claim, settings: Settings) -> Finished | None:
        """Read the evidence of an earlier run with the same settings and version; None if there is none."""
        try:
            record = json.loads((self.folder / f"{claim.name}.json").read_text(encoding="utf-8"))
            if record["format"] != _FORMAT or record["key"] != self.key(claim, settings):
                return None
            dataset = xr.load_dataset(self.folder / f"{claim.name}.nc", engine="h5netcdf")
            measurements = tuple(_from_json(m) for m in record["measurements"])
        except (OSError, ValueError, KeyError):
            return None  # missing or torn: the claim is run again
        evidence = Evidence(measurements, dataset, tuple(record["equations"]), tuple(record["remarks"]))
        return Finished(claim.name, evidence, record["seconds"], resumed=True)

    def key(self, claim: Claim, settings: Settings) -> dict[str, Any]:
        """What must agree for an earlier result to count: settings, versions, and the experiment's own source."""
        import diffrax
        import jax

        import sde_momentum

        del claim
        return {
            **{k: v for k, v in asdict(settings).items() if k != "progress"},
            "source": _source_fingerprint(),
            "sde_momentum": sde_momentum.__version__,
            "jax": jax.__version__,
            "diffrax": diffrax.__version__,
        }

    def _replace(self, name: str, write) -> None:
        handle, path = tempfile.mkstemp(dir=self.folder, prefix=f".{name}.")
        os.close(handle)
        try:
            write(path)
            os.replace(path, self.folder / name)
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise


@cache
def _source_fingerprint() -> str:
    """A hash of the package's own code: a claim measured by other code is measured again."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[2]
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _to_json(measurement: Measurement) -> dict[str, Any]:
    number = lambda value: None if math.isnan(value) else repr(float(value))
    return {
        "label": measurement.label,
        "value": number(measurement.value),
        "interval": [number(edge) for edge in measurement.interval],
        "expected": measurement.expected,
        "outcome": measurement.outcome.name,
    }


def _from_json(record: dict[str, Any]) -> Measurement:
    number = lambda text: math.nan if text is None else float(text)
    low, high = (number(edge) for edge in record["interval"])
    return Measurement(
        record["label"], number(record["value"]), (low, high), record["expected"], Outcome[record["outcome"]]
    )
