"""Printed logs of any origin, read as a past."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from decamo.history.gathering import Gathering
from decamo.history.log_columns import UnnamedColumns
from decamo.history.log_lines import baseline_of, cleaned, headline, setting_out, sighting_of
from decamo.history.log_names import split_lines
from decamo.history.log_settings import SettingsFilter
from decamo.history.log_tables import Table, object_of, sighting_of_object, table_of
from decamo.history.run_past import KINDS, past_of_entries
from decamo.history.series import Origin, Past
from decamo.history.sightings import Sighting

__all__ = ["LogReader", "past_of_text"]

# The action plan quotes such lines without saying where they come from; this program prints the
# longer form, and how it set out before them.
_PLANS = re.compile(r"[^\w]*Epoch \d+: ")
_OURS = re.compile(r"Epoch \d+: Loss: \S+ \| IoU: \S+ \| Dice: \S+ \| LR: \S+")
_WHOLE_LOG = 10  # lines; so many without a beginning of ours are another program's


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
    _ours: bool = False  # a line was read that only this program prints
    _numbered: int = 0
    _alike: int = 0
    _exact: bool = True
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
        return replace(gathering.past(), origin=self._origin())

    def _origin(self) -> Origin:
        if self._ours:
            return Origin.OURS
        plain = 0 < self._alike == self._numbered
        return (
            Origin.UNKNOWN
            if plain and (self._exact or self._alike < _WHOLE_LOG)
            else (Origin.FOREIGN)
        )

    def _line(self, line: str, gathering: Gathering) -> None:
        """Take in one line."""
        if self._table is not None:
            row = self._table.row(line)
            if row is not None:
                gathering.see(row)
                return
        stretch, baseline = setting_out(line), baseline_of(line)
        self._ours = self._ours or stretch is not None or baseline is not None
        if stretch is not None:
            gathering.set_out(stretch)
        elif baseline is not None:
            gathering.baseline(baseline)
        elif (sighting := sighting_of(line)) is not None:
            gathering.see(sighting)
            self._count(line, sighting)
        elif (title := headline(line)) is not None:
            gathering.announce(*title)
        elif not self._columns.take(line):
            self._table = table_of(line) or self._table

    def _count(self, line: str, sighting: Sighting) -> None:
        """How many epoch lines there are, and how many in the action plan's form and in ours."""
        if sighting.epoch is not None:
            self._numbered += 1
            self._alike += _PLANS.match(line) is not None
            self._exact = self._exact and _OURS.search(line) is not None

    def _unnamed(self, gathering: Gathering) -> None:
        found, note = self._columns.sightings()
        for sighting in found:
            gathering.see(sighting)
        if note:
            gathering.notes.append(note)


def _entries(first: dict[str, Any], lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    objects = (object_of(line) for line in lines)
    return chain([first], (entry for entry in objects if entry is not None))
