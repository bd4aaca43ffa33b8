"""The command line answers wrong requests in one line with status 2, keeps what is finished, and starts quickly."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sde_momentum.cli import main
from sde_momentum.cli._commands import OPTIMIZERS
from sde_momentum.optimizers import CATALOGUE

PROGRAM = [sys.executable, "-m", "sde_momentum"]


def run(*words, **options):
    """Run the program in a process of its own."""
    return subprocess.run([*PROGRAM, *words], capture_output=True, text=True, timeout=300, check=False, **options)


def refused(capsys, *words):
    """The one line with which a request is refused."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


def test_derive_prints_the_equation(capsys):
    """The order-2 equation of SGDM, as the papers write it."""
    assert main(["derive", "sgdm", "--order", "2"]) == 0
    text = capsys.readouterr().out
    assert "-∇(L + 1/4·η·(1 + β)/(1 - β)·|∇L|²) dt + √η Σ^{1/2} dW" in text
    assert "σ = 1, t = k·η" in text
    assert "Itô" in text


@pytest.mark.parametrize(("form", "mark"), [("latex", r"\nabla"), ("mathml", "<math"), ("json", '"drift"')])
def test_derive_in_every_format(capsys, form, mark):
    """LaTeX, MathML and JSON."""
    assert main(["derive", "sgd", "--order", "2", "--format", form]) == 0
    assert mark in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "mark"),
    [
        (["sgdm", "--momentum-index", "3/2"], "dM = λ·∇L dt"),
        (["sgdm", "--momentum-index", "1", "--regime", "small-noise"], "dM = λ·(∇L - M) dt"),
        (["sgd", "--schedule", "learning_rate", "--order", "2"], "-∇((φ - 1/2·φ′·η)·L + 1/4·η·φ²·|∇L|²) dt"),
        (["sgd", "--weight-decay", "coupled"], "ω·|X|²"),
        (["sgd", "--svag", "plain", "--order", "2"], "η/ℓ·|∇L|²"),
        (["sgdm", "--regimes"], "frictionless, momentum index 3/2"),
    ],
)
def test_derive_with_options(capsys, words, mark):
    """Momentum indices with their clocks, schedules, wrappers, and the list of regimes."""
    assert main(["derive", *words]) == 0
    assert mark in capsys.readouterr().out


def test_help_names_the_catalogue():
    """The help writes the optimizers out, because it must not load them; none is missing."""
    assert re.findall(r"\w+", OPTIMIZERS.replace(" or ", " ")) == list(CATALOGUE)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_optimizer_lists_its_regimes(capsys, name):
    """Every optimizer answers, and starts with its default."""
    assert main(["derive", name, "--regimes"]) == 0
    assert capsys.readouterr().out.startswith(CATALOGUE[name]().default_regime().name)


def test_derive_shows_the_obstruction(capsys):
    """That no diffusion exists is an answer, with status 0."""
    assert main(["derive", "sgd", "--order", "2", "--regime", "noise-dominated"]) == 0
    assert "no diffusion of order 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "see `sde-momentum --help`"),
        (["deriv"], "Unrecognized options: deriv"),
        (["derive"], "OPTIMIZER"),
        (["derive", "sgd", "--order", "x"], "--order"),
        (["derive", "sgd", "--format", "pdf"], "'latex'"),
        (["derive", "sgd", "--ordre", "2"], "--ordre"),
        (["simulate", "sgd", "--momentum", "much"], "cannot read ['much']; see `sde-momentum simulate --help`"),
        (["derive", "sgmd"], "did you mean `sgd"),
        (["derive", "heavyball"], "did you mean `heavy_ball`"),
        (["derive", "sgd", "--order", "0"], "`order` must be a positive integer"),
        (["derive", "sgd", "--regime", "small-nose"], "did you mean `small-noise`"),
        (["derive", "sgd", "--momentum-index", "1"], "has no momentum"),
        (["derive", "sgdm", "--momentum-index", "-1"], "must be ≥ 0"),
        (["validate", "closenes"], "did you mean `closeness`"),
        (["validate", "--effort", "0"], "`--effort` must be a positive number"),
        (["simulate", "sgd", "--learning-rate", "-0.1"], "`learning_rate` must be positive, got -0.1"),
        (["simulate", "sgd", "--learning-rate", "0"], "`learning_rate` must be positive"),
        (["simulate", "sgdm", "--momentum", "1.0"], "`momentum` must lie in [0, 1)"),
        (["simulate", "sgdm"], "needs a number for `momentum`"),
        (["simulate", "sgd", "--problem", "digit"], "did you mean `digits`"),
        (["simulate", "sgd", "--weight-decay", "coupled"], "needs a number for `weight_decay`"),
        (["simulate", "sgd", "--svag", "plain", "--set", "amplification=0.5"], "`amplification` must be at least 1"),
        (["simulate", "sgd", "--set", "momentum"], "--set takes name=value"),
        (["derive", "sgd", "--schedule", "momentum"], "none of the numbers learning_rate"),
        (["simulate", "sgd", "--learning-rate", "0.3"], "t1"),
        (["simulate", "sgd", "--num-paths", "0"], "num_paths"),
        (["simulate", "sgd", "--output", "/nowhere/at/all.nc"], "no such folder"),
        (["compare", "sgd", "--learning-rates", "0.1", "0.2", "0.3", "0.4"], "strictly decreasing"),
        (["compare", "sgd", "--learning-rates", "0.1", "0.05"], "at least four"),
        (["compare", "sgd", "--order", "2", "--regime", "noise-dominated"], "nothing to compare with"),
        (["report", "--output", "empty-folder-of-no-results"], "holds no results"),
    ],
)
def test_wrong_requests(capsys, monkeypatch, tmp_path, words, message):
    """Every wrong request is refused in one line that says what to do."""
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *words)


def test_output_that_is_a_file(capsys, tmp_path):
    """A results folder that cannot be made."""
    (tmp_path / "results").write_text("in the way")
    assert str(tmp_path / "results") in refused(capsys, "validate", "orders", "--output", str(tmp_path / "results"))


def test_debug_shows_where(capsys):
    """--debug lets the exception through."""
    with pytest.raises(ValueError, match="unknown optimizer"):
        main(["derive", "nothing", "--debug"])


def test_help_starts_without_heavy_packages():
    """--help loads neither JAX nor sympy, and answers in a moment."""
    code = "import sys; sys.argv = ['sde-momentum', '--help']\nfrom sde_momentum.cli import main\ntry: main()\n"
    code += "except SystemExit: pass\nprint([m for m in ('jax', 'sympy', 'diffrax', 'xarray') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")
    times = []
    for _ in range(3):
        start = time.perf_counter()
        assert run("--help").returncode == 0
        times.append(time.perf_counter() - start)
    # Half a second is the promise on an idle machine; a busy one is given time, but not the seconds of a heavy import.
    assert min(times) < 1.5


def test_simulate_and_save(capsys, tmp_path):
    """A small ensemble of the limit, printed and saved."""
    import xarray as xr

    path = tmp_path / "out.nc"
    assert main(["simulate", "sgd", "--limit-order", "1", "--num-paths", "64", "--output", str(path)]) == 0
    assert "loss: mean" in capsys.readouterr().out
    assert "mean" in xr.load_dataset(path, engine="h5netcdf")


@pytest.mark.slow
def test_compare_on_the_quadratic(capsys, tmp_path):
    """Exact errors confirm order 2, and the study is saved with its figure."""
    path = tmp_path / "study.nc"
    words = ["compare", "sgd", "--problem", "quadratic", "--order", "2", "--output", str(path)]
    assert main(words) == 0
    assert "confirmed" in capsys.readouterr().out
    assert path.exists()
    assert Path(path.with_suffix(".svg")).exists()
