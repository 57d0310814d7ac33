"""Processes that are measured, and what is said of one that failed."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from decamo.errors import DecamoError, MissingExtra, SettingsError

__all__ = ["MISSING", "failure", "output_of"]

MISSING = 3
"""Exit code of a program for ``--reference-python`` where that lacks a package."""

_WIDEST = 80  # characters of a command that are told


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
