"""Printed logs of any origin, read as a past."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from decamo.history.gathering import Gathering
from decamo.history.log_lines import baseline_of, cleaned, headline, setting_out, sighting_of
from decamo.history.log_names import split_lines
from decamo.history.log_tables import Table, object_of, sighting_of_object, table_of
from decamo.history.run_past import KINDS, past_of_entries
from decamo.history.series import Past

__all__ = ["past_of_text"]


def past_of_text(text: str | Iterable[str], source: str = "") -> Past:
    """What a log tells, whoever wrote it; nothing in it makes this fail.

    Understood, line by line and mixed as they come: epoch lines for people (in the manner of
    ``Epoch 87: Loss: 0.2341 | IoU: 0.6350``), several lines an epoch, progress bars, JSON objects,
    printed dicts, tables with a header (CSV, columns), and this project's own journal.
    A score printed without ``%`` counts as a percentage if all its values are above 1.

    Args:
        text: whole, or as lines.
        source: where it is from, for people.

    Returns:
        the past; without points, and with a note, where there is no epoch in it.
    """
    lines = split_lines(iter([text])) if isinstance(text, str) else iter(text)
    gathering = Gathering(source)
    table: Table | None = None
    for line in lines:
        entry = object_of(line)
        if entry is not None:
            if entry.get("kind") in KINDS:
                return past_of_entries(_entries(entry, lines), source)
            sighting = sighting_of_object(entry)
            if sighting is not None:
                gathering.see(sighting)
            continue
        table = _read(cleaned(line), table, gathering)
    return gathering.past()


def _entries(first: dict[str, Any], lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    objects = (object_of(line) for line in lines)
    return chain([first], (entry for entry in objects if entry is not None))


def _read(line: str, table: Table | None, gathering: Gathering) -> Table | None:
    """Take in one line; returns the table that the next line may be a row of."""
    if table is not None:
        row = table.row(line)
        if row is not None:
            gathering.see(row)
            return table
    stretch, baseline = setting_out(line), baseline_of(line)
    if stretch is not None:
        gathering.set_out(stretch)
        return table
    if baseline is not None:
        gathering.baseline(baseline)
        return table
    sighting = sighting_of(line)
    if sighting is not None:
        gathering.see(sighting)
        return table
    title = headline(line)
    if title is not None:
        gathering.announce(*title)
        return table
    return table_of(line) or table
