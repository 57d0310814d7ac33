"""Programs that each wait in a process of their own until it is their turn to be timed."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Waiting", "waiting"]


@dataclass(frozen=True)
class Waiting:
    """A program that does its work once, and prints a number, for each line that it reads."""

    process: subprocess.Popen[str]

    def turn(self) -> float:
        """Let it do its work once; returns the number it printed.

        Raises:
            ChildProcessError: it has ended; what it said of that is on stderr.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise ChildProcessError(f"{self.process.args!r} ended with code {self.process.wait()}")
        return float(line)

    def end(self) -> None:
        """Kill it where it still runs, and wait for its end."""
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):  # what was asked of one that had ended
            self.process.communicate()


@contextlib.contextmanager
def waiting(module: str, programs: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Waiting]]:
    """Start ``python -m module WORDS`` for each name; all are ended on leaving."""
    started: dict[str, Waiting] = {}
    try:
        for name, words in programs.items():
            process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            started[name] = Waiting(process)
        yield started
    finally:
        for program in started.values():
            program.process.kill()
        for program in started.values():
            program.end()
