"""The journal: one JSON object a line, only ever appended to; the truth about a run.

Kinds of line: ``run`` (a start or resume: settings, word, segment), ``baseline``, ``stage``,
``opened``, ``step``, ``epoch``, ``memory``, ``rollback``, ``interrupted``.
After a resume from an earlier checkpoint the lines written since that checkpoint stay; a reader
lets the later line of an epoch win.
"""

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from decamo.history.events import (
    Baseline,
    EpochDone,
    Event,
    GroupsOpened,
    Interrupted,
    MemoryRanOut,
    RolledBack,
    StageStarted,
    StepDone,
)
from decamo.history.records import EpochRecord
from decamo.storage import storage_error

__all__ = ["Journal", "read_epochs", "read_journal"]


class Journal:
    """An open journal. Each line is handed to the operating system as it is written."""

    def __init__(self, path: Path) -> None:
        cut = _ends_midline(path)
        self._file = path.open("a", encoding="utf-8")
        if cut:  # by a crash; the next line must not be glued to what is left of it
            self._file.write("\n")

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append one line. NaN and infinity become null, so that any JSON reader can follow.

        Raises:
            StorageError: the disk is full or gone.
        """
        line = json.dumps({"kind": kind, **_finite(values)}, allow_nan=False)
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            raise storage_error(Path(self._file.name), error) from error

    def hear(self, event: Event) -> None:
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
        elif isinstance(event, RolledBack):
            self.write("rollback", asdict(event))
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
        with contextlib.suppress(OSError):  # a full disk was told when the line was written
            self._file.close()


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
        entry["epoch"]: EpochRecord.from_plain(_numbers(entry))
        for entry in read_journal(path)
        if entry.get("kind") == "epoch"
    }
    return [epochs[number] for number in sorted(epochs)]


def _ends_midline(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def _numbers(value: Any) -> Any:
    """The inverse of :func:`_finite`, but for the sign of an infinity."""
    if isinstance(value, Mapping):
        return {k: _numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return math.nan if value is None else value


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
