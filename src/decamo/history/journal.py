"""The journal: one JSON object a line, only ever appended to; the truth about a run.

Kinds of line: ``run`` (a start or resume: settings, word, segment), ``baseline``, ``stage``,
``opened``, ``step``, ``epoch``, ``memory``, ``reading``, ``rollback``, ``interrupted``.
After a resume from an earlier checkpoint the lines written since that checkpoint stay; a reader
lets the later line of an epoch win.
"""

import contextlib
import errno
import json
import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from decamo.history.events import (
    Baseline,
    EpochDone,
    EpochRecord,
    Event,
    GroupsOpened,
    Interrupted,
    MemoryRanOut,
    ReadingTrouble,
    RolledBack,
    StageStarted,
    StepDone,
)
from decamo.storage import storage_error

__all__ = ["Journal", "numbers_of", "read_epochs", "read_journal"]

_MOST_WAITING = 64 * 2**20  # bytes of lines that wait for room on the disk; days of steps


class Journal:
    """An open journal. Each line is handed to the operating system as it is written.

    A full or broken disk ends no run for the sake of its journal: lines that cannot be written are
    held in memory, in their order, and written as soon as there is room.

    Args:
        path: of the file; made if missing.
        say: told once when lines begin to wait, when they are written, and if they are lost;
            standard error where not given.
    """

    def __init__(self, path: Path, say: Callable[[str], None] | None = None) -> None:
        self._path, self._say = path, say or _warn
        self._descriptor = -1
        self._waiting: deque[bytes] = deque()
        self._bytes = self._lost = 0
        self._troubled = False

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append one line. NaN and infinity become null, so that any JSON reader can follow."""
        line = json.dumps({"kind": kind, **_finite(values)}, allow_nan=False) + "\n"
        self._waiting.append(line.encode())
        self._bytes += len(line)
        while self._bytes > _MOST_WAITING and len(self._waiting) > 1:
            self._bytes -= len(self._waiting.popleft())
            self._lost += 1
        try:
            self._write_waiting()
        except OSError as error:
            self._let_go()
            if not self._troubled:
                self._say(
                    f"{storage_error(self._path, error)}; the run goes on, and what belongs into"
                    " the journal waits in memory"
                )
            self._troubled = True
        else:
            if self._troubled:
                self._say(f"{self._path}: written again{self._without()}")
            self._troubled = False

    def _write_waiting(self) -> None:
        if self._descriptor < 0:
            cut = _ends_midline(self._path)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(self._path, flags, 0o666)
            if cut:  # by a crash or a full disk; no line must be glued to what is left of one
                os.write(self._descriptor, b"\n")
        while self._waiting:
            line = self._waiting[0]
            if os.write(self._descriptor, line) < len(line):  # what is there is a line that was cut
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._bytes -= len(self._waiting.popleft())

    def _let_go(self) -> None:
        """Close the file: after an error of a network drive only opening it anew can help."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = -1

    def _without(self) -> str:
        return f", but for {self._lost} lines" if self._lost else ""

    def on_event(self, event: Event) -> None:
        """Write down what an event tells."""
        if isinstance(event, StepDone):
            self.write("step", asdict(event.record))
        elif isinstance(event, Baseline):
            self.write("baseline", asdict(event))
        elif isinstance(event, EpochDone):
            self.write("epoch", event.record.to_plain() | {"best": event.best})
        elif isinstance(event, GroupsOpened):
            self.write("opened", {"step": event.step, "learning": sorted(event.learning)})
        elif isinstance(event, StageStarted):
            self.write("stage", {"number": event.stage.number, "epoch": event.epoch})
        elif isinstance(event, MemoryRanOut):
            self.write("memory", asdict(event))
        elif isinstance(event, ReadingTrouble):
            self.write("reading", asdict(event))
        elif isinstance(event, RolledBack):
            self.write("rollback", asdict(event) | {"ledger": event.lineage.to_plain()})
        elif isinstance(event, Interrupted):
            self.write("interrupted", asdict(event.position) | {"why": event.why})

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._waiting:
            with contextlib.suppress(OSError):
                self._write_waiting()
        if left := len(self._waiting) + self._lost:
            self._say(f"{self._path}: {left} lines of the journal are lost")
        self._let_go()


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The lines as dicts; a line that was cut short or damaged is passed over."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):  # damaged, if not cut: endless digits or brackets
                continue
            if isinstance(entry, dict):
                yield entry


def read_epochs(path: Path) -> list[EpochRecord]:
    """The epoch records in order of their number, the later line of an epoch winning.

    A null is read as NaN: nothing else in a record is written as one.
    """
    epochs = {
        entry["epoch"]: EpochRecord.from_plain(numbers_of(entry))
        for entry in read_journal(path)
        if entry.get("kind") == "epoch"
    }
    return [epochs[number] for number in sorted(epochs)]


def _warn(line: str) -> None:
    sys.stderr.write(f"decamo: {line}\n")


def _ends_midline(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def numbers_of(value: Any) -> Any:
    """The inverse of :func:`_finite`, but for the sign of an infinity."""
    if isinstance(value, Mapping):
        return {k: numbers_of(v) for k, v in value.items()}
    if isinstance(value, list):
        return [numbers_of(v) for v in value]
    return math.nan if value is None else value


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
