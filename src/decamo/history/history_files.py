"""Files that hold a whole history: JSON documents, and TensorBoard event files of any program."""

import json
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from statistics import fmean, median
from typing import Any

from decamo.history.gathering import Gathering
from decamo.history.log_names import ColumnMeaning, column_meaning, is_epoch
from decamo.history.log_tables import parsed_object
from decamo.history.parsed_lines import ParsedLine, Said
from decamo.history.training_log import Origin, TrainingLog

__all__ = [
    "log_of_document",
    "log_of_events",
]

_LARGEST = 64 << 20  # bytes; a history is far smaller
_DEEPEST = 3


def log_of_document(path: Path) -> TrainingLog | None:
    """What a ``history.json``, ``trainer_state.json`` or the like tells; None of any other file.

    Raises:
        OSError: the file cannot be read.
    """
    if path.suffix.lower() != ".json" or path.stat().st_size > _LARGEST:
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):  # JSON lines, or something else
        return None
    records = list(_records(value, 0))
    gathering = Gathering(str(path))
    for number, record in enumerate(records, 1):
        numbered = record if any(map(is_epoch, record)) else {"epoch": number, **record}
        parsed = parsed_object(numbered)
        if parsed is not None:
            gathering.see(parsed)
    past = gathering.past()
    return replace(past, origin=Origin.FOREIGN) if past.points else None


def _records(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """One dict an epoch, or several of an epoch each with its number."""
    if isinstance(value, list):
        yield from (record for record in value if isinstance(record, dict))
    elif isinstance(value, dict):
        columns = dict(_columns(value, "", 0))
        if columns:
            length = max(map(len, columns.values()))
            for i in range(length):
                yield {name: column[i] for name, column in columns.items() if i < len(column)}
        elif value and all(str(key).isdigit() and isinstance(v, dict) for key, v in value.items()):
            for key, record in value.items():
                yield record if any(map(is_epoch, record)) else {"epoch": int(key), **record}
        elif depth < _DEEPEST:  # {"log_history": [...], "best_metric": 0.6}
            for inner in value.values():
                yield from _records(inner, depth + 1)


def _columns(
    value: Mapping[str, Any], name: str, depth: int
) -> Iterator[tuple[str, Sequence[Any]]]:
    """Lists of numbers with the path of keys that leads to them."""
    for key, inner in value.items():
        path = f"{name} {key}".strip()
        if isinstance(inner, dict) and depth < _DEEPEST:
            yield from _columns(inner, path, depth + 1)
        elif isinstance(inner, list) and inner and all(map(_is_cell, inner)):
            yield path, inner


def _is_cell(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


Scalars = Sequence[tuple[int, float]]  # (step, value), ascending


def log_of_events(path: Path) -> TrainingLog:
    """What the event files of a folder, or one such file, tell.

    Where a scalar ``epoch`` is written (Lightning), it numbers the epochs. Else, where each
    validation is one step after the one before, the step is the epoch; else validations are
    counted. Values are single precision, as the files are.
    """
    gathering = Gathering(str(path))
    tags = _scalars(path)
    meanings = {tag: column_meaning(tag) for tag in tags}
    known = {tag: m for tag, m in meanings.items() if m is not None}
    ends = _epoch_ends(tags, known, gathering.notes)
    for epoch, begin, end in ends:
        for tag, meaning in known.items():
            first, last = (bisect_right(tags[tag], at, key=itemgetter(0)) for at in (begin, end))
            values = [value for _, value in tags[tag][first:last]]
            if values:
                said = Said(meaning, _one(meaning.name, values))
                gathering.see(ParsedLine(epoch, (said,), running=len(values) > 1))
    return gathering.past()


def _one(name: str, values: Sequence[float]) -> float:
    """The value of an epoch out of those of its steps."""
    if name == "lr":
        return values[0]
    if name in ("iou", "dice", "mae"):
        return values[-1]
    finite = [value for value in values if math.isfinite(value)]
    if name == "grad_norm":
        return median(finite) if finite else math.nan
    return fmean(values) if len(finite) == len(values) else math.nan


def _epoch_ends(
    tags: dict[str, Scalars], known: dict[str, ColumnMeaning], notes: list[str]
) -> list[tuple[int, float, float]]:
    """Each epoch with the steps ``(begin, end]`` that it covers."""
    counter = next((tag for tag in tags if is_epoch(tag)), None)
    if counter is not None:
        last = {int(value): step for step, value in tags[counter] if math.isfinite(value)}
        return _spans(sorted(last.items()))
    scores = [t for t, m in known.items() if m.name in ("iou", "dice", "mae", "val_loss")]
    steps = sorted({step for tag in scores for step, _ in tags[tag]})
    if not steps:
        notes.append("no validation score among the scalars: steps cannot be told from epochs")
        return []
    if {b - a for a, b in pairwise(steps)} <= {1} and steps[0] in (0, 1):
        return _spans([(step, step) for step in steps])
    notes.append("epochs are counted by the validations")
    return _spans(list(enumerate(steps, start=1)))


def _spans(ends: Sequence[tuple[int, int]]) -> list[tuple[int, float, float]]:
    begins = [-math.inf, *(end for _, end in ends[:-1])]
    return [(n, begin, end) for (n, end), begin in zip(ends, begins, strict=True)]


def _scalars(path: Path) -> dict[str, Scalars]:
    """All scalars by tag, without those of a future that a resume left behind."""
    # Half a second to import, and few pasts come as event files.
    events = import_module("tensorboard.backend.event_processing.event_accumulator")
    # TensorBoard's own purge would take the last validation before a resume with it.
    found = events.EventAccumulator(
        str(path), size_guidance={events.SCALARS: 0}, purge_orphaned_data=False
    )
    found.Reload()
    tags = {tag: found.Scalars(tag) for tag in found.Tags()[events.SCALARS]}
    # This project numbers steps from 0 and writes an epoch down at the step after its last one.
    ours = "loss/total" in tags
    late = {tag: int(ours and tag.startswith(("loss/", "lr/", "gradient/"))) for tag in tags}
    ends = [(written[-1].wall_time, written[-1].step + late[t]) for t, written in tags.items()]
    now = max(ends, default=(0.0, 0))[1]
    return {
        tag: _lived([(e.step + late[tag], e.value) for e in written], now)
        for tag, written in tags.items()
    }


def _lived(written: Scalars, now: int) -> Scalars:
    """What is left of values in the order written: each takes the place of all at later steps."""
    lived: list[tuple[int, float]] = []
    for step, value in written:
        while lived and lived[-1][0] >= step:
            lived.pop()
        lived.append((step, value))
    return [(step, value) for step, value in lived if step <= now]
