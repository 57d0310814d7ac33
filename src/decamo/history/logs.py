"""Printed logs of any origin, read as a past."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from decamo.history.gathering import Gathering
from decamo.history.log_columns import UnnamedColumns
from decamo.history.log_lines import baseline_of, cleaned, headline, setting_out, sighting_of
from decamo.history.log_names import split_lines
from decamo.history.log_settings import SettingsFilter
from decamo.history.log_tables import Table, object_of, sighting_of_object, table_of
from decamo.history.run_past import KINDS, past_of_entries
from decamo.history.series import Past

__all__ = ["LogReader", "past_of_text"]


def past_of_text(text: str | Iterable[str], source: str = "") -> Past:
    """What a log tells, whoever wrote it; nothing in it makes this fail.

    Understood, line by line and mixed as they come: epoch lines for people (in the manner of
    ``Epoch 87: Loss: 0.2341 | IoU: 0.6350``), several lines an epoch, progress bars, JSON objects,
    printed dicts, tables with a header (CSV, columns), rows of numbers without one, and this
    project's own journal. Settings printed at its head are no epochs.
    A score printed without ``%`` counts as a percentage if all its values are above 1.

    Args:
        text: whole, or as lines.
        source: where it is from, for people.

    Returns:
        the past; without points, and with a note, where there is no epoch in it.
    """
    lines = split_lines(iter([text])) if isinstance(text, str) else iter(text)
    return LogReader(source).read(lines)


@dataclass
class LogReader:
    """Reads one log.

    Attributes:
        source: where it is from, for people.
        seen: whether anything was in it that a training prints; known after :meth:`read`.
    """

    source: str = ""
    seen: bool = False
    _table: Table | None = None
    _columns: UnnamedColumns = field(default_factory=UnnamedColumns)

    def read(self, lines: Iterable[str]) -> Past:
        """The past that the lines tell."""
        gathering = Gathering(self.source)
        settings = SettingsFilter()
        passed = settings.passed(lines)
        for line in passed:
            entry = object_of(line)
            if entry is not None:
                if entry.get("kind") in KINDS:
                    self.seen = True
                    return past_of_entries(_entries(entry, passed), self.source)
                sighting = sighting_of_object(entry)
                if sighting is not None:
                    gathering.see(sighting)
                continue
            self._line(cleaned(line), gathering)
        if gathering.unread:
            self._unnamed(gathering)
        if settings.planned is not None:
            gathering.plan(settings.planned)
        self.seen = not gathering.empty
        return gathering.past()

    def _line(self, line: str, gathering: Gathering) -> None:
        """Take in one line."""
        if self._table is not None:
            row = self._table.row(line)
            if row is not None:
                gathering.see(row)
                return
        stretch, baseline = setting_out(line), baseline_of(line)
        if stretch is not None:
            gathering.set_out(stretch)
        elif baseline is not None:
            gathering.baseline(baseline)
        elif (sighting := sighting_of(line)) is not None:
            gathering.see(sighting)
        elif (title := headline(line)) is not None:
            gathering.announce(*title)
        elif not self._columns.take(line):
            self._table = table_of(line) or self._table

    def _unnamed(self, gathering: Gathering) -> None:
        found, note = self._columns.sightings()
        for sighting in found:
            gathering.see(sighting)
        if note:
            gathering.notes.append(note)


def _entries(first: dict[str, Any], lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    objects = (object_of(line) for line in lines)
    return chain([first], (entry for entry in objects if entry is not None))
