"""Races of branches as a part of a page: who was better than the run left alone, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from decamo.report.page import escaped, table

__all__ = ["RaceTold", "race_section"]


@dataclass(frozen=True)
class RaceTold:
    """The outcome of a race, in the words in which it was told.

    Attributes:
        epoch: epochs that the raced checkpoint had behind it.
        epochs: of a trial.
        heads: of the table's columns.
        rows: its cells, the best branch first; the first cell names it, the last is its question.
        notes: what the numbers are.
        answer: the one sentence.
        winner: the branch; empty for none.
        meanings: cause, sentence, and the numbers it rests on.
    """

    epoch: int
    epochs: int
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    answer: str
    winner: str
    meanings: tuple[tuple[str, str, tuple[str, ...]], ...]


def race_section(races: Sequence[RaceTold]) -> str:
    """The races, one after the other; empty where none was held."""
    if not races:
        return ""
    return f"<section><h2>Races</h2>{''.join(_race(race) for race in races)}</section>"


def _race(race: RaceTold) -> str:
    width = len(race.heads)
    rows = [_row(cells, race.winner) for cells in race.rows if len(cells) == width]
    words = (0, width - 1)
    named = f"Branches of epoch {race.epoch}, {race.epochs} epochs each; the best first"
    notes = "".join(f"<li>{escaped(_sentence(note))}</li>" for note in race.notes)
    return (
        f"<h3>After epoch {race.epoch}: {escaped(race.answer)}</h3>"
        f"{table([escaped(head) for head in race.heads], rows, named, words)}"
        f'<ul class="soft">{notes}</ul>{"".join(_meaning(*m) for m in race.meanings)}'
    )


def _row(cells: Sequence[str], winner: str) -> list[str]:
    name, *numbers, asks = (escaped(cell) for cell in cells)
    shown = f"<b>{name}</b>" if cells[0] == winner else name
    return [shown, *numbers, f'<span class="long">{asks}</span>']


def _meaning(cause: str, says: str, evidence: Sequence[str]) -> str:
    rests = "; ".join(evidence)
    return (
        f"<p><b>{escaped(_sentence(cause))}</b>: {escaped(says)}"
        f' <span class="soft">({escaped(rests)})</span></p>'
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
