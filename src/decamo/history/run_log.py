"""This project's own runs, read as a past; several run folders joined over their resumes."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from decamo.errors import DecamoError
from decamo.history.journal import read_journal
from decamo.history.parsed_lines import MOST_EPOCHS, spans
from decamo.history.training_log import LogSegment, Origin, Point, TrainingLog
from decamo.schedule import HEAD, Lineage

__all__ = ["KINDS", "join", "log_of_entries", "log_of_journal"]

KINDS = frozenset(
    {"run", "baseline", "stage", "opened", "step", "epoch", "memory", "rollback", "interrupted"}
)


def log_of_journal(path: Path) -> TrainingLog:
    """What a run's ``journal.jsonl`` tells; a line cut short by a crash is passed over.

    Raises:
        OSError: the file cannot be read.
    """
    return log_of_entries(read_journal(path), str(path))


def log_of_entries(entries: Iterable[Mapping[str, Any]], source: str = "") -> TrainingLog:
    """What a journal's lines tell.

    After a resume from an earlier checkpoint, the epochs written since that checkpoint were left
    behind: they are no part of this run's past, and a note says so.
    """
    reader = _Reader()
    for entry in entries:
        reader.read(entry)
    points = tuple(point for _, point in sorted(reader.points.items()))
    notes = [_left_behind(reader.left)] if reader.left else []
    if reader.again:
        notes.append(f"trained more than once, the later line counts: epochs {spans(reader.again)}")
    if reader.broken:
        notes.append(f"lines of the journal without a possible epoch, passed over: {reader.broken}")
    if not points:
        notes.append("no epoch is finished")
    return TrainingLog(
        points, tuple(reader.stretches), source=source, notes=tuple(notes), origin=Origin.OURS
    )


def join(pasts: Sequence[TrainingLog]) -> TrainingLog:
    """One past out of the parts of a lineage, each resumed from a checkpoint of another.

    Parts follow each other by their first epoch, equals in the order given; from where a part
    begins, it counts, and what was known of later epochs was left behind.
    """
    known = [past for past in pasts if past.points or past.stretches]
    if len(pasts) == 1 or not known:
        told = tuple(note for past in pasts for note in past.notes)
        return (
            replace(pasts[0], notes=told) if pasts else TrainingLog((), notes=("nothing was read",))
        )
    points: dict[int, Point] = {}
    stretches: list[LogSegment] = []
    left: set[int] = set()
    for past in sorted(known, key=_begin):
        begin = _begin(past)
        left |= {n for n in points if n >= begin}
        points = {n: p for n, p in points.items() if n < begin} | {p.epoch: p for p in past.points}
        stretches = [s for s in stretches if s.first_epoch < begin] + list(past.stretches)
    notes = [f"{past.source}: {note}" for past in pasts for note in past.notes]
    if left:
        notes.append(_left_behind(left))
    checkpoints = [past.checkpoint for past in sorted(known, key=_begin) if past.checkpoint]
    return TrainingLog(
        tuple(point for _, point in sorted(points.items())),
        tuple(stretches),
        checkpoint=checkpoints[-1] if checkpoints else "",
        source=", ".join(past.source for past in pasts),
        notes=tuple(notes),
        origin=next(
            (o for o in _SURER if any(past.origin == o for past in known)), known[0].origin
        ),
    )


_SURER = (Origin.OURS, Origin.FOREIGN)


def _begin(past: TrainingLog) -> int:
    firsts = [s.first_epoch for s in past.stretches[:1]] + [p.epoch for p in past.points[:1]]
    return min(firsts)


def _left_behind(epochs: Iterable[int]) -> str:
    return f"trained before a resume and left behind: epochs {spans(epochs)}"


@dataclass
class _Reader:
    """Reads a journal's lines in their order."""

    points: dict[int, Point] = field(default_factory=dict)
    stretches: list[LogSegment] = field(default_factory=list)
    left: set[int] = field(default_factory=set)
    again: set[int] = field(default_factory=set)
    broken: int = 0
    _fresh: bool = False  # a run line was read, and not yet where it set out from
    _norms: dict[int, list[float]] = field(default_factory=dict)
    _skips: dict[int, int] = field(default_factory=dict)

    def read(self, entry: Mapping[str, Any]) -> None:
        kind = entry.get("kind")
        epoch = _whole(entry.get("epoch"))
        if kind == "run":
            self._run(entry)
        elif kind == "rollback" and self.stretches:
            self._rollback(entry)
        elif kind in ("baseline", "stage", "epoch", "step"):
            if epoch is None or not 1 <= epoch <= MOST_EPOCHS:
                self.broken += 1
                return
            if self._fresh:
                self._set_out(epoch)
            if kind == "baseline" and self.stretches:
                iou = _share(entry.get("iou"))
                self.stretches[-1] = replace(self.stretches[-1], baseline_iou=iou)
            elif kind == "step":
                self._step(epoch, entry)
            elif kind == "epoch":
                self._epoch(epoch, entry)

    def _run(self, entry: Mapping[str, Any]) -> None:
        """What the line tells; the epoch of a ``continue`` is told by the lines that follow."""
        lineage = _lineage(entry.get("ledger"))
        at = lineage.last.at_epoch if lineage is not None else None
        known = max(self.points, default=0) + 1
        first = known if entry.get("word") == "continue" or at is None else at + 1
        settings = entry.get("settings")
        sections = settings.items() if isinstance(settings, Mapping) else ()
        self.stretches.append(
            LogSegment(
                first_epoch=first,
                word=str(entry.get("word") or ""),
                reason=str(entry.get("reason") or ""),
                settings={str(k): dict(v) for k, v in sections if isinstance(v, Mapping)},
                planned_end=_planned_end(lineage),
                lineage=lineage,
                train_images=_whole(entry.get("train_images")),
                val_images=_whole(entry.get("val_images")),
                device=str(entry.get("device") or ""),
                adopted=entry.get("adopted") is True,
            )
        )
        self._fresh = True

    def _rollback(self, entry: Mapping[str, Any]) -> None:
        """The run went back by itself; the lines that follow tell the epoch."""
        self.stretches.append(
            replace(
                self.stretches[-1],
                first_epoch=max(self.points, default=0) + 1,
                word="rollback",
                adopted=False,
                reason=str(entry.get("reason") or ""),
                baseline_iou=None,
                lineage=_lineage(entry.get("ledger")),  # 0.1.0 did not write it down
            )
        )
        self._fresh = True

    def _set_out(self, epoch: int) -> None:
        """The first line after a run line tells the epoch that it goes on with."""
        later = {n for n in self.points if n >= epoch}
        self.left |= later
        self.again -= later
        self.points = {n: p for n, p in self.points.items() if n < epoch}
        self.stretches[-1] = replace(self.stretches[-1], first_epoch=epoch)
        before = [s for s in self.stretches[:-1] if s.first_epoch < epoch]
        unfinished = [s for s in self.stretches[:-1] if s.first_epoch == epoch]
        now = self.stretches[-1]
        if unfinished and now.word == "continue":  # the same weights set out twice
            first = unfinished[-1]
            now = replace(now, baseline_iou=first.baseline_iou)
            if first.word == "branch":
                now = replace(now, word=first.word, reason=first.reason)
        self.stretches = [*before, now]
        self._norms = {n: norms for n, norms in self._norms.items() if n <= epoch}
        self._skips = {n: count for n, count in self._skips.items() if n <= epoch}
        self._fresh = False

    def _step(self, epoch: int, entry: Mapping[str, Any]) -> None:
        norm = _finite(entry.get("grad_norm"))
        if norm is not None:
            self._norms.setdefault(epoch, []).append(norm)
        skipped = entry.get("skipped") is True
        self._skips[epoch] = self._skips.get(epoch, 0) + skipped

    def _epoch(self, epoch: int, entry: Mapping[str, Any]) -> None:
        if epoch in self.points:  # the run line between them was cut
            self.again.add(epoch)
            self.left |= {n for n in self.points if n > epoch}
            self.points = {n: p for n, p in self.points.items() if n < epoch}
        if epoch in self.left:
            self.left.discard(epoch)
            self.again.add(epoch)
        point = _point(epoch, entry, self._norms.pop(epoch, []))
        skips = self._skips.pop(epoch, None)
        # Epoch lines of earlier versions do not count them.
        self.points[epoch] = point if point.skipped is not None else replace(point, skipped=skips)


def _point(epoch: int, entry: Mapping[str, Any], norms: list[float]) -> Point:
    lr = entry.get("lr")
    items = lr.items() if isinstance(lr, Mapping) else ()
    rates = {str(k): r for k, v in items if (r := _finite(v)) is not None}
    seconds = [_finite(entry.get(name)) for name in ("train_seconds", "val_seconds")]
    gates = _gates(entry.get("gates"))
    return Point(
        epoch,
        loss=_number(entry, "loss"),
        iou=_score(entry, "iou"),
        dice=_score(entry, "dice"),
        mae=_score(entry, "mae"),
        lr=rates.get(HEAD),
        rates=rates,
        stage=_whole(entry.get("stage")),
        step=_whole(entry.get("step")),
        img_size=_whole(entry.get("img_size")),
        seconds=None if None in seconds else sum(s for s in seconds if s is not None),
        usage=_row(entry.get("usage"), _finite),
        val_images=_whole(entry.get("val_images")) or None,
        iou_sd=_finite(entry.get("iou_sd")),
        object_share=_share(entry.get("object_share")),
        predicted_share=_share(entry.get("predicted_share")),
        sure_wrong=_share(entry.get("sure_wrong")),
        skipped=_whole(entry.get("skipped")),
        grad_norm=median(norms) if norms else None,
        gates=gates,
        routing_entropy=_levels(entry.get("routing_entropy"), gates),
        routing_balance=_levels(entry.get("routing_balance"), gates),
    )


def _row(values: Any, read: Callable[[Any], float | None]) -> tuple[float, ...]:
    """A list of numbers; empty where it is none, or one of them is not a number."""
    found = [read(value) for value in values] if isinstance(values, list) else []
    return () if None in found else tuple(value for value in found if value is not None)


def _gates(value: Any) -> tuple[tuple[float, ...], ...]:
    """Rows of shares, all of one length; empty where they are not."""
    rows = [_row(row, _share) for row in value] if isinstance(value, list) else []
    return tuple(rows) if len({len(row) for row in rows}) == 1 and rows[0] else ()


def _levels(value: Any, gates: Sequence[object]) -> tuple[float, ...]:
    """A share for each row of the gates; empty where they do not match."""
    row = _row(value, _share)
    return row if len(row) == len(gates) else ()


def _lineage(plain: Any) -> Lineage | None:
    try:
        return Lineage.from_plain(plain) if plain else None
    except (DecamoError, KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None  # of another version, or damaged


def _planned_end(lineage: Lineage | None) -> int | None:
    try:
        return lineage.plan.last_epoch if lineage is not None else None
    except (DecamoError, TypeError, ValueError, ArithmeticError):
        return None


def _number(entry: Mapping[str, Any], name: str) -> float | None:
    """A number; NaN where null is written, as the journal does for what is not finite."""
    if name in entry and entry[name] is None:
        return math.nan
    return _finite(entry.get(name))


def _score(entry: Mapping[str, Any], name: str) -> float | None:
    value = _number(entry, name)
    return value if value is None or math.isnan(value) or 0 <= value <= 1 else None


def _share(value: Any) -> float | None:
    number = _finite(value)
    return number if number is not None and 0 <= number <= 1 else None


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
