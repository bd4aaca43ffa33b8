"""Bad input: one line that names the argument, what it got, and what to do."""

import re

import ensemble_doubles as doubles
import jax
import jax.numpy as jnp
import pytest

import sde_momentum as sm
from sde_momentum import solvers
from sde_momentum.ensembles import _execute, simulate
from sde_momentum.ensembles._arguments import choose_block_size

X0 = jnp.zeros(2)


def _chain(x0=X0, process=None, **arguments):
    chosen = {"t1": 1.0, "num_paths": 16, "seed": 0, "progress": False} | arguments
    return simulate(process or doubles.autoregression(), x0, **chosen)


def _sde(x0=X0, **arguments):
    chosen = {"t1": 1.0, "num_paths": 16, "seed": 0, "dt": 0.1, "progress": False} | arguments
    return simulate(doubles.ornstein_uhlenbeck(), x0, **chosen)


CASES = [
    (_chain, {"t1": 1.05}, ValueError, r"t1=1.05 is not a whole number of steps of step_time=0.1.*t1=1 and t1=1.1"),
    (_sde, {"dt": 0.3}, ValueError, r"t1=1 is not a whole number of steps of dt=0.3"),
    (_sde, {"dt": -0.1}, ValueError, r"dt must be a positive finite number, got -0.1"),
    (_sde, {"dt": None}, ValueError, r"dt is missing"),
    (_chain, {"dt": 0.1}, ValueError, r"dt, solver and increments are for an SDE"),
    (_chain, {"num_paths": 0}, ValueError, r"num_paths must be an integer from 1 to \d+, got 0"),
    (_chain, {"num_paths": 2.5}, ValueError, r"num_paths must be an integer"),
    (_chain, {"num_paths": 2**33}, ValueError, r"num_paths must be an integer"),
    (_chain, {"block_size": 0}, ValueError, r"block_size must be"),
    (_chain, {"covariance": "yes"}, TypeError, r"covariance must be True, False or None, got 'yes'"),
    (_chain, {"chunk_size": -1}, ValueError, r"chunk_size must be"),
    (_chain, {"replica_block": 0}, ValueError, r"replica_block must be"),
    (_chain, {"devices": 99}, ValueError, r"devices=99, but this process has \d+"),
    (_chain, {"budget": -1.0}, ValueError, r"budget must be a positive number of seconds"),
    (_chain, {"seed": -1}, ValueError, r"seed must lie in"),
    (_chain, {"seed": 2**64}, ValueError, r"seed must lie in"),
    (_chain, {"seed": 0.5}, TypeError, r"seed must be an int"),
    (_chain, {"dtype": jnp.float16}, ValueError, r"dtype must be float32 or float64, got float16"),
    (_chain, {"x0": jnp.zeros(2, jnp.float16)}, ValueError, r"dtype must be float32 or float64, got float16"),
    (_chain, {"x0": jnp.zeros(2, jnp.bfloat16)}, ValueError, r"dtype must be float32 or float64, got bfloat16"),
    (_chain, {"x0": [jnp.zeros(2, jnp.float16), jnp.zeros(2)]}, ValueError, r"got float16: 16 bits cannot hold"),
    (_chain, {"dtype": "int32"}, ValueError, r"dtype must be float32 or float64, got int32$"),
    (_chain, {"dtype": "single float"}, ValueError, r"dtype must be float32 or float64, got 'single float'"),
    (_chain, {"x0": jnp.zeros(2, complex)}, TypeError, r"x0 must hold real numbers, got a leaf of dtype complex128"),
    (_chain, {"x0": "zero"}, TypeError, r"x0 must hold real numbers"),
    (_chain, {"x0": {}}, ValueError, r"x0 holds no numbers"),
    (_chain, {"x0": jnp.asarray([0.0, jnp.nan])}, ValueError, r"x0 is not finite"),
    (_chain, {"x0": jnp.zeros(3)}, ValueError, r"x0 does not suit the process: one step fails"),
    (_sde, {"x0": jnp.zeros(())}, ValueError, r"turns a state of shapes .*x0 must have the shapes of the parameters"),
    (_chain, {"process": object()}, TypeError, r"process must have the members of an SDE"),
    (_chain, {"observables": {}}, TypeError, r"observables must be a non-empty dict"),
    (_chain, {"observables": {"x": 3}}, TypeError, r"observables must map names to functions"),
    (_chain, {"observables": {"y": lambda s: s["y"]}}, ValueError, r"observable 'y' fails on the starting state"),
    (_chain, {"observables": {"y": lambda s: s}}, ValueError, r"observable 'y' must return a real scalar or array"),
    (_chain, {"observables": {"y": lambda s: jnp.log(s["x"] - 1)}}, ValueError, r"observable 'y' is NaN"),
    (_chain, {"histograms": {"loss": [0, 1]}}, ValueError, r"histograms names 'loss', but the observables are x"),
    (_chain, {"histograms": {"x": [1, 0]}}, ValueError, r"histograms\['x'\] must be at least two increasing"),
    (_sde, {"solver": 3}, ValueError, r"solver must be a diffrax solver for Itô"),
    (_sde, {"t1": 1.0, "dt": 2.0**-21, "dtype": jnp.float32}, ValueError, r"cannot be told apart in float32"),
    (_sde, {"solver": solvers.MacroEuler(3)}, ValueError, r"multiples of 3 dt"),
]


@pytest.mark.parametrize(("run", "arguments", "kind", "message"), CASES)
def test_bad_input_is_one_clear_line(run, arguments, kind, message):
    """Nothing is integrated, and the one line says what was wrong."""
    with pytest.raises(kind, match=message) as error:
        run(**arguments)
    assert "\n" not in str(error.value)


def test_a_folder_that_cannot_be_written_is_reported_before_the_run(tmp_path):
    """A checkpoint folder below a file is an OSError."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"checkpoint folder .* cannot be written"):
        _chain(checkpoint=tmp_path / "file" / "run")


def test_a_run_beyond_its_budget_is_refused_with_what_would_fit():
    """The estimate is compared with the budget before the run, and the message names a number of paths."""
    with pytest.raises(ValueError, match=r"1,000,000,000 paths .* but budget=1 s; num_paths=[\d,]+ would fit"):
        _chain(num_paths=10**9, block_size=16, budget=1.0)
    assert int(_chain(num_paths=100, block_size=16, budget=60.0)["count"][0]) == 100


def test_the_cost_is_one_line_on_standard_error(capsys):
    """With progress, one line says how many path-steps there are and how long they take."""
    _chain(progress=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "16 paths × 10 steps = 160 path-steps, about" in printed.err
    assert "SGD steps" not in printed.err


@pytest.mark.parametrize(("num_paths", "blocks"), [(5, 1), (16_384, 1), (16_385, 2), (100_000, 7)])
def test_default_blocks_are_equal_and_no_larger_than_suits_the_cache(num_paths, blocks):
    """Paths are spread over the fewest blocks of at most 16 384, with less than one path a block of padding."""
    size = choose_block_size(None, None, num_paths, numbers=2)
    assert -(-num_paths // size) == blocks
    assert blocks * size - num_paths < blocks


def test_large_replicas_get_small_blocks():
    """The more numbers a replica needs, the fewer replicas are computed together, but never fewer than 8."""
    sizes = [choose_block_size(None, None, 10**6, numbers) for numbers in (1, 100, 10_000, 10**7)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 8
    assert choose_block_size(None, 8, 100, 1) == 104


def test_integers_and_keys_are_accepted():
    """Integer starting points become floats; a JAX key and the integer it was made from give the same ensemble."""
    one = _chain(jnp.asarray([1, 2]), seed=7)
    other = _chain(jnp.asarray([1.0, 2.0]), seed=jax.random.key(7))
    doubles.assert_same_bits(one, other)


@pytest.mark.slow
def test_the_cost_of_a_long_run_is_told_in_sgd_steps(capsys, monkeypatch):
    """A step of an equation is compared with one of SGD, where the run is long enough for measuring it."""
    monkeypatch.setattr(_execute, "_WORTH_MEASURING", 0.0)
    process = sm.sde(sm.modified_equation(sm.optimizers.sgd()), sm.problems.double_well(), learning_rate=0.1)
    simulate(process, 0.5, t1=1000.0, num_paths=64, seed=1)
    assert re.search(r"one SDE step = [\d.e+-]+ SGD steps", capsys.readouterr().err)
