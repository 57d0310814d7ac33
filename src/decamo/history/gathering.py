"""What lines say of epochs, put together to a past; resumes are seen by what they contradict."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from decamo.history.log_names import epoch_counter
from decamo.history.parsed_lines import MOST_EPOCHS, ParsedLine, Said, SeenEpoch, spans
from decamo.history.training_log import LogSegment, Point, TrainingLog

__all__ = ["Gathering"]

_SHARES = ("iou", "dice", "mae")
_LOSSES = {"loss": "loss", "val_loss": "validation loss"}
_GROUP = re.compile(r"lr/\d{1,2}")
_HIGHEST_LR = 1000.0  # beyond it, it is no learning rate


class Gathering:
    """Takes parsed_lines in the order of the text and makes a past of them.

    A line that contradicts what is known of an epoch other than the current one tells of a resume
    from an earlier checkpoint: the epochs from there on, known so far, were left behind.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.notes: list[str] = []
        self._epochs: dict[int, SeenEpoch] = {}
        self._current: int | None = None  # the epoch that a line without a number speaks of
        self._announced: int | None = None
        self._last: int | None = None  # the epoch that a value was taken of last
        self._starts: dict[int, str] = {}  # first epoch of a resume -> what tells so
        self._told: dict[int, LogSegment] = {}  # the same, where a run says it itself
        self._ends: dict[int, int] = {}  # epoch -> the planned end written beside it
        self._doubled: set[int] = set()
        self._left: set[int] = set()
        self._again: set[int] = set()
        self._unnumbered: list[ParsedLine] = []
        self._stray: dict[int, tuple[Said, ...]] = {}  # rates alone on lines without an epoch
        self._highest = -1
        self._again_from: tuple[int, SeenEpoch, int | None] | None = (
            None  # steps of an epoch before that one
        )
        self._planned: int | None = None  # epochs that settings at the head name

    def see(self, parsed: ParsedLine) -> None:
        """Take note of one parsed; one without a number counts for the epoch before it."""
        number = self._current if parsed.epoch is None else parsed.epoch
        if not parsed.said and not parsed.parts:
            return
        if number is not None and parsed.stray:
            self._stray[number] = parsed.said
        elif number is None and not parsed.stray:
            self._unnumbered.append(parsed)
        elif number is not None and 0 <= number <= MOST_EPOCHS:
            self._see(number, parsed)

    def announce(self, epoch: int, total: int | None = None) -> None:
        """A headline: what follows without a number is said of this epoch."""
        if 0 <= epoch <= MOST_EPOCHS:
            self._current = epoch
            self._announced = total

    def set_out(self, stretch: LogSegment) -> None:
        """A run says itself where it sets out: what was known from there on is left behind."""
        if any(n >= stretch.first_epoch for n in self._epochs):
            self._resume(stretch.first_epoch)
        self._told[stretch.first_epoch] = stretch

    def plan(self, epochs: int) -> None:
        """Settings name the number of epochs; what epoch lines say of it comes first."""
        self._planned = epochs

    @property
    def empty(self) -> bool:
        """Whether nothing was seen that a training would print."""
        told = self._told or self._announced is not None or self._current is not None
        return not (self._epochs or self._unnumbered or told)

    @property
    def unread(self) -> bool:
        """Whether no line had a value yet."""
        return not self._epochs and not self._unnumbered

    def baseline(self, iou: float) -> None:
        """The IoU of the weights that the latest run set out from."""
        if self._told:
            latest = max(self._told)
            self._told[latest] = replace(self._told[latest], baseline_iou=iou)

    def past(self) -> TrainingLog:
        """Everything seen so far as a past."""
        if not self._epochs and self._unnumbered and not self._count_by_counter():
            self._count_lines()
        self._take_stray()
        self._shift()
        values = self._in_range({n: seen.values() for n, seen in sorted(self._epochs.items())})
        self._stand_in(values)
        self._name_groups(values)
        points = tuple(_point(n, said) for n, said in values.items() if said)
        for epochs, what in (
            (self._doubled, "written more than once with different values, the later counts"),
            (self._again, "trained again after a resume, the later counts"),
            (self._left, "trained before a resume and left behind"),
        ):
            if epochs:
                self.notes.append(f"{what}: epochs {spans(epochs)}")
        if not points:
            self.notes.append("no epoch found")
        return TrainingLog(
            points, self._stretches(points), source=self.source, notes=tuple(self.notes)
        )

    def _see(self, number: int, parsed: ParsedLine) -> None:
        said = (*parsed.said, *parsed.parts)
        total = parsed.total or (self._announced if number == self._current else None)
        steps = parsed.running or all(one.meaning.running for one in said)
        if steps and self._steps_back(number, said, total):
            return
        seen = self._epochs.get(number)
        again = self._again_from is not None and self._again_from[0] == number
        if seen is not None and (not parsed.running) and seen.differs(said):
            if number != self._last or again:
                self._resume(number)
            elif not parsed.redrawn:
                self._doubled.add(number)
        self._epochs.setdefault(number, SeenEpoch()).take(said, parsed.running)
        self._highest = max(self._highest, number)
        if self._again_from is not None and self._again_from[0] == number:
            self._again_from[1].take(said, parsed.running)
        self._current, self._announced = number, total
        if total is not None and number <= total <= MOST_EPOCHS:
            self._ends[number] = total
        if not parsed.running and any(not one.meaning.running for one in said):
            self._last = number
        if number in self._left:
            self._left.discard(number)
            self._again.add(number)

    def _steps_back(self, number: int, said: Iterable[Said], total: int | None) -> bool:
        """Steps of an epoch before the latest are kept apart: they may tell of a resume.

        Two processes that write into one log overlap by an epoch; a resume goes on to the next one.
        """
        if self._again_from is not None:
            begin, seen, _ = self._again_from
            if number == begin + 1 <= self._highest:
                self._resume(begin)
                return False
            if number == begin:
                seen.take(said, running=True)
                self._current, self._announced = number, total
                return True
        if number >= self._highest or number not in self._epochs:
            return False
        self._again_from = number, SeenEpoch(), total
        self._again_from[1].take(said, running=True)
        self._current, self._announced = number, total
        return True

    def _resume(self, number: int) -> None:
        later = {n for n in self._epochs if n >= number}
        self._left |= later
        self._doubled -= later
        self._again -= later
        self._epochs = {n: seen for n, seen in self._epochs.items() if n < number}
        self._ends = {n: end for n, end in self._ends.items() if n < number}
        self._starts = {n: why for n, why in self._starts.items() if n < number}
        self._told = {n: told for n, told in self._told.items() if n < number}
        self._starts[number] = "the log goes back to this epoch"
        if self._again_from is not None and self._again_from[0] == number:
            _, self._epochs[number], end = self._again_from
            if end is not None:
                self._ends[number] = end
        self._again_from = None
        self._highest = max(self._epochs, default=-1)

    def _count_by_counter(self) -> bool:
        """No epoch is numbered by name: a counter such as ``3/86`` may be one."""
        found = epoch_counter([seen.counters for seen in self._unnumbered])
        if found is None:
            return False
        at, totals = found
        for seen in self._unnumbered:
            if tuple(of for _, of in seen.counters) == totals:
                number, total = seen.counters[at]
                within = len(totals) > 1
                self._see(number, replace(seen, epoch=number, total=total, running=within))
        self.notes.append(f"no epoch is named: the counter up to {totals[at]} is taken for it")
        return True

    def _take_stray(self) -> None:
        """A rate alone on a line is that of its epoch where most epochs have such a line.

        A header between two stages has it too, of whichever group; that is no epoch's.
        """
        known = {n: said for n, said in self._stray.items() if n in self._epochs}
        if len(known) * 2 < len(self._epochs) or any(map(_has_rate, self._epochs.values())):
            return
        for number, said in known.items():
            self._epochs[number].take(said, running=False)

    def _stand_in(self, epochs: dict[int, dict[str, float]]) -> None:
        """Where no total of the loss is written, the term that most epochs have stands for it."""
        for field, stem in (("loss", "part/"), ("val_loss", "val_part/")):
            counts = Counter(
                key for said in epochs.values() for key in said if key.startswith(stem)
            )
            missing = counts and not any(field in said for said in epochs.values())
            chosen = counts.most_common(1)[0][0] if missing else ""
            if chosen:
                name = chosen.removeprefix(stem)
                self.notes.append(f"no total of the {_LOSSES[field]} is written: {name} stands in")
            for said in epochs.values():
                if chosen in said:
                    said[field] = said[chosen]
                for key in [key for key in said if key.startswith(stem)]:
                    del said[key]

    def _name_groups(self, epochs: dict[int, dict[str, float]]) -> None:
        """Of two numbered groups the one with the higher rate is the head, of fine-tuning."""
        keys = sorted({key for said in epochs.values() for key in said if _GROUP.fullmatch(key)})
        tops = {k: max(said.get(k, 0.0) for said in epochs.values()) for k in keys}
        if len(keys) < 2 or len(set(tops.values())) < 2:
            return
        head = max(keys, key=lambda k: tops[k])
        names = {head: "lr/head"}
        if len(keys) == 2:
            names[next(k for k in keys if k != head)] = "lr/backbone"
            self.notes.append(
                f"two learning rates: the higher, up to {tops[head]:g}, is taken for the head's"
            )
        for said in epochs.values():
            for old, new in names.items():
                if old in said and new not in said:
                    said[new] = said.pop(old)

    def _count_lines(self) -> None:
        """No epoch is numbered anywhere: each line that has a score or a loss is one."""
        for parsed in self._unnumbered[:MOST_EPOCHS]:
            if not parsed.running:
                self._epochs[len(self._epochs) + 1] = SeenEpoch()
                said = (*parsed.said, *parsed.parts)
                self._epochs[len(self._epochs)].take(said, running=False)
        if self._epochs:
            self.notes.append("no epoch is numbered: the lines were counted")

    def _shift(self) -> None:
        """Epochs from 0 become epochs from 1."""
        if 0 not in self._epochs:
            return
        if self._ends and max(self._epochs) == max(
            self._ends.values()
        ):  # from 1 to the end, and once before training
            del self._epochs[0]
            self.notes.append("epoch 0, before training, is passed over")
            return
        self.notes.append("epochs are numbered from 0 there: one was added to each")
        self._epochs = {n + 1: seen for n, seen in self._epochs.items()}
        self._starts = {n + 1: why for n, why in self._starts.items()}
        self._ends = {n + 1: end for n, end in self._ends.items()}
        self._doubled = {n + 1 for n in self._doubled}
        self._left = {n + 1 for n in self._left}
        self._again = {n + 1 for n in self._again}

    def _in_range(self, epochs: Mapping[int, dict[str, Said]]) -> dict[int, dict[str, float]]:
        percents = {name for name in _SHARES if _written_as_percent(name, epochs.values())}
        for name in sorted(percents):
            self.notes.append(f"{name} is taken as a percentage: every value is above 1")
        kept: dict[int, dict[str, float]] = {}
        absurd: list[str] = []
        for number, said in epochs.items():
            kept[number] = {}
            for key, one in said.items():
                value = one.value / 100 if key in percents and not one.percent else one.value
                if _possible(one.meaning.name, value):
                    kept[number][key] = value
                else:
                    absurd.append(f"{key} {value:g} at epoch {number}")
        if absurd:
            more = f" and {len(absurd) - 3} more" if len(absurd) > 3 else ""
            self.notes.append(f"impossible values passed over: {', '.join(absurd[:3])}{more}")
        return kept

    def _planned_beyond(self, last: int) -> int | None:
        """The end that settings name, where no line says another and the log does not pass it."""
        planned = self._planned
        return planned if not self._ends and planned is not None and planned >= last else None

    def _stretches(self, points: tuple[Point, ...]) -> tuple[LogSegment, ...]:
        if not points:
            return ()
        first, last = points[0].epoch, points[-1].epoch
        starts = self._starts | {n: told.reason for n, told in self._told.items()}
        before: int | None = None
        for number, end in sorted(self._ends.items()):
            if before is not None and end != before:
                starts.setdefault(number, f"the planned end changes from {before} to {end}")
            before = end
        first = max((n for n in self._told if n <= first), default=first)
        begins = [first, *(n for n in sorted(starts) if first < n <= last)]
        stretches = []
        for begin, after in zip(begins, [*begins[1:], last + 1], strict=True):
            ends = [end for n, end in sorted(self._ends.items()) if begin <= n < after]
            why = starts.get(begin, "") if begin != first else ""
            planned = ends[-1] if ends else self._planned_beyond(last)
            guessed = LogSegment(begin, reason=why, planned_end=planned)
            stretches.append(self._told.get(begin, guessed))
        return tuple(stretches)


def _written_as_percent(name: str, epochs: Iterable[Mapping[str, Said]]) -> bool:
    """Two values above 1, and none that is a share: nobody writes 0.6 and 63 of one score."""
    written = [e[name].value for e in epochs if name in e and not e[name].percent]
    finite = [value for value in written if math.isfinite(value) and value != 0]
    return len(finite) >= 2 and all(1 < value <= 100 for value in finite)


def _has_rate(seen: SeenEpoch) -> bool:
    return any(key.split("/")[0] == "lr" for key in seen.values())


def _possible(name: str, value: float) -> bool:
    if math.isnan(value):
        return name != "lr"
    if name in _SHARES:
        return 0 <= value <= 1
    if name in ("part", "val_part"):
        return True
    if name == "lr":
        return 0 <= value <= _HIGHEST_LR
    return name != "grad_norm" or value >= 0


def _point(number: int, values: Mapping[str, float]) -> Point:
    rates = {key[3:]: value for key, value in values.items() if key.startswith("lr/")}
    plain: dict[str, Any] = {key: value for key, value in values.items() if "/" not in key}
    if rates:
        head = rates.get("head", next(iter(rates.values())))
        plain = {"lr": head} | plain | ({"lr": head} if "head" in rates else {})
    return Point(number, rates=rates, **plain)
