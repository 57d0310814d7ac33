"""Programs that each wait in a process of their own until it is their turn to be timed."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from benchmarks.children import failure

__all__ = ["Waiting", "waiting", "waiting_commands"]


@dataclass(frozen=True)
class Waiting:
    """A program that does its work once, and prints a number, for each line that it reads.

    Attributes:
        words: that started it.
        process: that it is.
        said: a file of what it writes to stderr.
    """

    words: Sequence[str]
    process: subprocess.Popen[str]
    said: IO[str]

    def turn(self) -> float:
        """Let it do its work once; returns the number it printed.

        Raises:
            DecamoError: it has ended; with the last line that it wrote to stderr.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.said.seek(0)
            raise failure(self.words, code, self.said.read())
        return float(line)

    def end(self) -> None:
        """Kill it where it still runs, and wait for its end."""
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):  # what was asked of one that had ended
            self.process.communicate()


def waiting(
    module: str, programs: Mapping[str, Sequence[str]]
) -> contextlib.AbstractContextManager[dict[str, Waiting]]:
    """Start ``python -m module WORDS`` for each name; all are ended on leaving."""
    start = [sys.executable, "-m", module]
    return waiting_commands({name: [*start, *words] for name, words in programs.items()})


@contextlib.contextmanager
def waiting_commands(commands: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Waiting]]:
    """Start a command for each name; all are ended on leaving."""
    started: dict[str, Waiting] = {}
    with contextlib.ExitStack() as files:
        try:
            for name, words in commands.items():
                said = files.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
                process = subprocess.Popen(
                    words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
                )
                started[name] = Waiting(words, process, said)
            yield started
        finally:
            for program in started.values():
                program.process.kill()
            for program in started.values():
                program.end()
