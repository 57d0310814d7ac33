"""Runs that broke: values that are no numbers, and losses that explode."""

import math
from collections.abc import Iterator

import numpy as np

from decamo.diagnosis.case import RunView
from decamo.diagnosis.noise import Array, running_median
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds
from decamo.history import Point

__all__ = ["explosion", "non_finite"]

# The level before an explosion is a median of so many epochs.
SETTLED = 5


def non_finite(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """NaN and infinity: critical where the run ends in them, else a notice; skipped steps too."""
    broken = [p for p in case.present if _broken(p)]
    if broken:
        at_end = _broken(case.present[-1])
        epochs = broken[0].epoch, broken[-1].epoch
        names = sorted({name for p in broken for name in _broken(p)})
        what = " and ".join({"iou": "IoU", "loss": "loss"}.get(n, n) for n in names)
        ending = "the run ends in it" if at_end else "it has recovered since"
        yield Symptom(
            SymptomKind.NON_FINITE,
            "critical" if at_end else "notice",
            epochs,
            f"{what} not a number in {_epochs(broken)}; {ending}",
            (Evidence(f"epochs with {what} not finite", len(broken), 0, epochs),),
            1.0,
        )
    skipped = [p for p in case.present if p.known("skipped")]
    if skipped:
        epochs = skipped[0].epoch, skipped[-1].epoch
        steps = sum(p.skipped or 0 for p in skipped)
        yield Symptom(
            SymptomKind.NON_FINITE,
            "notice",
            epochs,
            f"{steps} optimizer steps were skipped in {_epochs(skipped)}, their gradients not"
            " being finite",
            (Evidence("skipped optimizer steps", steps, 0, epochs),),
            0.5,
        )


def explosion(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """A fall of the IoU that has not come back, together with a jump of the loss."""
    epochs, scores = case.whole("iou")
    onset = _onset(scores, thresholds.drop)
    if onset is None:
        return
    level = float(running_median(scores, SETTLED)[:onset].max())
    worst = float(scores[onset:].min())
    ratio = _loss_ratio(*case.whole("loss"), epochs[onset])
    known = ratio is not None
    if ratio is not None and ratio < thresholds.loss_factor:
        return
    if not known and level - worst < thresholds.lone_drop:
        return
    last_good, seen = int(epochs[onset - 1]), (int(epochs[onset]), int(epochs[-1]))
    m, span = case.measure, (last_good, seen[1])
    evidence = [Evidence(m.lost, m.amount(level - worst), m.amount(thresholds.drop), span)]
    jump = ""
    if ratio is not None:
        jump = f"the loss is {ratio:.1f} times what it was and "
        what = "loss against the median before"
        evidence.append(Evidence(what, ratio, thresholds.loss_factor, (last_good, seen[1])))
    yield Symptom(
        SymptomKind.EXPLOSION,
        "critical",
        seen,
        f"exploded at epoch {seen[0]}: {jump}the {m.name} {m.fell} from"
        f" {m.shown(float(scores[onset - 1]))} to {m.shown(worst)} and has not come back",
        tuple(evidence),
        min(1.0, (level - worst) / (2 * thresholds.drop)) if known else 0.7,
    )


def _onset(scores: Array, drop: float) -> int | None:
    """Index from which all scores lie ``drop`` under the best level before it."""
    levels = np.maximum.accumulate(running_median(scores, SETTLED)) if len(scores) else scores
    highest_since = np.maximum.accumulate(scores[::-1])[::-1]
    fallen = np.flatnonzero(highest_since[1:] < levels[:-1] - drop)
    return int(fallen[0]) + 1 if len(fallen) else None


def _loss_ratio(epochs: Array, losses: Array, onset: float) -> float | None:
    """Loss since the onset (median, or last if higher) against the median before, if known."""
    since, earlier = losses[epochs >= onset], losses[epochs < onset][-SETTLED:]
    settled = float(np.median(earlier)) if len(earlier) else 0.0
    if not len(since) or settled <= 0:
        return None
    return max(float(np.median(since)), float(since[-1])) / settled


def _broken(point: Point) -> tuple[str, ...]:
    values = {"loss": point.loss, "iou": point.iou}
    return tuple(n for n, v in values.items() if v is not None and not math.isfinite(v))


def _epochs(points: list[Point]) -> str:
    first, last = points[0].epoch, points[-1].epoch
    return f"epoch {first}" if first == last else f"{len(points)} epochs from {first} to {last}"
