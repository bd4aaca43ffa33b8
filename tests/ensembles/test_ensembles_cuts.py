"""The same bits however the work was cut up: over devices, over processes, or by being killed and resumed."""

import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from ensemble_worker import compute

HERE = pathlib.Path(__file__).parent
LIMIT = 240


def _start(devices=1, **chosen):
    """A worker process with a number of host devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    root = str(HERE.parent.parent)
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": paths, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(HERE / "ensemble_worker.py"), json.dumps(chosen)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(*workers):
    """Wait for workers that must succeed."""
    try:
        errors = [worker.communicate(timeout=LIMIT)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    for worker, text in zip(workers, errors, strict=True):
        assert worker.returncode == 0, text[-2000:]


def _assert_same(path, reference):
    """The stored result has the reference's bits; returns on how many devices it was computed."""
    with np.load(path) as file:
        stored = dict(file)
    devices = int(stored.pop("devices"))
    assert set(stored) == set(reference)
    for name, array in reference.items():
        np.testing.assert_array_equal(stored[name], array, err_msg=name)
    return devices


@pytest.mark.parametrize(
    ("process", "devices"),
    [("chain", 3), *(pytest.param(*case, marks=pytest.mark.slow) for case in [("sde", 2), ("sde", 3), ("well", 3)])],
)
def test_the_number_of_devices_changes_no_bit(tmp_path, process, devices):
    """Two host devices, or three, which do not divide the 8 blocks, give the bits of the one in this process."""
    _finish(_start(devices, process=process, output=str(tmp_path / "several.npz")))
    assert _assert_same(tmp_path / "several.npz", compute(process)) == devices


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_the_number_of_processes_changes_no_bit(tmp_path, devices):
    """Two `jax.distributed` processes on loopback give the bits of one, on every process."""
    reference = compute("sde")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"process": "sde", "coordinator": f"127.0.0.1:{port}", "processes": 2}
    shared["arguments"] = {"checkpoint": str(tmp_path / "checkpoint")}
    workers = [_start(devices, rank=rank, output=str(tmp_path / f"{rank}.npz"), **shared) for rank in range(2)]
    _finish(*workers)
    for rank in range(2):
        assert _assert_same(tmp_path / f"{rank}.npz", reference) == devices


LONG = {"num_paths": 400_000, "block_size": 500, "dt": 1 / 512, "chunk_size": 500}


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing(tmp_path):
    """Killed again and again, while computing or while writing, the run ends with the bits of an uninterrupted one."""
    reference = compute("well", **LONG)
    moments, kills = random.Random(0), 0
    arguments = LONG | {"checkpoint": str(tmp_path / "checkpoint")}
    checkpoint = tmp_path / "checkpoint" / "ensemble.checkpoint"
    while kills < 20:
        before = checkpoint.read_bytes() if checkpoint.exists() else b""
        worker = _start(process="well", arguments=arguments)
        # Wait until this process itself has written, so that every kill falls into the work and not into the imports.
        while worker.poll() is None and (checkpoint.read_bytes() if checkpoint.exists() else b"") == before:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.05))
        if worker.poll() is not None:
            break
        worker.send_signal(signal.SIGKILL)
        worker.communicate(timeout=LIMIT)
        kills += 1
    assert kills == 20, f"the run ended after {kills} kills"
    _finish(_start(process="well", arguments=arguments, output=str(tmp_path / "resumed.npz")))
    _assert_same(tmp_path / "resumed.npz", reference)
