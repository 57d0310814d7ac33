"""Races of branches in a run's page, from the files that they left."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decamo.report.page import escaped, table

__all__ = [
    "OUTCOME",
    "RaceTold",
    "outcomes_in",
    "race_section",
]


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
        meanings: causes, sentence, and the numbers it rests on.
        refuted: likewise, of causes that were ruled out.
    """

    epoch: int
    epochs: int
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    answer: str
    winner: str
    meanings: tuple[tuple[str, str, tuple[str, ...]], ...]
    refuted: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


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
        f"{''.join(_meaning(f'not {cause}', says, rests) for cause, says, rests in race.refuted)}"
    )


def _row(cells: Sequence[str], winner: str) -> list[str]:
    name, *numbers, asks = (escaped(cell) for cell in cells)
    shown = f"<b>{name}</b>" if cells[0] == winner else name
    return [shown, *numbers, f'<span class="long">{asks}</span>']


def _meaning(cause: str, says: str, evidence: Sequence[str]) -> str:
    rests = "; ".join(evidence)
    head = (
        f"<b>{escaped(_sentence(cause))}</b>: {escaped(says)}"
        if cause
        else escaped(_sentence(says))
    )
    return f'<p>{head} <span class="soft">({escaped(rests)})</span></p>'


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


OUTCOME = "outcome.json"
_OWN = re.compile(r"epoch-\d+")  # folders of the races that the run held by itself


def outcomes_in(races: Path) -> tuple[RaceTold, ...]:
    """The races below ``races`` that are over, by the epoch at which they were held.

    A file that is damaged, or of another version, is passed over.
    """
    found = [told for root in _roots(races) if (told := _read(root / OUTCOME)) is not None]
    return tuple(sorted(found, key=lambda told: told.epoch))


def _roots(races: Path) -> Iterator[Path]:
    yield races
    try:
        yield from (p for p in sorted(races.iterdir()) if _OWN.fullmatch(p.name))
    except OSError:
        return


def _read(path: Path) -> RaceTold | None:
    try:
        plain: Mapping[str, Any] = json.loads(path.read_bytes())
        table = plain["table"]
        return RaceTold(
            epoch=int(plain["position"]["epoch"]),
            epochs=int(plain["epochs"]),
            heads=tuple(str(head) for head in table["heads"]),
            rows=tuple(tuple(str(cell) for cell in row) for row in table["rows"]),
            notes=tuple(str(note) for note in table["notes"]),
            answer=str(plain["answer"]),
            winner=str(plain["winner"] or ""),
            meanings=_meanings(plain["meanings"]),
            refuted=_meanings(plain.get("refuted", ())),  # not in files of earlier versions
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _meanings(plain: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    return tuple(
        (str(m["cause"]), str(m["says"]), tuple(str(e) for e in m["evidence"])) for m in plain
    )
