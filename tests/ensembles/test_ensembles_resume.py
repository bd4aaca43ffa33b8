"""Interrupting and resuming within one process: finished blocks are kept, and the bits stay."""

import ensemble_doubles as doubles
import jax.numpy as jnp
import pytest

from sde_momentum.ensembles import _execute, simulate

X0 = jnp.asarray([1.0, -2.0])


def _simulate(checkpoint=None, **arguments):
    chosen = {"t1": 1.0, "num_paths": 1000, "seed": 1, "saves": 2, "block_size": 128, "progress": False} | arguments
    return simulate(doubles.autoregression(), X0, checkpoint=checkpoint, **chosen)


def _interrupt_after(monkeypatch, blocks, error):
    """Raise when so many blocks have been folded."""
    count = iter(range(blocks))
    original = _execute.merge

    def merge(left, right):
        if next(count, None) is None:
            raise error
        return original(left, right)

    monkeypatch.setattr(_execute, "merge", merge)


@pytest.mark.parametrize("chunk_size", [None, 128, pytest.param(10**6, marks=pytest.mark.slow)])
def test_ctrl_c_keeps_the_finished_blocks(tmp_path, monkeypatch, chunk_size):
    """After Ctrl-C the checkpoint holds every folded block; the next run computes only the others, to the same bits."""
    reference = _simulate()
    with monkeypatch.context() as interrupted:
        _interrupt_after(interrupted, 4, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            _simulate(tmp_path / "run", chunk_size=chunk_size)
    with monkeypatch.context() as counted:
        _interrupt_after(counted, 3, AssertionError("a finished block was computed again"))
        resumed = _simulate(tmp_path / "run", chunk_size=chunk_size)
    doubles.assert_same_bits(resumed, reference)


def test_a_finished_run_is_read_and_not_computed(tmp_path, monkeypatch):
    """A second run with the same folder folds nothing."""
    first = _simulate(tmp_path / "run")
    _interrupt_after(monkeypatch, 0, AssertionError("computed again"))
    doubles.assert_same_bits(_simulate(tmp_path / "run"), first)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 2}, "seed was 1, now 2"),
        ({"block_size": 64}, "block_size was 128, now 64"),
        ({"num_paths": 999}, "num_paths was 1000, now 999"),
        ({"dtype": jnp.float32}, "dtype was 'float64', now 'float32'"),
        ({"observables": {"x": lambda state: state["x"] ** 2}}, "observables_fingerprint was"),
    ],
)
def test_another_run_is_refused_with_the_difference_named(tmp_path, changed, named):
    """A checkpoint never continues a run that asks for something else."""
    _simulate(tmp_path / "run")
    with pytest.raises(ValueError, match=named):
        _simulate(tmp_path / "run", **changed)


def test_how_a_run_is_carried_out_does_not_matter_for_resuming(tmp_path):
    """Chunks, budget and progress are no part of the configuration."""
    first = _simulate(tmp_path / "run")
    doubles.assert_same_bits(_simulate(tmp_path / "run", chunk_size=300, budget=1e6), first)


def test_a_damaged_checkpoint_costs_time_and_no_bit(tmp_path, monkeypatch):
    """With the newest file cut short, the run continues from the one before."""
    reference = _simulate()
    with monkeypatch.context() as interrupted:
        _interrupt_after(interrupted, 4, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            _simulate(tmp_path / "run", chunk_size=128)
    newest = tmp_path / "run" / "ensemble.checkpoint"
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="damaged"):
        resumed = _simulate(tmp_path / "run")
    doubles.assert_same_bits(resumed, reference)


def test_other_compiler_flags_are_another_configuration(tmp_path, monkeypatch):
    """Flags that change the last bits are refused by name; the number of host devices, which does not, is not."""
    _simulate(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=3")
    _simulate(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    with pytest.raises(ValueError, match="xla_flags"):
        _simulate(tmp_path)
