"""What single lines say of single epochs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from decamo.history.log_names import ColumnMeaning

__all__ = ["MOST_EPOCHS", "ParsedLine", "Said", "SeenEpoch", "spans"]

_AVERAGED = ("loss", "val_loss", "grad_norm", "part", "val_part")

MOST_EPOCHS = 1_000_000  # no run is that long: a number beyond it is something else


@dataclass(frozen=True)
class Said:
    """One value of one line.

    Attributes:
        meaning: what it is a value of.
        value: as written, a percentage already divided by 100.
        percent: whether it was written with ``%``.
    """

    meaning: ColumnMeaning
    value: float
    percent: bool = False

    @property
    def key(self) -> str:
        """The field, and the group where a learning rate has one."""
        return f"{self.meaning.name}/{self.meaning.group}".rstrip("/")


@dataclass(frozen=True)
class ParsedLine:
    """What one line says of one epoch.

    Attributes:
        epoch: its number as written; None if the line has none.
        said: the values.
        total: the last epoch planned, where written (``Epoch 87/120``).
        running: a state within the epoch (a progress bar, a step): a loss counts as one of many.
        redrawn: a bar at its end, drawn anew until all is known: the last state counts.
        parts: terms of a loss; one stands in where no total is written down.
        counters: ``done/of`` of a line without an epoch; one of them may count epochs.
    """

    epoch: int | None
    said: tuple[Said, ...]
    total: int | None = None
    running: bool = False
    redrawn: bool = False
    parts: tuple[Said, ...] = ()
    counters: tuple[tuple[int, int], ...] = ()

    @property
    def stray(self) -> bool:
        """Whether it is a learning rate alone on a line without an epoch, as headers have it."""
        return self.epoch is None and not self.parts and all(_is_rate(one) for one in self.said)


def _is_rate(one: Said) -> bool:
    return one.meaning.name == "lr"


@dataclass
class SeenEpoch:
    """All that was said of one epoch so far."""

    said: dict[str, Said] = field(default_factory=dict)
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)  # of running losses

    def differs(self, said: Iterable[Said]) -> bool:
        """Whether one of these contradicts what was said before on the same authority."""
        for new in said:
            old = None if new.meaning.running else self.said.get(new.key)
            if old is not None and old.meaning.rank == new.meaning.rank and not _same(old, new):
                return True
        return False

    def take(self, said: Iterable[Said], running: bool) -> None:
        """Add what a line said, of the whole epoch or of a state within it."""
        for new in said:
            if running or new.meaning.running:
                self._take_running(new)
            elif (old := self.said.get(new.key)) is None or new.meaning.rank >= old.meaning.rank:
                self.said[new.key] = new

    def _take_running(self, new: Said) -> None:
        """A loss is averaged, of a learning rate the first counts, of anything else the last."""
        total, count = self.sums.get(new.key, (0.0, 0))
        if new.meaning.name in _AVERAGED:
            self.sums[new.key] = (total + new.value, count + 1)
        elif new.meaning.name != "lr" or not count:
            self.sums[new.key] = (new.value, 1)

    def values(self) -> dict[str, Said]:
        """What counts: final values, and running ones where there is no final one."""
        running = {
            key: Said(ColumnMeaning(*_name_and_group(key)), total / count)
            for key, (total, count) in self.sums.items()
        }
        return running | self.said


def _name_and_group(key: str) -> tuple[str, int, str]:
    name, _, group = key.partition("/")
    return name, 0, group


def _same(a: Said, b: Said) -> bool:
    return a.value == b.value or (math.isnan(a.value) and math.isnan(b.value))


def spans(numbers: Iterable[int]) -> str:
    """Numbers in words: ``3 to 5, 9``; of many spans the first few."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    words = [f"{a}" if a == b else f"{a} to {b}" for a, b in found]
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more spans" if len(words) > 5 else "")
