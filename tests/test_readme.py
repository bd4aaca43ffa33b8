"""What the README and the pages show is what happens: commands print what is shown, and code runs."""

import re
import shlex
from pathlib import Path

import pytest

from sde_momentum.cli import _parse, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TEXTS = [README, *(page.read_text() for page in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in page.parts)]


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for kind, block in found if kind == language]


def sessions(console: str) -> dict[str, str]:
    """Command → what it printed."""
    parts = re.split(r"^\$ (.*)\n", console, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


COMMANDS = {c: shown for text in TEXTS for block in blocks("console", text) for c, shown in sessions(block).items()}


def requests(text: str) -> list[str]:
    """The commands of this package in the shell blocks of a text, without their comments."""
    lines = "".join([*blocks("bash", text), *blocks("sh", text)]).replace("\\\n", " ").splitlines()
    return [line.split("#")[0].strip() for line in lines if line.startswith("sde-momentum")]


REQUESTS = sorted({request for text in TEXTS for request in requests(text)})


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_print_what_is_shown(capsys, command):
    """A command, run here, prints the lines below it."""
    program, *words = shlex.split(command)
    assert program == "sde-momentum"
    assert main(words) == 0
    assert capsys.readouterr().out == COMMANDS[command]


@pytest.mark.parametrize("request_", REQUESTS)
def test_requests_are_understood(request_):
    """A command that takes long is read by the program, with every option, and not run."""
    assert _parse(shlex.split(request_)[1:])


def test_names_exist():
    """What the README imports or takes from the package exists, also where running it takes long."""
    import sde_momentum as sm

    code = "\n".join(blocks("python"))
    for path in {match.rstrip(".") for match in re.findall(r"\bsm\.([\w.]+)", README)}:
        found = sm
        for name in path.split("."):
            found = getattr(found, name)
    compile(code, "README.md", "exec")


@pytest.mark.slow
def test_code_runs(capsys, monkeypatch):
    """The blocks run one after the other; what a comment or the block below says was printed was printed."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    code = blocks("python")
    exec("\n".join(code), {"__name__": "readme"})
    printed = capsys.readouterr().out
    promised = [line[2:] for block in code for line in block.splitlines() if line.startswith("# ")]
    promised += [line for block in blocks("") for line in block.splitlines()]
    assert len(promised) > 3
    assert [line for line in promised if line not in printed.splitlines()] == []


def test_another_output_is_noticed():
    """Negative control: sessions are told apart, and a block of another language is not read."""
    text = "```console\n$ first word\none\ntwo\n$ second\nthree\n```\n\n```sh\nmake\n```\n"
    assert sessions(blocks("console", text)[0]) == {"first word": "one\ntwo\n", "second": "three\n"}
    assert blocks("sh", text) == ["make\n"]
    assert requests("```sh\nsde-momentum derive sgd \\\n  --order 2  # two\n```\n") == [
        "sde-momentum derive sgd    --order 2"
    ]
    with pytest.raises(ValueError, match="--ordre"):
        _parse(["derive", "sgd", "--ordre", "2"])
