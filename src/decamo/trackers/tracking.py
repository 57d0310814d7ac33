"""A run's numbers in somebody else's tracker: one run there, whatever happened to ours.

A tracker cannot take back what it was given. So it is given what a checkpoint holds, and nothing
before: steps that a kill or a rollback undoes were never sent. What a tracker lacks when a run is
resumed (it lost its buffer, the network was away) is sent from the journal.
"""

import json
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from decamo.history import EpochDone, EpochRecord, Event, RolledBack, Saved, StepDone, StepRecord
from decamo.history.journal import numbers_of, read_journal
from decamo.storage import make_folder, write_whole
from decamo.trackers.scalars import Row, epoch_row, row_of, step_row

__all__ = ["TrackedRun", "Tracker", "Tracking", "journal_rows"]

_PATIENCE = 60.0  # seconds that a run's end waits for a tracker

Rows = dict[int, dict[str, float]]


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker needs to know of a run.

    Attributes:
        folder: the run folder; its name is the run's. A tracker's own files go to ``trackers``.
        settings: all of them, by section.
        id: the tracker's own name of the run; empty for one that it has not seen.
    """

    folder: Path
    settings: Mapping[str, Mapping[str, Any]]
    id: str = ""

    @property
    def flat_settings(self) -> dict[str, Any]:
        """The settings by ``section.option``."""
        return {f"{s}.{k}": v for s, options in self.settings.items() for k, v in options.items()}


class Tracker(Protocol):
    """One run in a tracker. Whatever it raises ends the tracking, never the run."""

    @property
    def id(self) -> str:
        """The tracker's name of the run, to find it again."""

    def position(self) -> int | None:
        """The first absolute step that it may lack; None where it cannot say."""

    def log(self, rows: Sequence[Row]) -> None:
        """Take numbers, in ascending order of their steps."""

    def close(self) -> None:
        """Send what is pending and let go."""


@dataclass(frozen=True)
class _Batch:
    rows: Mapping[int, Mapping[str, float]]
    end: int  # first absolute step beyond it


class Tracking:
    """Feeds one tracker by the events of a run, from a thread of its own.

    Args:
        kind: the tracker's word, such as ``wandb``.
        opener: opens a run in the tracker; called in the thread, as it may wait for a network.
        run: the run; its ``id`` is filled in from the run folder.
        journal: path of the journal.
        begin: absolute step that the run goes on with.
        same: whether it goes on exactly as it was. Otherwise, where the tracker holds steps that
            are made anew, it is another run there.
        say: told when the tracker fails, and when it goes on.
    """

    def __init__(
        self,
        kind: str,
        opener: Callable[[TrackedRun], Tracker],
        run: TrackedRun,
        journal: Path,
        begin: int,
        same: bool,
        say: Callable[[str], None],
    ) -> None:
        self._kind, self._opener, self._run, self._journal = kind, opener, run, journal
        self._begin, self._same, self._say = begin, same, say
        self._book = run.folder / "trackers" / f"{kind}.json"
        self._tracker: Tracker | None = None
        self._has = 0
        self._failing = False
        self._rows: Rows = {}
        self._unscored: int | None = None  # last step of an epoch whose scores are not known yet
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._batches: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._deliver_all, name=f"{kind} tracker", daemon=True
        )
        self._thread.start()

    def on_event(self, event: Event) -> None:
        """Keep the numbers of an event; hand over what a checkpoint holds now."""
        if (row := row_of(event)) is not None:
            self._rows.setdefault(row[0], {}).update(row[1])
        if isinstance(event, StepDone):
            self._unscored = event.record.step if event.done == event.of else None
        elif isinstance(event, EpochDone):
            self._unscored = None
        elif isinstance(event, RolledBack):
            self._rows = {s: v for s, v in self._rows.items() if s < event.position.step}
            self._unscored = None
        elif isinstance(event, Saved):
            # A validation that is interrupted is made anew: its step waits for the scores.
            end = event.position.step
            self._hand_over(end if self._unscored != end - 1 else end - 1)
        self._speak()

    def catch_up(self, end: int) -> None:
        """Send what the tracker lacks of the steps before ``end``, where it may lack any."""
        noted = self._noted()
        if not noted.closed or noted.steps < end:
            self._batches.put(_Batch({}, end))

    def close(self) -> None:
        """Wait a while for the tracker to take what it was given."""
        self._batches.put(None)
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            self._lines.put(f"{self._kind}: no answer; what it lacks is sent when the run goes on")
        self._speak()

    def _hand_over(self, end: int) -> None:
        held = {step: values for step, values in self._rows.items() if step < end}
        self._rows = {step: values for step, values in self._rows.items() if step >= end}
        self._batches.put(_Batch(held, end))

    def _speak(self) -> None:
        while not self._lines.empty():
            self._say(self._lines.get())

    def _deliver_all(self) -> None:
        end = 0
        while (batch := self._batches.get()) is not None:
            self._guarded(self._deliver, batch)
            end = batch.end
        if self._failing:  # perhaps it answers by now
            self._guarded(self._deliver, _Batch({}, end))
        if self._tracker is not None:
            self._guarded(self._close, self._tracker)

    def _close(self, tracker: Tracker) -> None:
        tracker.close()
        self._note(_Note(tracker.id, self._has, closed=True))

    def _guarded(self, call: Callable[..., None], *args: Any) -> None:
        try:
            call(*args)
        except Exception as error:
            self._tracker = None
            if not self._failing:
                why = " ".join(str(error).split()) or type(error).__name__
                self._lines.put(f"{self._kind}: {why[:300]}; the run goes on without it for now")
            self._failing = True

    def _deliver(self, batch: _Batch) -> None:
        rows: Rows = {}
        if self._tracker is None:
            self._tracker = self._opened()
            rows = journal_rows(self._journal, self._has, batch.end)
        for step, values in batch.rows.items():
            rows.setdefault(step, {}).update(values)
        self._tracker.log([(step, rows[step]) for step in sorted(rows) if step >= self._has])
        if self._failing:
            self._lines.put(f"{self._kind}: it answers again, and has what it lacked")
        self._failing = False
        self._has = max(self._has, batch.end)
        self._note(_Note(self._tracker.id, self._has))

    def _opened(self) -> Tracker:
        """The tracker's run, and from which step on it lacks ours."""
        known = self._noted()
        make_folder(self._book.parent)
        tracker = self._opener(TrackedRun(self._run.folder, self._run.settings, known.id))
        position = tracker.position()
        has = known.steps if position is None else position
        if known.id and not self._same and has > self._begin:
            tracker.close()
            tracker = self._opener(TrackedRun(self._run.folder, self._run.settings))
            has = self._begin
        self._has = has
        self._note(_Note(tracker.id, self._has))
        self._same = True  # from here on it is
        return tracker

    def _noted(self) -> "_Note":
        try:
            return _Note(**json.loads(self._book.read_bytes()))
        except (OSError, ValueError, TypeError):  # none yet, or damaged: a new run there
            return _Note()

    def _note(self, note: "_Note") -> None:
        write_whole(self._book, json.dumps(asdict(note)).encode())


@dataclass(frozen=True)
class _Note:
    """What the run folder remembers of a tracker."""

    id: str = ""
    steps: int = 0  # that it was given
    closed: bool = False  # whether it had time to keep them


def journal_rows(path: Path, begin: int, end: int) -> Rows:
    """The numbers of steps ``[begin, end)`` as the journal has them, without abandoned futures."""
    rows: Rows = {}
    newest = -1
    for entry in read_journal(path) if path.exists() else ():
        if entry.get("kind") == "step":
            step, values = step_row(StepRecord(**_fields(entry)))
            if step <= newest:  # made anew after a kill or a rollback
                rows = {held: values for held, values in rows.items() if held < step}
            newest = step
        elif entry.get("kind") == "epoch":
            step, values = epoch_row(EpochRecord.from_plain(numbers_of(entry)))
        else:
            continue
        if begin <= step < end:
            rows.setdefault(step, {}).update(values)
    return rows


def _fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in numbers_of(entry).items() if k in StepRecord.__dataclass_fields__}
