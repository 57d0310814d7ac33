"""The action plan's remedy for a run that moves: keep training, with more epochs where needed."""

import math

from decamo.diagnosis.command import Change, evaluation, resumed
from decamo.diagnosis.expectations import NO_FIGURE, measured_of
from decamo.diagnosis.rates import told
from decamo.diagnosis.remedies import Situation
from decamo.diagnosis.remedy import Remedy, remedy_of
from decamo.diagnosis.run_state import RunState
from decamo.diagnosis.symptom import SymptomKind
from decamo.recipes import RECIPES
from decamo.schedule import LRSchedule

__all__ = ["go_on"]

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
