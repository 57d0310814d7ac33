"""All detectors over one past, and the one word that sums them up."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from decamo.diagnosis.case import IOU, Measure, RunView, measure_of, open_case
from decamo.diagnosis.detect_network import (
    ema_lag,
    experts,
    explosion,
    noisy_statistics,
    non_finite,
)
from decamo.diagnosis.detect_pace import pace
from decamo.diagnosis.detect_rate import lr_exhausted, lr_rising, never_anneals, schedule_idle
from decamo.diagnosis.detect_schedule import (
    behind_schedule,
    near_target,
    still_stuck,
    target_reached,
)
from decamo.diagnosis.detect_validation import (
    one_sided_validation,
    overfit,
    saturated,
    temporary_dip,
    thin_validation,
)
from decamo.diagnosis.symptom import SEVERITIES, Symptom, SymptomKind
from decamo.diagnosis.thresholds import SITUATION, TARGET, Thresholds
from decamo.history import Point, TrainingLog

__all__ = ["DETECTORS", "VERDICTS", "Detector", "Diagnosis", "diagnose_log"]

Detector = Callable[[RunView, Thresholds], Iterator[Symptom]]

DETECTORS: tuple[Detector, ...] = (
    non_finite,
    explosion,
    target_reached,
    overfit,
    still_stuck,
    behind_schedule,
    temporary_dip,
    near_target,
    pace,
    schedule_idle,
    never_anneals,
    lr_rising,
    lr_exhausted,
    ema_lag,
    experts,
    saturated,
    noisy_statistics,
    thin_validation,
    one_sided_validation,
)

VERDICTS: tuple[SymptomKind, ...] = (
    SymptomKind.NON_FINITE,
    SymptomKind.EXPLOSION,
    SymptomKind.TARGET_REACHED,
    SymptomKind.OVERFIT,
    SymptomKind.STILL_STUCK,
    SymptomKind.PLATEAU,
    SymptomKind.HELD_BACK,
    SymptomKind.BEHIND,
    SymptomKind.TEMPORARY_DIP,
    SymptomKind.NEAR_TARGET,
    SymptomKind.SLOW,
    SymptomKind.HEALTHY,
    SymptomKind.UNSCORED,
    SymptomKind.TOO_EARLY,
)
"""Kinds that sum a run up; the first that is seen is the verdict. All others are circumstances."""


@dataclass(frozen=True)
class Diagnosis:
    """What ails a run, if anything does.

    Attributes:
        verdict: the symptom that sums it up.
        symptoms: all of them: the verdict, then the graver and the surer first.
        seen: facts, for people: what was read, what was assumed.
        baseline: where the present schedule set out from, if that is known or assumed.
        target: the IoU to reach, if one was given and IoUs are known.
        measure: what the run was judged by; not the IoU where none was logged.
    """

    verdict: Symptom
    symptoms: tuple[Symptom, ...]
    seen: tuple[str, ...]
    baseline: Point | None = None
    target: float | None = None
    measure: Measure = IOU

    @property
    def kind(self) -> SymptomKind:
        """The verdict's kind."""
        return self.verdict.kind

    def of_kind(self, kind: SymptomKind) -> tuple[Symptom, ...]:
        """The symptoms of one kind."""
        return tuple(s for s in self.symptoms if s.kind == kind)


def diagnose_log(
    past: TrainingLog,
    thresholds: Thresholds | None = None,
    target: float | None = TARGET,
    baseline: Point | None = None,
    situation: Point | None = SITUATION,
) -> Diagnosis:
    """Look a run over.

    Args:
        past: the run.
        thresholds: where one word ends and the next begins; None for the action plan's.
        target: IoU to reach; None for none.
        baseline: epoch and IoU that the present schedule set out from, if the past does not tell.
        situation: stands in for the baseline of a few lines of log that come without any context
            (see ``open_case``); None to assume nothing.
    """
    thresholds = thresholds or Thresholds()
    measure = measure_of(past)
    if not measure.plain:  # a target and the plan's own start are IoUs
        target = baseline = situation = None
    case = open_case(measure.scored(past), thresholds, target, baseline, situation)
    case = replace(case, measure=measure)
    found = [symptom for detect in DETECTORS for symptom in detect(case, thresholds)]
    verdict = min((s for s in found if _sums_up(s)), key=lambda s: VERDICTS.index(s.kind))
    rest = [s for s in found if s is not verdict]
    if verdict.kind is not SymptomKind.UNSCORED:
        verdict = replace(verdict, sentence=verdict.sentence + measure.only)
    rest.sort(key=lambda s: (-SEVERITIES.index(s.severity), -s.strength))
    facts = tuple(_facts(case))
    return Diagnosis(verdict, (verdict, *rest), facts, case.baseline, target, measure)


def _sums_up(symptom: Symptom) -> bool:
    if symptom.kind in (SymptomKind.NON_FINITE, SymptomKind.OVERFIT):
        return symptom.alarms
    return symptom.kind in VERDICTS


def _facts(case: RunView) -> Iterator[str]:
    points = case.past.points
    if not points:
        yield "no epoch"
        return
    yield f"epochs {points[0].epoch} to {points[-1].epoch}, {len(points)} of them written down"
    m = case.measure
    scored = [(p.known("iou"), p.epoch) for p in points]
    known = [(iou, epoch) for iou, epoch in scored if iou is not None]
    if known:
        best, epoch = max(known)
        last, last_epoch = known[-1]
        yield (f"best {m.at(best)} at epoch {epoch}; last {m.shown(last)} at epoch {last_epoch}")
    if case.baseline is not None:
        start = case.baseline.known("iou")
        level = m.at(start) if start is not None else "an unknown IoU"
        yield f"set out from {level} at epoch {case.baseline.epoch} ({case.baseline_source})"
    if case.stretch is not None and case.stretch.reason:
        yield f"last {case.stretch.word or 'stretch'}: {case.stretch.reason}"
    yield from case.past.notes
