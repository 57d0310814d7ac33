"""Logs in rows: CSV and other tables, with or without a header, and JSON a line."""

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from decamo.history.log_names import (
    ColumnMeaning,
    column_meaning,
    is_epoch,
    is_step,
    number_of,
    part_of_loss,
)
from decamo.history.parsed_lines import MOST_EPOCHS, ParsedLine, Said

__all__ = [
    "Table",
    "UnnamedColumns",
    "object_of",
    "parsed_object",
    "table_of",
]

_NUMBER = r"[-+]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12})(?:[eE][-+]?\d{1,3})?"
_ROW = re.compile(rf"[\s\[(]*{_NUMBER}(?:[\s\[\](),;|]+{_NUMBER})+[\s\[\](),;|]*")
_SPLIT = re.compile(r"[\s\[\](),;|]+")
_WHOLE = re.compile(r"[-+]?\d+")
_LEAST_ROWS, _LEAST_COLUMNS, _MOST_ROWS = 5, 3, 1_000_000
_HIGHEST_RATE = 0.5
_TURNS = 0.1  # share of the rows at which a learning rate may turn; a loss turns at half of them


@dataclass
class UnnamedColumns:
    """Takes rows in, and says in the end what they say."""

    _rows: list[list[str]] = field(default_factory=list)

    def take(self, line: str) -> bool:
        """Keep a line if it is nothing but numbers."""
        if len(line) > 4096 or len(self._rows) >= _MOST_ROWS or not _ROW.fullmatch(line):
            return False
        cells = [cell for cell in _SPLIT.split(line) if cell]
        if len(cells) < _LEAST_COLUMNS:
            return False
        self._rows.append(cells)
        return True

    def parsed_lines(self) -> tuple[list[ParsedLine], str]:
        """What the rows say, with a note for people; nothing where no column counts epochs."""
        widths = Counter(len(row) for row in self._rows)
        if not widths:
            return [], ""
        width = widths.most_common(1)[0][0]
        rows = [row for row in self._rows if len(row) == width]
        columns = [[float(row[i]) for row in rows] for i in range(width)]
        whole = [all(_WHOLE.fullmatch(row[i]) for row in rows) for i in range(width)]
        counts = [i for i in range(width) if whole[i] and _counts(columns[i])]
        if len(rows) < _LEAST_ROWS or not counts:
            return [], ""
        epoch = min(counts, key=lambda i: (len(set(columns[i])), i))
        rest = [i for i in range(width) if not whole[i]]
        rate = next((i for i in rest if _is_rate(columns[i])), None)
        loss = next((i for i in rest if i != rate and _is_loss(columns[i])), None)
        within = len(set(columns[epoch])) < len(rows)
        named = {"lr": rate, "loss": loss}
        meant = {i: ColumnMeaning(name, 2) for name, i in named.items() if i is not None}
        found = [
            ParsedLine(
                int(columns[epoch][n]),
                tuple(Said(meaning, columns[i][n]) for i, meaning in meant.items()),
                running=within,
            )
            for n in range(len(rows))
        ]
        words = [f"column {epoch + 1} is taken for the epoch"]
        words += [f"{i + 1} for the {_WORDS[meaning.name]}" for i, meaning in meant.items()]
        return found, f"the columns have no names: {', '.join(words)}"


_WORDS = {"lr": "learning rate", "loss": "loss"}


def _counts(column: list[float]) -> bool:
    """Up by 0 or 1 from row to row but for resumes, and not level."""
    jumps = sum(b - a not in (0, 1) for a, b in pairwise(column))
    return column[0] >= 0 and len(set(column)) > 1 and jumps <= len(column) // 50


def _is_rate(column: list[float]) -> bool:
    """Small, above 0, and smooth: a curve turns now and then, noise at every other row."""
    moves = [b - a for a, b in pairwise(column) if b != a]
    turns = sum((a < 0) != (b < 0) for a, b in pairwise(moves))
    return min(column) >= 0 and 0 < max(column) <= _HIGHEST_RATE and turns <= _TURNS * len(column)


def _is_loss(column: list[float]) -> bool:
    """Falls: its last fifth lies under its first."""
    fifth = max(len(column) // 5, 1)
    return sum(column[-fifth:]) < sum(column[:fifth])


_DEEPEST = 4
_MOST_GROUPS = 64


def object_of(line: str) -> dict[str, Any] | None:
    """The JSON object that a line is, if it is one."""
    line = line.strip()
    if not (line.startswith("{") and line.endswith("}")):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):  # ValueError: also a whole number of 5,000 digits
        return None
    return value if isinstance(value, dict) else None


def parsed_object(entry: dict[str, Any]) -> ParsedLine | None:
    """What an object says, whatever the depth of its values."""
    epoch: int | None = None
    said: list[Said] = []
    parts: list[Said] = []
    by_step = False
    for name, value in _leaves(entry, "", 0):
        if is_epoch(name):
            if math.isfinite(value) and value >= 0:
                epoch = math.ceil(value)
                by_step = by_step or epoch != value  # a part of an epoch
        elif is_step(name):
            by_step = True
        elif (meaning := column_meaning(name)) is not None:
            said.append(Said(meaning, value if math.isfinite(value) else math.nan))
        elif (meaning := part_of_loss(name)) is not None:
            parts.append(Said(meaning, value if math.isfinite(value) else math.nan))
    scored = any(one.meaning.name in ("iou", "dice", "mae") for one in said)
    if not said and not parts:
        return None
    return ParsedLine(epoch, tuple(said), running=by_step and not scored, parts=tuple(parts))


def _leaves(value: Any, name: str, depth: int) -> Iterator[tuple[str, float]]:
    """Numbers with the path of keys that leads to them; a list of one number counts as it.

    Several learning rates are those of groups, by their place in the list.
    """
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name} {key}".strip(), depth + 1)
    elif isinstance(value, list) and len(value) == 1:
        yield from _leaves(value[0], name, _DEEPEST)
    elif isinstance(value, list) and len(value) <= _MOST_GROUPS and _names_rate(name):
        for i, inner in enumerate(value):
            yield from _leaves(inner, f"{name} {i}", _DEEPEST)
    elif isinstance(value, str):
        number = number_of(value)
        if number is not None:
            yield name, number
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, _float(value)


def _names_rate(name: str) -> bool:
    meaning = column_meaning(name)
    return meaning is not None and meaning.name == "lr"


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf


_MOST_COLUMNS = 512
_PARTS = ("part", "val_part")
_OF_STEPS = ("loss", *_PARTS, "lr", "grad_norm")
_NAME = re.compile(r"[A-Za-z_][^\d:=]{0,60}|[A-Za-z_][\w./@() %-]{0,60}")
_SPLITS = {"|": re.compile(r"\s*\|\s*"), "  ": re.compile(r"\s{2,}|\t"), " ": re.compile(r"\s+")}


@dataclass(frozen=True)
class Table:
    """A header, understood.

    Attributes:
        delimiter: what parts the cells.
        columns: cells in a row.
        epoch: index of the epoch's column; None if the rows have no number.
        meanings: column -> what it holds.
    """

    delimiter: str
    columns: int
    epoch: int | None
    meanings: dict[int, ColumnMeaning]

    def row(self, line: str) -> ParsedLine | None:
        """What a row says; None if the line is no row of this table."""
        cells = _cells(line, self.delimiter)
        if cells is None or len(cells) != self.columns:
            return None
        number = None
        if self.epoch is not None:
            epoch = number_of(cells[self.epoch])
            if epoch is None or not 0 <= epoch <= MOST_EPOCHS:
                return None
            number = math.ceil(epoch)
        said = [s for i in self.meanings if (s := self._said(i, cells[i])) is not None]
        return ParsedLine(
            number,
            tuple(s for s in said if s.meaning.name not in _PARTS),
            parts=tuple(s for s in said if s.meaning.name in _PARTS),
        )

    def _said(self, column: int, cell: str) -> Said | None:
        percent = cell.endswith("%")
        value = number_of(cell.removesuffix("%"))
        if value is None:
            return None
        return Said(self.meanings[column], value / 100 if percent else value, percent)


def table_of(line: str) -> Table | None:
    """The table that a line is the header of, if it is one.

    A header has no numbers; it names the epoch and something that a past knows, or, parted by
    commas, semicolons or tabs, at least a score or a loss.
    """
    line = line.lstrip("#% \t") if line.lstrip()[:1] in ("#", "%") else line
    for delimiter in (",", ";", "\t", "|", "  ", " "):
        cells = _cells(line, delimiter)
        if cells is None or not 2 <= len(cells) <= _MOST_COLUMNS:
            continue
        if any(cell and not _NAME.fullmatch(cell) for cell in cells):
            continue
        epoch = next((i for i, cell in enumerate(cells) if is_epoch(cell)), None)
        meanings = _meanings(cells)
        numbered = epoch is not None or (delimiter in ",;\t" and not any(map(is_step, cells)))
        known = epoch is not None or any(m.name not in _PARTS for m in meanings.values())
        if meanings and numbered and known:
            return Table(delimiter, len(cells), epoch, meanings)
    return None


def _meanings(cells: Sequence[str]) -> dict[int, ColumnMeaning]:
    """Columns by meaning; of two that mean the same, the one that says so more outright."""
    by_step = any(map(is_step, cells))  # several rows an epoch, as Lightning writes them
    best: dict[tuple[str, str, bool], tuple[int, ColumnMeaning]] = {}
    for i, cell in enumerate(cells):
        meaning = column_meaning(cell) or part_of_loss(cell)
        if meaning is not None:
            if by_step and meaning.name in _OF_STEPS and "epoch" not in cell.lower():
                meaning = replace(meaning, running=True)
            key = (meaning.name, meaning.group, meaning.running)
            if key not in best or meaning.rank > best[key][1].rank:
                best[key] = (i, meaning)
    return dict(sorted(best.values(), key=lambda pair: pair[0]))


def _cells(line: str, delimiter: str) -> list[str] | None:
    if delimiter in ",;\t":
        if delimiter not in line:
            return None
        try:
            row = next(csv.reader([line], delimiter=delimiter), None)
        except csv.Error:
            return None
        return None if row is None else [cell.strip() for cell in row]
    if delimiter == "|" and "|" not in line:
        return None
    return _SPLITS[delimiter].split(line.strip(" |\t"))
