"""What the README shows is what happens: its commands print what it prints, and its code runs."""

import re
import shlex
from pathlib import Path

import pytest

from sde_momentum.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for kind, block in found if kind == language]


def sessions(console: str) -> dict[str, str]:
    """Command → what it printed."""
    parts = re.split(r"^\$ (.*)\n", console, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


COMMANDS = {command: shown for console in blocks("console") for command, shown in sessions(console).items()}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_print_what_is_shown(capsys, command):
    """A command of the README, run here, prints the lines below it."""
    program, *words = shlex.split(command)
    assert program == "sde-momentum"
    assert main(words) == 0
    assert capsys.readouterr().out == COMMANDS[command]


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
