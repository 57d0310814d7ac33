"""The command line: ``decamo COMMAND ...``; flags -> settings -> command.

Exit codes: 0 done; 1 a score or its protocol is not the expected one (``evaluate --expect``); 2 a
mistake that one line explains; 75 when a budget is spent, or data did not come, and the same
command goes on; 128 + signal number when stopped by one. Losing standard output ends no run (see
``streams``).
"""

import importlib
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from decamo import __version__
from decamo.errors import DecamoError, SettingsError
from decamo.streams import lasting_streams
from decamo.training.stops import stop_requests

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "train": "train a model, or go on from a checkpoint with the same or another schedule",
    "plan": "show stages and learning rates before a GPU hour is spent",
    "diagnose": "say from a run's past what ails it, and what to do next",
    "escape": "race branches of one checkpoint and prove which gets off the plateau",
    "evaluate": "score checkpoints or any method's maps on data sets",
    "predict": "write probability maps and overlays for images",
    "data": "audit data sets; make procedural camouflage scenes",
    "report": "make one page of a run: verdict, curves, validation cases, settings",
    "bench": "measure claims of cost and quality on this machine",
}

# What goes on without its output, and where what it would have said can be read.
_LONG = {
    "train": "the run goes on, its journal.jsonl has it all",
    "escape": "the race goes on, its folder has what it finds",
    "bench": "the measurement goes on",
}

_USAGE = """usage: decamo COMMAND [flags]

Train, rescue, measure and ship models that segment camouflaged objects.

commands:
{commands}

`decamo COMMAND --help` lists a command's flags; --debug shows tracebacks.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [w for w in words if w != "--debug"]
    with lasting_streams(_LONG.get(words[0], "") if words else "") as streams:
        code = _explained(words, debug=debug)
    return streams.exit_code(code)


def _explained(words: list[str], *, debug: bool) -> int:
    """Run the command; mistakes and signals are explained in a line."""
    try:
        with stop_requests():
            return _dispatch(words)
    except DecamoError as error:
        if debug:
            raise
        print(f"decamo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print("decamo: stopped at once", file=sys.stderr)
        return 128 + getattr(stop, "number", signal.SIGINT)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        lines = "\n".join(f"  {name:10}{summary}" for name, summary in COMMANDS.items())
        print(_USAGE.format(commands=lines), end="")
        return 0 if words else 2
    if words[0] == "--version":
        print(f"decamo {__version__}")
        return 0
    name, *rest = words
    if name not in COMMANDS:
        raise SettingsError(name, "no such command", f"choose from {', '.join(COMMANDS)}")
    # Imported when asked for: `decamo --help` should not wait for torch.
    command = importlib.import_module(f"decamo.commands.{name}")
    return _run(command, name, rest)


def _run(command: ModuleType, name: str, rest: list[str]) -> int:
    flags = importlib.import_module("decamo.flags")
    parser = flags.Parser(prog=f"decamo {name}", description=COMMANDS[name])
    command.add_arguments(parser)
    exit_code: int = command.run(parser.parse(rest))
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
