"""Claims end in one of three ways, survive interruption, and leave a report that stands alone."""

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

from sde_momentum import claims
from sde_momentum.claims import Claim, Evidence, Measurement, Settings, validate
from sde_momentum.claims.telling import _registry, _report, _validate
from sde_momentum.cli import main
from sde_momentum.compare import Outcome

SUPPORTED, NOT_SUPPORTED, UNDECIDED = Outcome.SUPPORTED, Outcome.NOT_SUPPORTED, Outcome.UNDECIDED


def measurement(outcome, value=1.0):
    return Measurement(f"a number ({outcome})", value, (value - 0.1, value + 0.1), "one", outcome)


def figure(dataset):
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(figsize=(2, 2))
    axes.plot(dataset["y"])
    return fig


def claim(name, experiment):
    return Claim(
        name, f"Title of {name}", f"Statement of {name} with <angle> & sign.", "Somebody (2024)", experiment, figure
    )


def evidence(*outcomes):
    data = xr.Dataset({"y": ("x", np.arange(3.0))})
    measurements = tuple(measurement(outcome) for outcome in outcomes)
    return Evidence(measurements, data, equations=(r"dX = -\nabla L\,dt",), remarks=("A remark.",))


@pytest.fixture
def fake(monkeypatch):
    """Replace the registry by claims made on the spot."""

    def install(experiments):
        made = {name: claim(name, experiment) for name, experiment in experiments.items()}
        for module in (_registry, _report, _validate):
            monkeypatch.setattr(module, "load_claim", made.__getitem__, raising=False)
            monkeypatch.setattr(module, "claim_names", lambda: tuple(made), raising=False)
        return made

    return install


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ((SUPPORTED, SUPPORTED), SUPPORTED),
        ((SUPPORTED, UNDECIDED), UNDECIDED),
        ((SUPPORTED, NOT_SUPPORTED, UNDECIDED), NOT_SUPPORTED),
        ((), UNDECIDED),
    ],
)
def test_measurements_decide_the_claim(outcomes, whole):
    """One contradiction refutes, one doubt leaves open, nothing measured decides nothing."""
    assert evidence(*outcomes).outcome is whole


def test_finished_claims_survive_an_interruption(fake, tmp_path):
    """Ctrl-C in the second claim keeps the first; the next run reads it back and continues."""
    runs = []

    def first(settings):
        runs.append("first")
        return evidence(SUPPORTED)

    def second(settings):
        runs.append("second")
        if runs.count("second") == 1:
            raise KeyboardInterrupt
        return evidence(UNDECIDED)

    fake({"first": first, "second": second})
    with pytest.raises(KeyboardInterrupt):
        validate(output=tmp_path)
    assert (tmp_path / "report.html").exists()
    finished = validate(output=tmp_path)
    assert runs == ["first", "second", "second"]
    assert [result.resumed for result in finished] == [True, False]
    assert finished[0].evidence.measurements == evidence(SUPPORTED).measurements


def test_interruption_is_status_130(fake, capsys, tmp_path):
    """The command line says so and keeps quiet about where."""

    def interrupted(settings):
        raise KeyboardInterrupt

    fake({"orders": interrupted})
    assert main(["validate", "--output", str(tmp_path)]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_other_settings_are_run_again(fake, tmp_path):
    """Another seed, or a torn file, does not count as finished."""
    runs = []
    fake({"one": lambda settings: runs.append(settings.seed) or evidence(SUPPORTED)})
    for settings in (Settings(seed=1), Settings(seed=1), Settings(seed=2)):
        validate(output=tmp_path, settings=settings)
    (tmp_path / "one.nc").write_bytes(b"torn")
    validate(output=tmp_path, settings=Settings(seed=2))
    assert runs == [1, 2, 2]


def test_fresh_runs_everything(fake, tmp_path):
    """`fresh` ignores what was saved."""
    runs = []
    fake({"one": lambda settings: runs.append(1) or evidence(SUPPORTED)})
    validate(output=tmp_path)
    validate(output=tmp_path, fresh=True)
    assert len(runs) == 2


class Links(HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self):
        super().__init__()
        self.fetched = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            external = tag in ("script", "link", "img", "iframe") and name in ("src", "href")
            if external or (name == "href" and value and not value.startswith("#") and tag == "a"):
                self.fetched.append((tag, value))


def test_report_stands_alone(fake, tmp_path):
    """One file: formulas as MathML, figures inline, nothing fetched, text escaped."""
    fake({"one": lambda settings: evidence(SUPPORTED), "two": lambda settings: evidence(NOT_SUPPORTED)})
    validate(output=tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    parser = Links()
    parser.feed(text)
    assert parser.fetched == []
    assert "<math" in text
    assert text.count("<svg") == 2
    assert "&lt;angle&gt; &amp; sign" in text
    assert re.search(r"not supported", text)


def test_not_a_number_survives_the_store(fake, tmp_path):
    """An order below the noise is NaN, and stays NaN when read back."""
    nothing = Measurement("order", math.nan, (math.nan, math.inf), "order 1", UNDECIDED)
    data = xr.Dataset({"y": ("x", np.arange(3.0))})
    fake({"one": lambda settings: Evidence((nothing,), data)})
    validate(output=tmp_path)
    read = validate(output=tmp_path)[0].evidence.measurements[0]
    assert math.isnan(read.value)
    assert math.isinf(read.interval[1])


def test_progress_is_one_line_before_and_after(fake, tmp_path):
    """What was measured, its interval and the verdict, for every claim."""
    lines = []
    fake({"one": lambda settings: evidence(SUPPORTED)})
    validate(output=tmp_path, announce=lines.append)
    assert len(lines) == 2
    assert "supported: Statement of one" in lines[1]
    assert "[0.9, 1.1]" in lines[1]


def test_every_claim_can_be_loaded():
    """Each has a statement, a source, an experiment and a figure."""
    for name in claims.claim_names():
        found = claims.load_claim(name)
        assert found.name == name
        assert found.statement.endswith(".")
        assert found.source
