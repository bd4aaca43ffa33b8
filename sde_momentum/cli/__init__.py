"""The command line: `sde-momentum derive | simulate | compare | validate | report`."""

import contextlib
import io
import itertools
import os
import re
import sys
from collections.abc import Sequence

from sde_momentum.cli._commands import Compare, Derive, Report, Simulate, Validate

__all__ = ["Compare", "Derive", "Report", "Simulate", "Validate", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after the program's name; those of the process by default.

    Returns:
        Exit status: 0, 2 for a request that cannot be carried out, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        command = _parse(words)
        command.run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\ninterrupted; what was finished is kept, and the same command continues.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away, as `head` does; say nothing, and keep the interpreter from saying it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        if debug:
            raise
        print(f"sde-momentum: {_one_line(error)}", file=sys.stderr)
        if type(error).__name__ == "PeerLostError":
            # On its way out JAX would wait for the lost process, and then end this one with a page of C++.
            _leave_at_once(2)
        return 2
    return 0


def _leave_at_once(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _parse(words: list[str]):
    import tyro

    commands = {command.__name__.lower(): command for command in (Derive, Simulate, Compare, Validate, Report)}
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.extras.subcommand_cli_from_dict(
                commands,
                args=words,
                prog="sde-momentum",
                description=_DESCRIPTION,
                sort_subcommands=False,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as end:
        if not end.code:
            raise  # after --help
        command = f" {words[0]}" if words and words[0] in commands else ""
        raise ValueError(f"{_unboxed(complaint.getvalue())}; see `sde-momentum{command} --help`.") from None


def _unboxed(box: str) -> str:
    """The first paragraph in a box of the parser's, as one line."""
    # Under the title, which comes first. The lines of the box are dashes, or nothing, where no others can be shown.
    lines = [line.strip("│ ") if set(line) - set("│─- ") else "" for line in box.splitlines()[1:]]
    paragraph = itertools.takewhile(bool, itertools.dropwhile(lambda line: not line, lines))
    text = re.sub(r"no type matching \S+ could be instantiated from", "cannot read", " ".join(paragraph))
    return text.rstrip(".") or "the request cannot be read"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}"
    return f"{text}" if not isinstance(error, RuntimeError | ImportError) else f"{text} (--debug shows where)"


_DESCRIPTION = (
    "Which stochastic differential equation does an optimizer follow, to which order, and where does that stop being "
    "true? Every command takes --debug for a traceback."
)
