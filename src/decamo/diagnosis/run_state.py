"""Where a run stands: all that a remedy is made from, gathered once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path, PurePath
from statistics import median
from typing import Any

from decamo.diagnosis.case import RunView
from decamo.diagnosis.rates import learned_rate, pace_now, told
from decamo.diagnosis.symptom import SymptomKind
from decamo.diagnosis.thresholds import Thresholds
from decamo.diagnosis.verdict import Diagnosis
from decamo.errors import SettingsError
from decamo.history import Origin, Point, TrainingLog
from decamo.recipes import RECIPES
from decamo.settings import TrainSettings
from decamo.settings.plain import SECTIONS, from_plain

__all__ = ["ADOPTED", "OPTIONS", "RunState", "Sign", "standing_of"]

OPTIONS = ("conservative", "aggressive", "resolution")
"""The action plan's options 1 to 3, by their recipes."""

ADOPTED = "runs/adopted/last.pth"
"""What another program's checkpoint becomes once it is adopted."""

_FIRST, _SECOND = (RECIPES[name]["schedule"]["stage2_lr"] for name in OPTIONS[:2])
_SIZE = RECIPES[OPTIONS[0]]["schedule"]["img_size"]
_LARGE = 448  # px; the largest size that the action plan names
_FEW = 3  # epochs
_CLOSE = 0.05  # relative; a printed rate is that of an epoch's first step, rounded


class Sign(StrEnum):
    """Circumstances that no detector calls a symptom."""

    RATE_LOW = "rate_low"
    RATE_HIGH = "rate_high"
    IMAGES_SMALL = "images_small"
    IMAGES_LARGE = "images_large"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    STAGE_UNKNOWN = "stage_unknown"


@dataclass(frozen=True)
class RunState:
    """Where a run stands.

    Attributes:
        settings: flags in force; None where they are not known, as with a printed log.
        checkpoint: file with the best weights; empty where unknown.
        latest: file with the newest weights; empty where unknown.
        epoch: last epoch known; 0 for none.
        best_epoch: the epoch of the best IoU known; ``epoch`` where there is none.
        stage: stage of the last epoch, or None.
        rate: head's learning rate in the last epoch, or None.
        top: highest rate under the present schedule, or the setting; None where unknown.
        hot: highest rate about the onset of an explosion; None without one, or where unknown.
        img_size: training size in px, or None.
        option: number of the action plan's option in force, 1 to 3; 0 for none of them.
        lived: epochs since the present schedule began; 0 where its beginning is not known.
        planned_end: last epoch planned, or None.
        seconds: of an epoch at ``img_size``, the median of the last few; None where unknown.
        steps: optimizer steps of an epoch, or None.
        iou: IoU of the last epoch with one, or None.
        best_iou: the best one, or None.
        slope: IoU an epoch now, or None.
        learned: highest rate at which the run rose under an earlier schedule, its backbone open;
            None where it did not, or where that is unknown.
        origin: whose run it is; what another program trained is adopted before anything else, and
            ``checkpoint`` and ``latest`` are what it becomes then.
        adopted: the other program's file, where known.
        log: the file that was read, where it is one file of another program.
    """

    settings: TrainSettings | None = None
    checkpoint: str = ""
    latest: str = ""
    epoch: int = 0
    best_epoch: int = 0
    stage: int | None = None
    rate: float | None = None
    top: float | None = None
    hot: float | None = None
    img_size: int | None = None
    option: int = 0
    lived: int = 0
    planned_end: int | None = None
    seconds: float | None = None
    steps: int | None = None
    iou: float | None = None
    best_iou: float | None = None
    slope: float | None = None
    learned: float | None = None
    origin: Origin = Origin.UNKNOWN
    adopted: str = ""
    log: str = ""

    @property
    def ended(self) -> bool:
        """Whether all planned epochs are trained."""
        return self.planned_end is not None and self.epoch >= self.planned_end

    def signs(self) -> Iterator[tuple[Sign, str]]:
        """Circumstances, each with a sentence."""
        if self.stage is None:
            yield Sign.STAGE_UNKNOWN, "which stage it is in is not known"
        elif self.stage == 1:
            yield Sign.FROZEN, "the backbone is still frozen (stage 1)"
        else:
            yield Sign.UNFROZEN, f"the backbone is open (stage {self.stage})"
        if self.top is not None and self.stage != 1 and self.top <= _FIRST / 2:
            yield (
                Sign.RATE_LOW,
                f"the highest learning rate of this schedule, {told(self.top)}, is far under"
                f" {_FIRST:g}",
            )
        if self.rate is not None and self.rate >= 2 * _SECOND:
            yield Sign.RATE_HIGH, f"the learning rate now, {told(self.rate)}, is not low"
        if self.img_size is not None and self.img_size < _SIZE:
            yield (
                Sign.IMAGES_SMALL,
                f"the images have {self.img_size} px, less than {_SIZE}",
            )
        if self.img_size is not None and self.img_size >= _LARGE:
            yield Sign.IMAGES_LARGE, f"the images have {self.img_size} px already"


def standing_of(
    past: TrainingLog,
    diagnosis: Diagnosis,
    checkpoint: str = "",
    latest: str = "",
    thresholds: Thresholds | None = None,
) -> RunState:
    """Gather it.

    Args:
        past: the run.
        diagnosis: of that run.
        checkpoint: file to go on from, if the past does not name it.
        latest: file with the newest weights, if there is one beside the best.
        thresholds: those of the diagnosis.
    """
    scores = diagnosis.measure.scored(past)
    case = RunView(scores, diagnosis.baseline, target=diagnosis.target)
    stretch, points = case.stretch, scores.points
    settings = _settings(stretch.settings) if stretch else None
    scored = [p for p in points if p.known("iou") is not None]
    kept = [p for p in scored if p.epoch >= _adopted_at(scores)]
    best = max(kept, key=lambda p: p.known("iou") or 0.0, default=None)
    epoch = points[-1].epoch if points else 0
    trend = pace_now(case, thresholds or Thresholds())
    end = stretch.planned_end if stretch else None
    top = _top(case, settings)
    size = _last(points, "img_size") or (settings.schedule.img_size if settings else None)
    plain, foreign = diagnosis.measure.plain, past.origin == Origin.FOREIGN
    branched = bool(stretch and stretch.word == "branch") or not stretch
    given = checkpoint or past.checkpoint
    if best and latest and best.stage != points[-1].stage:  # of another stage: nobody wants it back
        best, given = scored[-1], latest
    return RunState(
        settings=settings,
        checkpoint=ADOPTED if foreign else given,
        latest=ADOPTED if foreign else latest,
        epoch=epoch,
        best_epoch=best.epoch if best and not _newest(given) else epoch,
        stage=points[-1].stage if points else None,
        rate=_positive(_last(points, "lr")),
        top=top,
        hot=_hot(case, diagnosis),
        img_size=int(size) if size else None,
        option=_option(top, size) if branched and diagnosis.baseline else 0,
        lived=epoch - diagnosis.baseline.epoch if diagnosis.baseline else 0,
        planned_end=end or (settings.schedule.last_epoch if settings else None),
        seconds=_seconds(points, size),
        steps=_steps(points),
        iou=scored[-1].known("iou") if scored and plain else None,
        best_iou=best.known("iou") if best and plain else None,
        slope=trend.slope if trend and plain else None,
        learned=learned_rate(case, thresholds or Thresholds()),
        origin=past.origin,
        adopted=given if foreign else "",
        log=past.source if foreign and Path(past.source).exists() else "",
    )


def _adopted_at(past: TrainingLog) -> int:
    """Epochs that another program trained: of its weights only the last are here."""
    last = past.points[-1].epoch if past.points else 0
    ends = [*(s.first_epoch - 1 for s in past.stretches[1:]), last]
    theirs = [end for s, end in zip(past.stretches, ends, strict=False) if s.adopted]
    return max(theirs, default=0)


def _settings(plain: Mapping[str, Mapping[str, Any]]) -> TrainSettings | None:
    """Settings as far as they make sense; keys of other versions are passed over."""
    if not plain.get("schedule"):
        return None
    names = {s: {f.name for f in fields(cls)} for s, cls in SECTIONS.items()}
    known = {
        section: {k: v for k, v in values.items() if k in names[section]}
        for section, values in plain.items()
        if section in names
    }
    try:
        return from_plain(known)
    except SettingsError:
        return None


def _top(case: RunView, settings: TrainSettings | None) -> float | None:
    """Of a log that begins midway, a rate that moves does not tell its peak."""
    epochs, rates = case.series("lr")
    if settings is not None:
        return _positive(float(rates.max())) if len(rates) else settings.schedule.stage2_lr
    if len(rates) < _FEW:
        return None
    begins = epochs[0] <= (case.baseline.epoch if case.baseline else 0) + _FEW
    constant = float(rates.min()) >= (1 - _CLOSE) * float(rates.max())
    return _positive(float(rates.max())) if begins or constant else None


def _hot(case: RunView, diagnosis: Diagnosis) -> float | None:
    """Highest rate within two epochs before the trouble began."""
    if diagnosis.kind not in (SymptomKind.EXPLOSION, SymptomKind.NON_FINITE):
        return None
    first = diagnosis.verdict.epochs[0]
    epochs, rates = case.series("lr")
    near = rates[(epochs >= first - 2) & (epochs <= first)]
    return _positive(float(near.max())) if len(near) else None


def _option(top: float | None, size: float | None) -> int:
    """By its rate, and its size for option 3; a rate is 5 % off at most."""
    if top is None:
        return 0
    if abs(top / _FIRST - 1) < _CLOSE:
        return 1
    if abs(top / _SECOND - 1) < _CLOSE:
        return 3 if size is not None and size > _SIZE else 2
    return 0


def _seconds(points: tuple[Point, ...], size: float | None) -> float | None:
    times = [
        t for p in points[-6:] if p.img_size in (None, size) and (t := p.known("seconds")) and t > 0
    ]
    return median(times) if times else None


def _steps(points: tuple[Point, ...]) -> int | None:
    made = [p for p in points if p.step is not None][-2:]
    if len(made) < 2:
        return None
    steps = (made[1].step or 0) - (made[0].step or 0)
    return steps // (made[1].epoch - made[0].epoch) or None if steps > 0 else None


def _last(points: tuple[Point, ...], name: str) -> float | None:
    return next((v for p in reversed(points) if (v := p.known(name)) is not None), None)


def _positive(value: float | None) -> float | None:
    return value if value is not None and 0 < value < 10 else None


def _newest(checkpoint: str) -> bool:
    """Whether a checkpoint's name says that it is the newest rather than the best."""
    return bool(checkpoint) and "best" not in PurePath(checkpoint).name
