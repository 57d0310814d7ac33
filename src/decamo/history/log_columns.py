"""Rows of numbers whose columns no header names: what each holds is seen by how it moves."""

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from decamo.history.log_names import ColumnMeaning
from decamo.history.sightings import Said, Sighting

__all__ = ["UnnamedColumns"]

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

    def sightings(self) -> tuple[list[Sighting], str]:
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
            Sighting(
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
