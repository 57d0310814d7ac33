"""Processes that are measured, and what is said of one that failed."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from decamo.errors import DecamoError, MissingExtra, SettingsError

__all__ = ["MISSING", "Command", "failure", "fresh_bytecode", "output_of", "timed"]

MISSING = 3
"""Exit code of a program for ``--reference-python`` where that lacks a package."""

_WIDEST = 80  # characters of a command that are told


@dataclass(frozen=True)
class Command:
    """One run of a command.

    Attributes:
        seconds: from its start to its end.
        mib: its greatest resident set, MiB.
    """

    seconds: float
    mib: float


@contextmanager
def fresh_bytecode() -> Iterator[dict[str, str]]:
    """The environment of processes that run this checkout, as if it were an installed package.

    They keep bytecode, whatever is set here, in a folder of their own that the first of them fills.
    """
    with tempfile.TemporaryDirectory() as folder:
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        source = Path(__file__).parents[1] / "src"
        yield kept | {"PYTHONPATH": str(source), "PYTHONPYCACHEPREFIX": folder}


def timed(words: Sequence[str], environment: Mapping[str, str]) -> Command:
    """Run a command to its end.

    Raises:
        DecamoError: it failed.
    """
    began = time.perf_counter()
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as child:
        assert child.stderr is not None
        said = child.stderr.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if child.returncode:
        raise failure(words, child.returncode, said.decode(errors="replace"))
    return Command(seconds, used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


def failure(words: Sequence[str], code: int, said: str) -> DecamoError:
    """The error for a process that failed.

    Args:
        words: that started it, a Python first.
        code: its exit code.
        said: what it wrote to stderr, of which the last line is told.
    """
    what = " ".join(" ".join(words[1:]).split())[:_WIDEST]
    return DecamoError(what, f"ended with code {code}: {_last_line(said)}", "run it by hand")


def output_of(python: Path, words: Sequence[str]) -> str:
    """What a program prints under the Python of ``--reference-python``.

    Raises:
        MissingExtra: that lacks a package, as the exit code says.
        SettingsError: there is no such Python.
        DecamoError: the program failed for another reason.
    """
    flag, command = "--reference-python", [str(python), *words]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise SettingsError(flag, str(error), "name a Python that runs here") from error
    if done.returncode == MISSING:
        got = f"{python} lacks a package ({_last_line(done.stderr)})"
        raise MissingExtra(flag, got, "name a Python that has it")
    if done.returncode:
        raise failure(command, done.returncode, done.stderr)
    return done.stdout


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["no word"])[-1]
