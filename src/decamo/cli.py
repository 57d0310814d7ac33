"""The command line: ``decamo COMMAND ...``; flags -> settings -> command.

Exit codes: 0 done; 1 a score or its protocol is not the expected one (``evaluate --expect``); 2 a
mistake that one line explains; 75 when a budget is spent, data did not come or another process of
the same run is gone, and the same command goes on; 128 + signal number when stopped by one. Losing
standard output ends no run (see ``streams``).
"""

import argparse
import difflib
import importlib
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from decamo import __version__
from decamo.errors import DecamoError, SettingsError
from decamo.export.head_start import head_start
from decamo.extras import heavy_imports, missing_extras
from decamo.stop_signals import stop_requests
from decamo.streams import lasting_streams
from decamo.system import tell_torchrun

__all__ = ["COMMANDS", "Program", "main"]

COMMANDS = {
    "train": "train a model, or go on from a checkpoint with the same or another schedule",
    "plan": "show stages and learning rates before a GPU hour is spent",
    "diagnose": "say from a run's past what ails it, and what to do next",
    "escape": "race branches of one checkpoint and prove which gets off the plateau",
    "evaluate": "score checkpoints or any method's maps on data sets",
    "export": "write a network as ONNX, OpenVINO or safetensors, and compare its maps",
    "push": "put a network on the Hugging Face hub, with its model card",
    "predict": "write probability maps and overlays for images",
    "serve": "show a network as a page of this machine, with a REST endpoint",
    "data": "audit data sets; make procedural camouflage scenes",
    "models": "list backbones that serve, with their cost, strides and weights",
    "adopt": "make a run here of a checkpoint that another program wrote",
    "report": "make one page of a run: verdict, curves, validation cases, settings",
    "completion": "print the completion of commands and flags for a shell",
}

# What goes on without its output, and where what it would have said can be read.
_LONG = {
    "train": "the run goes on, its journal.jsonl has it all",
    "escape": "the race goes on, its folder has what it finds",
}

_USAGE = """usage: {name} COMMAND [flags]

{about}

commands:
{commands}

`{name} COMMAND --help` lists a command's flags; --debug shows tracebacks.
"""


@dataclass(frozen=True)
class Program:
    """A program of several commands: modules with ``add_arguments(parser)`` and ``run(args)``.

    Attributes:
        name: as it is typed.
        package: that holds the commands' modules.
        about: one sentence for ``--help``.
        commands: name -> one line of help.
        long: commands that go on where standard output is lost -> what to say of it.
        check: called with the parsed flags before a command runs.
        beside: name of a command -> what goes on beside its imports, given its words.
    """

    name: str
    package: str
    about: str
    commands: Mapping[str, str]
    long: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[argparse.Namespace], None] = lambda _args: None
    beside: Mapping[str, Callable[[Sequence[str]], AbstractContextManager[None]]] = field(
        default_factory=dict
    )

    def main(self, argv: Sequence[str]) -> int:
        """Run one command; returns the exit code."""
        words = [word for word in argv if word != "--debug"]
        long = self.long.get(words[0], "") if words else ""
        with lasting_streams(long) as streams:
            code = self._explained(words, debug="--debug" in argv)
        return streams.exit_code(code)

    def _explained(self, words: list[str], *, debug: bool) -> int:
        """Run the command; mistakes and signals are explained in a line."""
        try:
            with stop_requests(), missing_extras():
                return self._dispatch(words)
        except DecamoError as error:
            if debug:
                raise
            print(f"decamo: {error}", file=sys.stderr)
            tell_torchrun(str(error))
            return error.exit_code
        except OSError as error:  # of a path that nobody foresaw: a name too long, a closed folder
            if debug or error.filename is None:
                raise
            said = f"{error.filename}: {error.strerror}"
            print(f"decamo: {said}; see whether it is spelt right and may be read", file=sys.stderr)
            tell_torchrun(said)
            return 2
        except KeyboardInterrupt as stop:
            print("decamo: stopped at once", file=sys.stderr)
            tell_torchrun("stopped at once")
            return 128 + getattr(stop, "number", signal.SIGINT)

    def _dispatch(self, words: list[str]) -> int:
        if not words or words[0] in ("-h", "--help", "help"):
            lines = "\n".join(f"  {name:12}{line}" for name, line in self.commands.items())
            print(_USAGE.format(name=self.name, about=self.about, commands=lines), end="")
            return 0 if words else 2
        if words[0] == "--version":
            print(f"decamo {__version__}")
            return 0
        name, *rest = words
        if name not in self.commands:
            close = difflib.get_close_matches(name, self.commands, n=1)
            remedy = (
                f"did you mean {close[0]}?" if close else f"choose from {', '.join(self.commands)}"
            )
            raise SettingsError(name, "no such command", remedy)
        with self.beside.get(name, nullcontext)(rest):
            return self._run(name, rest)

    def _run(self, name: str, rest: list[str]) -> int:
        # Imported when asked for: `decamo --help` should not wait for torch.
        with heavy_imports():
            command = importlib.import_module(f"{self.package}.{name.replace('-', '_')}")
            flags = importlib.import_module("decamo.flags")
        parser = flags.Parser(prog=f"{self.name} {name}", description=self.commands[name])
        command.add_arguments(parser)
        args = parser.parse(rest)
        self.check(args)
        exit_code: int = command.run(args)
        return exit_code


_DECAMO = Program(
    name="decamo",
    package="decamo.commands",
    about="Train, rescue, measure and ship models that segment camouflaged objects.",
    commands=COMMANDS,
    long=_LONG,
    beside={"predict": head_start},  # a sixth of the time to the first map: decisions/0048
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return _DECAMO.main(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
