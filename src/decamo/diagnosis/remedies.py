"""The action plan's remedies: another rate, another curve, larger images, or more time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from decamo.diagnosis.command import Change, evaluation, resumed
from decamo.diagnosis.rates import rounded, told
from decamo.diagnosis.remedy import NO_FIGURE, Claim, Remedy, expectation_of, measured_of, remedy_of
from decamo.diagnosis.run_state import OPTIONS, RunState
from decamo.diagnosis.symptom import SymptomKind
from decamo.recipes import RECIPES
from decamo.schedule import LRSchedule

__all__ = [
    "BEYOND",
    "Situation",
    "escape_remedy",
    "go_on",
    "larger",
    "lower",
    "plan_option",
    "rung",
    "stopping",
]

BEYOND = 4
"""The rung after option 3: the plan's "still stuck after 20 epochs"."""

# The plan's rates: options 1 and 2, and what it gives to a run that is still stuck.
_RATES = {1: 0.0002, 2: 0.0003, 3: 0.0003, BEYOND: 0.0004}
_FLOORS = {1: 0.00001, 2: 0.00002, 3: 0.00002, BEYOND: 0.00005}
_SPANS = {1: 34, 2: 64, 3: 64, BEYOND: 64}  # epochs: 86 to 120, 86 to 150
_PROVEN = 0.0003  # a run whose own rate was higher has its options scaled by that
_LIFT = 1.5  # "50% higher": the least rise that is worth a restart
_MOST = 0.01  # no rate beyond it is proposed: AdamW diverges
_LOWER = 2 / 3  # 0.0003 -> 0.0002, the plan's remedy for an explosion
_WARMUP_AFTER_EXPLOSION = 5
_STUCK_EPOCHS = 20


@dataclass(frozen=True)
class Situation:
    """What a remedy may look at.

    Attributes:
        standing: where the run stands.
        verdict: what it was found to be.
        target: IoU to reach, or None.
        claims: measured gains by name.
    """

    standing: RunState
    verdict: SymptomKind
    target: float | None = None
    claims: Mapping[str, Claim] = field(default_factory=dict)


def rung(situation: Situation) -> int:
    """Which option is next: 1 to 3 in the plan's order, or ``BEYOND`` them."""
    last = situation.standing.option
    if situation.verdict == SymptomKind.STILL_STUCK:
        if situation.standing.lived >= _STUCK_EPOCHS:
            return BEYOND
        return min(max(last, 1) + 1, BEYOND)
    if situation.verdict == SymptomKind.BEHIND:
        return 3 if last < 3 else BEYOND
    return min(last + 1, BEYOND)


def plan_option(situation: Situation, number: int) -> Remedy:
    """Option 1, 2 or 3, or what lies beyond, in the terms of this run."""
    s = situation.standing
    size = _size(s, number)
    changes = [*_rates(s, number), *_sizes(s, number, size), *_span(s, number)]
    changes += _companions(s)
    order = resumed(s, changes, anew=True)
    name = OPTIONS[number - 1] if number < BEYOND else ""
    new = any(c.name == "deep_supervision" for c in order.changes)
    title = f"option {number} of the action plan ({name})"
    if changes[0].value != _RATES[number]:
        title += ", its rates scaled to this run"
    steps = stopping(s)
    if number == BEYOND:
        title = "the action plan's step for a run that is still stuck"
        if s.img_size is None:
            steps.append("consider --img-size 416 or 448 as well, if memory allows")
        elif _next_size(s.img_size) <= 512:
            steps.append(f"consider --img-size {_next_size(s.img_size)} as well, if memory allows")
    if number == 2:
        steps.append("watch the first 5 epochs: a higher rate may be unstable for a while")
    expected = expectation_of(name, new, situation.claims)
    return remedy_of(title, order, s, expected, steps=steps)


def stopping(standing: RunState) -> list[str]:
    """What comes before any restart."""
    return [] if standing.ended else ["stop the present run first, if it is still going"]


def escape_remedy(situation: Situation) -> Remedy:
    """A higher learning rate: the next option that has one."""
    return plan_option(situation, rung(situation))


def larger(situation: Situation) -> Remedy:
    """Larger images: option 3, at the rate that the situation asks for."""
    s, number = situation.standing, rung(situation)
    if number < BEYOND:
        return plan_option(situation, 3)
    size = _next_size(s.img_size or 384)
    changes = [*_rates(s, BEYOND), *_sizes(s, 3, size), *_span(s, 3), *_companions(s)]
    order = resumed(s, changes, anew=True)
    expected = expectation_of("", False, situation.claims)
    return remedy_of(
        "larger images, at the rate for a run that is still stuck", order, s, expected,
        steps=stopping(s),
    )  # fmt: skip


def lower(situation: Situation) -> Remedy:
    """Two thirds of the rate that was too high, and a warm-up."""
    s = situation.standing
    broke = situation.verdict in (SymptomKind.EXPLOSION, SymptomKind.NON_FINITE)
    hot = s.hot or (s.rate if broke else s.top) or s.top or s.rate or 0.0003
    rate = rounded(hot * _LOWER)
    name = {1: "lr", 3: "stage3_lr"}.get(s.stage or 2, "stage2_lr")
    high = f"two thirds of the {told(hot)} at which it broke"
    if not broke:
        high = f"two thirds of the {told(hot)} that was its highest"
    if s.hot is None and s.rate is None and s.top is None:
        high = "two thirds of option 2's 0.0003 (the log does not tell the rate)"
    changes = [
        Change(name, max(rate, 1e-12), f"lower: {high}"),
        Change(
            "warmup_epochs",
            max(_WARMUP_AFTER_EXPLOSION, s.settings.schedule.warmup_epochs if s.settings else 0),
            "rises to that rate over the first epochs instead of all at once",
        ),
    ]
    if s.settings and s.settings.schedule.scheduler == "none" and name == "stage2_lr":
        changes.append(Change("scheduler", "cosine", "falls from there, so that it can settle"))
    if s.settings and name == "stage3_lr":
        again = min(s.settings.schedule.stage2_lr, changes[0].value)
        changes.append(Change("stage2_lr", again, "stage 2 goes on no higher"))
    if s.settings and s.settings.schedule.min_lr > rate / 2:
        changes.append(
            Change("min_lr", rounded(rate / 20), "the floor that the warm-up rises from")
        )
    if s.settings and s.settings.schedule.stage3_epochs and name != "stage3_lr":
        polish = min(s.settings.schedule.stage3_lr, changes[0].value)
        changes.append(Change("stage3_lr", polish, "stage 3 must not be higher"))
    left = (s.planned_end or 0) - s.best_epoch
    if s.settings and left <= _SPANS[1]:
        changes.append(_end(s, _SPANS[1]))
    steps = stopping(s)
    if broke:
        steps.append("the best weights are from before the trouble: go on from them")
    title = "a lower learning rate with a warm-up"
    return remedy_of(title, resumed(s, changes, anew=True), s, NO_FIGURE, steps=steps)


def _rates(s: RunState, number: int) -> list[Change]:
    known = max(s.top or 0.0, s.learned or 0.0)
    scale = max(1.0, known / _PROVEN) if s.stage != 1 else 1.0
    rate, floor = _RATES[number] * scale, _FLOORS[number] * scale
    if number != 3 and s.rate is not None and s.stage != 1:
        rate = max(rate, _LIFT * s.rate)
    rate = rounded(min(rate, max(_MOST, s.rate or 0.0)))
    now = f"; the run stands at {told(s.rate)}" if s.rate and s.stage != 1 else ""
    if s.learned and s.rate and s.learned > _LIFT * s.rate and s.stage != 1:
        now += f", and rose at {told(s.learned)} before"
    why = "high enough to leave this level" + now
    if number == BEYOND:
        why = "twice option 1's rate, a third over option 2's" if scale == 1 else why
        if rate != _RATES[BEYOND]:
            why = f"higher than all before{now}"
    elif number == 3:
        why = "option 2's rate, for a network that sees new detail" + now
    return [
        Change("stage2_lr", rate, why),
        Change("scheduler", "cosine", "falls smoothly to the end, so that it can settle"),
        Change("min_lr", rounded(min(floor, rate)), "where that fall ends: never too low to move"),
    ]


def _sizes(s: RunState, number: int, size: int) -> list[Change]:
    if s.settings is None and size == 384:
        return []
    if s.settings is not None and size == s.settings.schedule.img_size:
        return []
    why = f"{(size / (s.img_size or 384)) ** 2 - 1:.0%} more pixels: finer detail"
    changes = [Change("img_size", size, why)]
    if number >= 3:
        own = s.settings.schedule.warmup_epochs if s.settings else 0
        changes.append(
            Change("warmup_epochs", max(3, own), "steady while the network meets the new size")
        )
    return changes


def _size(s: RunState, number: int) -> int:
    own = s.img_size or 384
    if number == 3:
        return _next_size(own)
    # "Higher resolution (if you used 320 before)"; smaller ones were chosen for a reason.
    return 384 if 320 <= own < 384 else own


def _next_size(size: int) -> int:
    """384 -> 416 -> 448; 320 -> 384; multiples of 32, the stride of the deepest level."""
    step = 32 if size >= 384 or size < 192 else 64
    return min((size + step) // 32 * 32, 4096)


def _span(s: RunState, number: int) -> list[Change]:
    return [_end(s, _SPANS[number])]


def _end(s: RunState, span: int) -> Change:
    start = s.best_epoch if s.settings else s.epoch
    polish = s.settings.schedule.stage3_epochs if s.settings else 0
    why = f"{span} more epochs after epoch {start}"
    return Change("epochs", start + span, why if not polish else f"{why}, then stage 3")


def _companions(s: RunState) -> list[Change]:
    """What the options switch on as well."""
    changes = [Change("deep_supervision", True, "also trains a prediction at every level")]
    if s.stage == 1:
        changes += [
            Change("skip_stage1", True, "opens the backbone now"),
            Change("progressive_unfreeze", True, "from its last level down"),
        ]
    return changes


_STUCK = (SymptomKind.PLATEAU, SymptomKind.STILL_STUCK, SymptomKind.BEHIND, SymptomKind.HELD_BACK)
_ADDED = (30, 60)  # epochs: 120 -> 150 or 180


def go_on(situation: Situation) -> Remedy:
    """Keep training; with more epochs where the planned ones will not do at the present pace."""
    s = situation.standing
    if situation.verdict == SymptomKind.TARGET_REACHED:
        scored = ["score it on test images that chose nothing; the validation score chose it"]
        title = "use the best weights: score them"
        return remedy_of(title, evaluation(s), s, NO_FIGURE, steps=scored)
    end = s.planned_end or RECIPES["conservative"]["schedule"]["epochs"]
    needed = _needed(situation)
    changes: list[Change] = []
    steps: list[str] = []
    if needed is not None and needed > max(end, s.epoch):
        last = max(end, s.epoch)
        new = next((last + more for more in _ADDED if last + more >= needed), last + _ADDED[-1])
        pace = f"at the present pace the target is {_in(needed - s.epoch)} away"
        planned = "was planned" if s.planned_end else "is assumed to be the planned end"
        changes.append(Change("epochs", new, f"{pace}; {end} {planned}"))
        if needed > new:
            steps.append(
                f"even {new} epochs would not do at this pace, which usually slows: if the next"
                " 10 epochs do not speed up, take the option below"
            )
    elif s.epoch >= end:
        changes.append(
            Change("epochs", max(end, s.epoch) + _ADDED[0], "its planned end is reached")
        )
    if situation.verdict == SymptomKind.NEAR_TARGET:
        steps.append("or finish with a polish: --stage3-epochs 10, epochs at a low, constant rate")
    if situation.verdict in (SymptomKind.SLOW, SymptomKind.NEAR_TARGET) and not changes:
        steps.append("the planned epochs should do at the present pace")
    title = "keep training, with more epochs" if changes else "let it run"
    if not changes:
        steps.append("a run that is under way needs no command; this one goes on if it was stopped")
    elif (rate := _stretched(s, int(changes[0].value))) is not None:
        way = "back up to" if s.rate is not None and rate > 1.5 * s.rate else "to"
        steps.append(
            f"more epochs stretch the same curve: the learning rate goes {way} {told(rate)}, where"
            " the longer curve stands"
        )
    changes = [_shift(s, c) for c in changes]
    stuck = situation.verdict in _STUCK  # what was measured is a stalled run, left alone
    expected = measured_of("gain-nothing", situation.claims) if stuck else NO_FIGURE
    return remedy_of(title, resumed(s, changes, newest=True), s, expected, steps=steps)


def _stretched(s: RunState, end: int) -> float | None:
    """The learning rate of the next epoch once the curve in force ends with epoch ``end``."""
    if s.settings is None or s.stage != 2:
        return None
    schedule = s.settings.schedule
    begin = s.epoch - s.lived if s.lived else schedule.frozen_epochs
    if schedule.scheduler != "cosine" or schedule.schedule_origin != "resume" or end <= begin:
        return None
    floor = min(schedule.min_lr, schedule.stage2_lr)
    warmup = schedule.warmup_epochs
    return LRSchedule("cosine", schedule.stage2_lr, floor, end - begin, warmup).at(s.epoch - begin)


def _shift(s: RunState, change: Change) -> Change:
    """``planned_end`` counts stage 3, ``--epochs`` does not."""
    if change.name != "epochs" or s.settings is None or not s.settings.schedule.stage3_epochs:
        return change
    epochs = int(change.value) - s.settings.schedule.stage3_epochs
    return Change("epochs", max(epochs, 1), change.why)


def _needed(situation: Situation) -> int | None:
    """The epoch that reaches the target at the present pace; None where none can be told."""
    s, target = situation.standing, situation.target
    if target is None or s.iou is None or s.slope is None or s.slope <= 0:
        return None
    epochs = (target - s.iou) / s.slope
    return s.epoch + math.ceil(min(max(epochs, 0), 1e6))


def _in(epochs: int) -> str:
    return f"{epochs} epochs" if epochs < 1000 else "over 1000 epochs"
