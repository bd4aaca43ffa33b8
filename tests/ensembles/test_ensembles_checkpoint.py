"""Checkpoints: whole or refused."""

import os
import pathlib

import numpy as np
import pytest

from sde_momentum.ensembles._checkpoint import CheckpointFolder, Snapshot
from sde_momentum.ensembles._fingerprint import fingerprint

CONFIGURATION = {"dt": 0.1, "num_paths": 10, "times": (0.5, 1.0)}


def _snapshot(blocks):
    return Snapshot(blocks, {"mean": np.full((2, 3), blocks / 3), "count": np.array([blocks, blocks])})


def _folder(tmp_path, **changes):
    folder = CheckpointFolder(tmp_path / "run", CONFIGURATION | changes)
    folder.prepare()
    return folder


def _assert_same(found, expected):
    assert found.blocks == expected.blocks
    for name, array in expected.moments.items():
        np.testing.assert_array_equal(found.moments[name], array)
        assert found.moments[name].dtype == array.dtype


def test_the_newest_checkpoint_comes_back_bit_for_bit(tmp_path):
    """What was saved last is what is loaded, and an empty folder starts from the beginning."""
    folder = _folder(tmp_path)
    assert folder.load() is None
    for blocks in (1, 2, 5):
        folder.save(_snapshot(blocks))
        _assert_same(folder.load(), _snapshot(blocks))
    assert sorted(path.name for path in folder.folder.iterdir()) == [
        "ensemble.checkpoint",
        "ensemble.checkpoint.previous",
    ]


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.99])
def test_a_file_cut_short_is_passed_over_for_the_previous(tmp_path, fraction):
    """However short the newest file is cut, it is detected and the one before is used."""
    folder = _folder(tmp_path)
    folder.save(_snapshot(1))
    folder.save(_snapshot(2))
    content = folder.latest.read_bytes()
    folder.latest.write_bytes(content[: int(fraction * len(content))])
    with pytest.warns(UserWarning, match="damaged"):
        _assert_same(folder.load(), _snapshot(1))
    folder.save(_snapshot(3))
    folder.latest.unlink()
    _assert_same(folder.load(), _snapshot(1))


def test_one_flipped_bit_is_detected(tmp_path):
    """A single altered byte anywhere in the file fails its checksum."""
    folder = _folder(tmp_path)
    folder.save(_snapshot(1))
    content = folder.latest.read_bytes()
    for position in range(0, len(content), 37):
        altered = bytearray(content)
        altered[position] ^= 4
        folder.latest.write_bytes(bytes(altered))
        with pytest.warns(UserWarning, match="damaged"):
            assert folder.load() is None


def test_a_kill_between_the_two_renames_leaves_the_previous(tmp_path):
    """With the newest moved aside and not yet replaced, the one before is found."""
    folder = _folder(tmp_path)
    folder.save(_snapshot(4))
    folder.latest.replace(folder.previous)
    _assert_same(folder.load(), _snapshot(4))


def test_another_configuration_is_refused_by_name(tmp_path):
    """The refusal names each difference and nothing else."""
    _folder(tmp_path).save(_snapshot(1))
    with pytest.raises(ValueError, match=r"dt was 0.1, now 0.2\. Use another folder") as error:
        _folder(tmp_path, dt=0.2).load()
    assert "num_paths" not in str(error.value)
    assert "times" not in str(error.value)


def test_a_failed_write_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    """A full disk while writing is an OSError, the old checkpoint loads, and no rubbish remains."""
    folder = _folder(tmp_path)
    folder.save(_snapshot(1))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device.*last good one is intact"):
        folder.save(_snapshot(2))
    _assert_same(folder.load(), _snapshot(1))
    assert len(list(folder.folder.iterdir())) == 1


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    """A file where the folder should be is reported before any work is done."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written"):
        CheckpointFolder(pathlib.Path(tmp_path / "file" / "run"), CONFIGURATION).prepare()


def test_fingerprints_tell_values_apart():
    """Equal values agree; another number, dtype, function body or captured value does not."""

    def scaled(factor):
        return lambda state: factor * state

    assert fingerprint(scaled(2.0)) == fingerprint(scaled(2.0))
    assert fingerprint(scaled(2.0)) != fingerprint(scaled(3.0))
    assert fingerprint(lambda state: state + 1) != fingerprint(lambda state: state - 1)
    assert fingerprint({"a": np.ones(3)}) == fingerprint({"a": np.ones(3)})
    assert fingerprint({"a": np.ones(3)}) != fingerprint({"a": np.ones(3, np.float32)})
    assert fingerprint({"a": np.ones(3)}) != fingerprint({"b": np.ones(3)})
