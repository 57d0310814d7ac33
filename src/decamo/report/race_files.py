"""The outcome of each race that a run folder holds, as the race left it in a file."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from decamo.report.race_section import RaceTold

__all__ = ["OUTCOME", "outcomes_in"]

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
            meanings=tuple(
                (str(m["cause"]), str(m["says"]), tuple(str(e) for e in m["evidence"]))
                for m in plain["meanings"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
