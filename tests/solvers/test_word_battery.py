"""A battery of statistical tests by others on the raw words; needs Debian's `dieharder`, skipped without it."""

import contextlib
import shutil
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sde_momentum.solvers._streams import Kind, scalar_words, vector_words

PATHS = 2**15
# Numbers of dieharder's tests: birthdays, 32×32 rank, 6×8 rank, bitstream, count-the-1s, runs, monobit, serial.
BATTERY = (0, 2, 3, 4, 8, 15, 100, 102)
FAILURE = 1e-6

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("dieharder") is None, reason="dieharder not installed")]


@jax.jit
def _philox(step):
    return jnp.stack(scalar_words(1, jnp.arange(PATHS), step, Kind.GAUSSIAN, 0), axis=-1)


@jax.jit
def _threefry(step):
    return jnp.stack(vector_words(1, jnp.arange(PATHS), step, 2, Kind.GAUSSIAN, 0), axis=-1).transpose(1, 0, 2)


def _lattice(step):
    """A bad generator: 32-bit words of a linear congruence with a period of 2**31 and regular low bits."""
    start = np.uint32(step) * np.uint32(4 * PATHS)
    return (start + np.arange(4 * PATHS, dtype=np.uint32)) * np.uint32(2654435769)


def _p_values(words, test):
    """The p-values of one test of dieharder, fed as many words as it asks for."""
    command = ["dieharder", "-g", "200", "-d", str(test), "-D", "pvalues"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            for step in range(100_000):
                process.stdin.write(np.ascontiguousarray(words(np.uint32(step)), np.uint32).tobytes())
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        values = [float(line) for line in process.stdout.read().decode().split()]
    assert process.returncode == 0
    assert values
    return np.array(values)


@pytest.mark.parametrize("test", BATTERY)
@pytest.mark.parametrize("words", [_philox, _threefry], ids=["philox", "threefry"])
def test_words_pass_the_battery(words, test):
    """No test of the battery rejects the words, ordered by step and path."""
    values = _p_values(words, test)
    assert ((values > FAILURE) & (values < 1 - FAILURE)).all(), values


def test_the_battery_rejects_a_lattice():
    """Negative control: the rank test rejects a linear congruence."""
    values = _p_values(_lattice, 2)
    assert ((values < FAILURE) | (values > 1 - FAILURE)).any()
