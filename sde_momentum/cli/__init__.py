"""The command line: `sde-momentum derive | simulate | compare | validate | report`."""

import os
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
    return tyro.extras.subcommand_cli_from_dict(
        commands,
        args=words,
        prog="sde-momentum",
        description=_DESCRIPTION,
        sort_subcommands=False,
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}"
    return f"{text}" if not isinstance(error, RuntimeError | ImportError) else f"{text} (--debug shows where)"


_DESCRIPTION = (
    "Which stochastic differential equation does an optimizer follow, to which order, and where does that stop being "
    "true? Every command takes --debug for a traceback."
)
