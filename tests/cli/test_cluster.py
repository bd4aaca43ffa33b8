"""Several processes started from the command line: found, refused in one line, and a lost one ends the run clearly."""

import socket
import subprocess
import sys
import time

import pytest

from sde_momentum.cli import main
from sde_momentum.ensembles import join_cluster

TOGETHER = ["--num-processes", "2", "--coordinator"]


def start(*words):
    """The program, in a process of its own."""
    command = [sys.executable, "-m", "sde_momentum", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def free_address():
    """An address on this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--num-processes", "2"], "coordinator and process_index are missing"),
        (["--process-index", "2", *TOGETHER, "host:1"], "process_index must be an integer from 0 to 1, got 2"),
        (["--process-index", "0", *TOGETHER, "host"], "coordinator must be host:port, got 'host'"),
    ],
)
def test_incomplete_addresses_are_one_line(capsys, words, message):
    """What is missing, or wrong, is named before anything waits."""
    assert main(["simulate", "sgd", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_first_process_is_one_line():
    """A process that waits in vain says for what, and ends."""
    address = free_address()
    with pytest.raises(RuntimeError, match=f"nobody listens at {address} after 0.2 s"):
        join_cluster(address, num_processes=2, process_index=1, timeout=0.2)


@pytest.mark.slow
def test_slurm_variables_are_understood(tmp_path, monkeypatch):
    """Started as `srun` starts them, two processes find each other by one flag and give the numbers of one."""
    job = {
        "SLURM_JOB_ID": "51234",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_STEP_NUM_TASKS": "2",
    }
    work = ["simulate", "sgd", "--num-paths", "40000"]
    workers = []
    for rank in range(2):
        with monkeypatch.context() as patch:
            for name, value in (job | {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)}).items():
                patch.setenv(name, value)
            workers.append(start(*work, "--distributed"))
    first, second = (worker.communicate(timeout=240) for worker in workers)
    alone = start(*work).communicate(timeout=240)
    assert [worker.returncode for worker in workers] == [0, 0], first[1] + second[1]
    assert first[0].splitlines()[-3:] == alone[0].splitlines()[-3:]
    assert "mean" not in second[0]


@pytest.mark.slow
def test_a_lost_process_ends_the_run_and_the_checkpoint_stands(tmp_path):
    """One of two processes is killed: the other says so in one line, and the run goes on later to the same numbers."""
    work = ["simulate", "sgd", "--t1", "20", "--num-paths", "1500000"]
    kept = [*work, "--checkpoint", str(tmp_path)]
    address = free_address()
    workers = [start(*kept, "--process-index", str(rank), *TOGETHER, address) for rank in range(2)]
    file = tmp_path / "ensemble.checkpoint"
    deadline = time.monotonic() + 120
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    workers[1].kill()
    text = workers[0].communicate(timeout=240)[1]
    workers[1].communicate()
    assert workers[0].returncode == 2
    assert "another of the 2 processes has ended" in text.splitlines()[-1]
    assert "Traceback" not in text
    assert file.exists()
    resumed, whole = (start(*words).communicate(timeout=240)[0] for words in (kept, work))
    assert resumed == whole
