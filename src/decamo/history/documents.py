"""JSON files that hold a whole history: a list of records, or a dict of lists."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from decamo.history.gathering import Gathering
from decamo.history.log_names import is_epoch
from decamo.history.log_tables import sighting_of_object
from decamo.history.series import Origin, Past

__all__ = ["past_of_document"]

_LARGEST = 64 << 20  # bytes; a history is far smaller
_DEEPEST = 3


def past_of_document(path: Path) -> Past | None:
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
        sighting = sighting_of_object(numbered)
        if sighting is not None:
            gathering.see(sighting)
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
