"""Atomic checkpoints of a run: written whole or not at all, and refused by another run."""

import dataclasses
import hashlib
import io
import json
import os
import pathlib
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from sde_momentum.ensembles._fingerprint import differences
from sde_momentum.ensembles._merge import Moments

_FORMAT = 1


class TornCheckpointError(Exception):
    """A checkpoint file that does not hold what its checksum says."""


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The blocks folded so far."""

    blocks: int
    moments: Moments


@dataclasses.dataclass(frozen=True)
class CheckpointFolder:
    """A folder that holds the latest checkpoint of one run and the one before.

    A new checkpoint is written beside the old one, flushed to the disk, and renamed over it, so that at every moment at
    least one complete file exists.

    Args:
        folder: Made if missing.
        configuration: Everything that determines the result; a checkpoint of another configuration is refused.
    """

    folder: pathlib.Path
    configuration: Mapping[str, Any]

    @property
    def latest(self) -> pathlib.Path:
        """The newest checkpoint."""
        return self.folder / "ensemble.checkpoint"

    @property
    def previous(self) -> pathlib.Path:
        """The one before, for when the newest is torn."""
        return self.folder / "ensemble.checkpoint.previous"

    def prepare(self) -> None:
        """Make the folder and find out now, not after an hour, whether it can be written.

        Raises:
            OSError: If it cannot.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / f".probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            reason = error.strerror or error
            raise OSError(
                f"checkpoint folder {self.folder} cannot be written ({reason}); give a writable one"
            ) from error

    def load(self) -> Snapshot | None:
        """The newest complete checkpoint, or `None` to start from the beginning.

        Raises:
            ValueError: If it belongs to another configuration.
        """
        for path in (self.latest, self.previous):
            try:
                stored, snapshot = decode(path.read_bytes())
            except FileNotFoundError:
                continue
            except TornCheckpointError as error:
                warnings.warn(f"checkpoint {path} is damaged ({error}); falling back to an older one", stacklevel=2)
                path.unlink()  # or the next save would move it over the older, good one
                continue
            self._refuse_other(path, stored)
            return snapshot
        return None

    def save(self, snapshot: Snapshot) -> None:
        """Write, flush, rename.

        Raises:
            OSError: If the disk is full or gone; the last good checkpoint is intact.
        """
        temporary = self.folder / f".writing-{os.getpid()}"
        try:
            with temporary.open("wb") as file:
                file.write(encode(self.configuration, snapshot))
                file.flush()
                os.fsync(file.fileno())
            if self.latest.exists():
                self.latest.replace(self.previous)
            temporary.replace(self.latest)
            _flush_folder(self.folder)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            reason = error.strerror or error
            raise OSError(
                f"checkpoint in {self.folder} could not be written ({reason}); the last good one is intact"
            ) from error

    def _refuse_other(self, path: pathlib.Path, stored: Mapping[str, Any]) -> None:
        present = json.loads(json.dumps(self.configuration, default=str))
        if changed := differences(stored, present):
            raise ValueError(
                f"checkpoint {path} is of another run: {'; '.join(changed)}. Use another folder or delete it"
            )


def encode(configuration: Mapping[str, Any], snapshot: Snapshot) -> bytes:
    """One line of JSON with a checksum, then the arrays as an npz archive."""
    buffer = io.BytesIO()
    np.savez(buffer, **snapshot.moments)  # pyright: ignore[reportArgumentType]
    header = {"format": _FORMAT, "blocks": snapshot.blocks, "configuration": configuration}
    text = json.dumps(header, default=str, sort_keys=True)
    checksum = hashlib.sha256(text.encode() + buffer.getvalue()).hexdigest()
    return f"{checksum} {text}\n".encode() + buffer.getvalue()


def decode(content: bytes) -> tuple[dict[str, Any], Snapshot]:
    """The inverse of `encode`.

    Raises:
        TornCheckpointError: If the content is cut short or altered.
    """
    line, separator, archive = content.partition(b"\n")
    checksum, _, text = line.partition(b" ")
    if not separator or hashlib.sha256(text + archive).hexdigest().encode() != checksum:
        raise TornCheckpointError("its checksum does not match")
    try:
        header = json.loads(text)
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            moments = dict(arrays)
    except (ValueError, zipfile.BadZipFile) as error:
        raise TornCheckpointError(str(error)) from error
    return header["configuration"], Snapshot(header["blocks"], moments)


def _flush_folder(folder: pathlib.Path) -> None:
    """Make the rename itself durable; a platform without folder handles has nothing to flush."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
