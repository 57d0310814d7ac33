"""What a run has to do, worked out epoch by epoch and step by step; slow, and no code of ours.

It knows the flags' meaning from the documentation alone. A run is a list of epochs to train, each
with a list of learning rates; a resume throws away what lies ahead and writes that list anew.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Flags = Mapping[str, Any]

LEVELS = 4
RATE_FLAGS = ("lr", "stage1_scheduler", "stage2_lr", "scheduler", "schedule_origin", "stage3_lr")


class Impossible(Exception):
    """A warm-up takes all that is left of its stage, or more."""


@dataclass(frozen=True)
class Epoch:
    """One epoch to be trained: its steps' rates of the head, and the levels that learn."""

    number: int
    stage: int
    batch: tuple[int, int, int]  # images in a micro-batch, micro-batches in a step, px
    rates: tuple[float, ...]
    levels: frozenset[int]
    course: tuple[float, ...]  # rates of the whole curve that it is a part of
    shape: tuple[Any, ...]  # what a person asked of that curve


@dataclass
class Life:
    """A run: what it has trained so far, and what it is to train."""

    flags: dict[str, Any]
    images: int
    world: int
    ahead: list[Epoch] = field(default_factory=list)  # the first one may be under way
    made: int = 0  # steps of the first one
    done: int = 0  # epochs completed
    origin: int = 0  # epochs completed where the curve under way counts from
    stage2_from: int | None = None  # epochs completed when stage 2 began
    open_levels: frozenset[int] = frozenset()
    share: float = 1.0  # of the rates, after rollbacks
    last: Epoch | None = None  # completed
    rates: list[float] = field(default_factory=list)  # of the head, of every step made

    def copy(self) -> "Life":
        """The same life, to be lived otherwise."""
        return replace(self, ahead=list(self.ahead), rates=list(self.rates))

    def start(self) -> None:
        """Lay the first plan."""
        self.ahead = self.lay(self.flags, self.images, self.world, 0)

    def lay(self, flags: Flags, images: int, world: int, origin: int) -> list[Epoch]:
        """All epochs after ``origin``, were these flags followed from there."""
        first2 = self.stage2_from
        if first2 is None:
            frozen = 0 if flags["skip_stage1"] else flags["stage1_epochs"]
            first2 = max(frozen, self.done)
        last2, last3 = flags["epochs"], flags["epochs"] + flags["stage3_epochs"]
        spans = {1: (0, first2), 2: (first2, last2), 3: (last2, last3)}
        epochs: list[Epoch] = []
        for stage, (begin, end) in spans.items():
            start = max(begin, epochs[-1].number if epochs else origin)
            if end > start:
                epochs += self.lay_stage(flags, images, world, stage, (begin, start, end))
        return epochs

    def lay_stage(
        self, flags: Flags, images: int, world: int, stage: int, span: tuple[int, int, int]
    ) -> list[Epoch]:
        """The epochs of one stage, which begins at ``begin`` and is entered at ``start``."""
        begin, start, end = span
        micro = flags["batch_size"] if stage == 1 else flags["stage2_batch_size"]
        micro = micro or flags["batch_size"]
        size = flags["img_size"]
        if stage == 3:
            size = flags["stage3_img_size"] or size
        steps = math.ceil(math.ceil(images / (micro * world)) / flags["accumulation_steps"])
        warm = flags["warmup_epochs"] if stage == 2 or (stage == 1 and start > 0) else 0
        if warm >= end - start and warm:
            raise Impossible
        joins = flags["schedule_origin"] == "stage" and start > begin
        if joins:
            whole = course_of(flags, stage, (end - begin) * steps, warm * steps)
            course = whole[(start - begin) * steps :]
            for i in range(warm * steps):
                low = min(flags["min_lr"], course[i])
                course[i] = low + (course[i] - low) * (i + 1) / (warm * steps + 1)
        else:
            course = course_of(flags, stage, (end - start) * steps, warm * steps)
        made = []
        for i, number in enumerate(range(start + 1, end + 1)):
            made.append(
                Epoch(
                    number,
                    stage,
                    (micro, flags["accumulation_steps"], size),
                    tuple(course[i * steps : (i + 1) * steps]),
                    self.levels_in(flags, stage, begin, end, number),
                    tuple(course),
                    shape_of(flags, stage, warm),
                )
            )
        return made

    def levels_in(
        self, flags: Flags, stage: int, begin: int, end: int, number: int
    ) -> frozenset[int]:
        """Levels of the backbone that learn in an epoch: those once open stay open."""
        if stage == 1:
            return frozenset()
        if stage == 3 or not flags["progressive_unfreeze"]:
            return frozenset(range(LEVELS))
        deepest_first = list(reversed(range(LEVELS)))
        levels = set(self.open_levels)
        for third in range(3):
            if number > begin + third * (end - begin) // 3:
                levels |= set(deepest_first[third * LEVELS // 3 : (third + 1) * LEVELS // 3])
        return frozenset(levels)

    def resume(self, flags: dict[str, Any], images: int, world: int) -> str:
        """Go on under these flags; the word for it. Other devices alone change no plan."""
        last_epoch = flags["epochs"] + flags["stage3_epochs"]
        assert self.done < last_epoch
        same = images == self.images
        if same and self.matches(flags, self.flags):
            return "continue"
        in_stage_3 = self.flags["stage3_epochs"] > 0 and self.done >= self.flags["epochs"]
        later = flags["epochs"] > self.flags["epochs"] and not in_stage_3
        longer = same and later and self.matches(flags, {**self.flags, "epochs": flags["epochs"]})
        if not longer:  # the epoch under way is begun anew, with nothing left of a rollback
            self.origin, self.made, self.share = self.done, 0, 1.0
            self.world = world
        self.flags, self.images = flags, images
        relaid = self.lay(flags, images, self.world, self.origin)
        self.ahead = [epoch for epoch in relaid if epoch.number > self.done]
        return "extend" if longer else "branch"

    def matches(self, one: Flags, other: Flags) -> bool:
        """Whether these flags and those lead the same way from here."""
        try:
            ways = [self.lay(f, self.images, self.world, self.origin) for f in (one, other)]
        except Impossible:
            return False
        ahead = [[e for e in way if e.number > self.done] or way[-1:] for way in ways]
        return ahead[0] == ahead[1]

    def step(self) -> tuple[int, int, dict[str, float]]:
        """Make the next step: its epoch, its stage and each group's rate."""
        epoch = self.ahead[0]
        head = epoch.rates[self.made] * self.share
        self.made += 1
        self.rates.append(head)
        self.open_levels |= epoch.levels
        if epoch.stage > 1 and self.stage2_from is None:
            self.stage2_from = epoch.number - 1
        ratio = self.flags["backbone_lr_ratio"]
        levels = {f"backbone.{k}": ratio * head * (k in epoch.levels) for k in range(LEVELS)}
        return epoch.number, epoch.stage, {"head": head} | levels

    def end_epoch(self) -> None:
        """The epoch under way is validated."""
        assert self.made == len(self.ahead[0].rates)
        self.last = self.ahead.pop(0)
        self.done, self.made = self.last.number, 0
        if self.ahead and self.ahead[0].stage != self.last.stage:
            self.origin = self.done

    def next_stage(self) -> int:
        """Stage of the next step to be made; 0 behind the last."""
        left = (
            self.ahead[1:] if self.ahead and self.made == len(self.ahead[0].rates) else self.ahead
        )
        return left[0].stage if left else 0

    def last_stage(self) -> int:
        """Stage of the last step made; 0 before the first."""
        if self.made:
            return self.ahead[0].stage
        return self.last.stage if self.last else 0


PEAK = {1: "lr", 2: "stage2_lr", 3: "stage3_lr"}


def shape_of(flags: Flags, stage: int, warm: int) -> tuple[Any, ...]:
    """What is asked of a curve, in one way of several; epochs and warm-up aside."""
    peak = flags[PEAK[stage]]
    kind = {1: flags["stage1_scheduler"], 2: flags["scheduler"], 3: "none"}[stage]
    if kind == "none" and not warm:
        return (kind, peak)
    if kind == "cosine_restart" and flags["cycles"] > 1:
        return (kind, peak, min(flags["min_lr"], peak), flags["cycles"], flags["t_mult"])
    return ("cosine" if kind == "cosine_restart" else kind, peak, min(flags["min_lr"], peak))


def course_of(flags: Flags, stage: int, steps: int, warm: int) -> list[float]:
    """The head's rate at each of ``steps`` steps."""
    peak = flags[PEAK[stage]]
    kind = {1: flags["stage1_scheduler"], 2: flags["scheduler"], 3: "none"}[stage]
    floor = min(flags["min_lr"], peak)
    if kind == "onecycle":
        return one_cycle(peak, floor, steps, warm)
    rates = [floor + (peak - floor) * (i + 1) / (warm + 1) for i in range(warm)]
    left = steps - warm
    if kind == "none":
        return rates + [peak] * left
    cycles = flags["cycles"] if kind == "cosine_restart" else 1
    growth = flags["t_mult"]
    weights = [growth**i for i in range(cycles)]
    ends = [round(left * sum(weights[: i + 1]) / sum(weights)) for i in range(cycles)]
    for begin, end in zip([0, *ends], ends, strict=False):
        for i in range(end - begin):
            fall = 1.0 if end - begin == 1 else i / (end - begin - 1)
            rates.append(floor + (peak - floor) * (1 + math.cos(math.pi * fall)) / 2)
    return rates


def one_cycle(peak: float, floor: float, steps: int, warm: int) -> list[float]:
    """Up by half a cosine from a 25th of the peak, and down to the floor by another."""
    up = warm or round(0.3 * steps)
    low = max(peak / 25, floor)
    rates = [peak - (peak - low) * (1 + math.cos(math.pi * i / up)) / 2 for i in range(up)]
    down = steps - up
    for i in range(down):
        fall = 1.0 if down == 1 else i / (down - 1)
        rates.append(floor + (peak - floor) * (1 + math.cos(math.pi * fall)) / 2)
    return rates
