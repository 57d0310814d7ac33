"""The pace of the run: healthy, slow, held back, a plateau, too early to say. Exactly one."""

from collections.abc import Iterator

import numpy as np

from decamo.diagnosis.case import ABSURD, Measure, RunView
from decamo.diagnosis.detect_rate import lr_exhausted
from decamo.diagnosis.noise import Trend
from decamo.diagnosis.rates import SINCE_FALL, Learned, learned_before, paces, scores_now, told
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds

__all__ = ["pace", "pace_stands_still"]

# A run that rose and has stood still for so many epochs is not called healthy any more; one of
# the windows of ``pace``.
LATE = 12
# ... and for so many where the learning rate is spent: the pace it had will not come back.
LATE_SPENT = 8
# Scores are printed with four digits: a gain of 0.01 may be read as 0.0101.
ROUNDING = 1e-4


def pace_stands_still(trend: Trend, thresholds: Thresholds) -> bool:
    """Whether the gain is a plateau's, and the data rule out the pace of a slow but moving run."""
    slack = ROUNDING / thresholds.plateau_epochs
    flat = trend.chance_under(thresholds.plateau_pace + slack) >= thresholds.lean
    return flat and trend.bound(thresholds.confidence) < thresholds.moving_pace


def pace(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """One of the five kinds."""
    m = case.measure
    if m.field == "loss":
        yield _unscored(case, thresholds)
        return
    epochs, scores, fell = scores_now(case, thresholds)
    trends = paces(epochs, scores, thresholds)
    if not trends:
        yield _too_early(case, thresholds)
        return
    spent = any(lr_exhausted(case, thresholds))
    trend, late = trends[thresholds.plateau_epochs], trends[LATE_SPENT if spent else LATE]
    evidence = _evidence(trend, thresholds, m)
    per_ten = f"{m.change(10 * trend.slope)} {m.name} in 10 epochs"
    between = f"over epochs {trend.first} to {trend.last}"
    known = trend.last - trend.first
    healthy = trend.slope >= thresholds.healthy_pace
    enough = min(SINCE_FALL, thresholds.plateau_epochs) if fell else thresholds.plateau_epochs
    if healthy and pace_stands_still(late, thresholds):
        yield _stalling(late, evidence, thresholds, m)
    elif healthy and trend.bound(1 - thresholds.confidence) > 0:
        yield Symptom(
            SymptomKind.HEALTHY,
            "good",
            trend.epochs,
            f"healthy: {per_ten} {between}{_good_signs(case)}",
            evidence,
            1 - trend.chance_under(thresholds.plateau_pace),
        )
    elif pace_stands_still(trend, thresholds) and known >= enough - 1:
        gain = m.change(thresholds.plateau_epochs * trend.slope)
        yield Symptom(
            SymptomKind.PLATEAU,
            "warning",
            trend.epochs,
            f"a plateau at {m.at(trend.level)}: {gain} in {thresholds.plateau_epochs} epochs"
            f" {between}",
            evidence,
            trend.chance_under(thresholds.moving_pace),
        )
    elif trend.slope > thresholds.plateau_pace and known >= thresholds.healthy_epochs - 1:
        before = learned_before(case, thresholds)
        if before is not None and _holds_back(before, trend, thresholds):
            yield _held_back(before, trend, evidence, thresholds, m)
            return
        yield Symptom(
            SymptomKind.SLOW,
            "info",
            trend.epochs,
            f"slow but moving: {per_ten} {between}; it needs time, not rescue",
            evidence,
            trend.chance_under(thresholds.healthy_pace)
            * (1 - trend.chance_under(thresholds.plateau_pace)),
        )
    else:
        yield _undecided(trend, evidence, thresholds, m)


def _holds_back(before: Learned, trend: Trend, thresholds: Thresholds) -> bool:
    """Whether the run surely was so much faster at the higher rates."""
    surely = before.pace.bound(1 - thresholds.confidence)
    return surely >= thresholds.held_back * trend.slope


def _held_back(
    before: Learned,
    trend: Trend,
    evidence: tuple[Evidence, ...],
    thresholds: Thresholds,
    m: Measure,
) -> Symptom:
    then, times = before.pace, before.pace.slope / trend.slope
    part = f"1/{1 / before.share:.0f} of that at which it learned"
    return Symptom(
        SymptomKind.HELD_BACK,
        "warning",
        (then.first, trend.last),
        f"held back: {m.change(10 * trend.slope)} {m.name} in 10 epochs over epochs {trend.first}"
        f" to {trend.last}, and {m.change(10 * then.slope)} over epochs {then.first} to"
        f" {then.last}; the learning rate, at most {told(before.top)}, is {part},"
        f" {told(before.rate)}",
        (
            Evidence(
                "times as fast at the higher learning rates",
                times,
                thresholds.held_back,
                then.epochs,
            ),
            Evidence(
                "learning rate as a share of that at which it learned",
                before.share,
                thresholds.lr_exhausted,
                trend.epochs,
            ),
            *evidence,
        ),
        1 - then.chance_under(thresholds.held_back * trend.slope),
    )


def _stalling(
    late: Trend, evidence: tuple[Evidence, ...], thresholds: Thresholds, m: Measure
) -> Symptom:
    window = late.last - late.first
    gain = window * late.slope
    most = window * thresholds.plateau_pace
    return Symptom(
        SymptomKind.SLOW,
        "info",
        late.epochs,
        f"slowing down: it {'fell' if m.lower else 'rose'}, but stands at {m.at(late.level)}"
        f" ({m.change(gain)}) since epoch"
        f" {late.first}; {thresholds.plateau_epochs} such epochs are a plateau",
        (
            Evidence(f"{m.gained} in {window} epochs", m.amount(gain), m.amount(most), late.epochs),
            *evidence,
        ),
        late.chance_under(thresholds.plateau_pace),
    )


def _evidence(trend: Trend, thresholds: Thresholds, m: Measure) -> tuple[Evidence, ...]:
    window = thresholds.plateau_epochs
    low, high = (trend.bound(c) for c in (1 - thresholds.confidence, thresholds.confidence))
    sure = f"{thresholds.confidence:.0%}"
    return (
        Evidence(
            f"{m.gained} in {window} epochs at this pace (estimate)",
            m.amount(window * trend.slope),
            m.amount(thresholds.plateau_gain),
            trend.epochs,
        ),
        Evidence(
            f"{m.gained} in {window} epochs at this pace, at most ({sure} sure)",
            m.amount(window * high),
            m.amount(window * thresholds.moving_pace),
            trend.epochs,
        ),
        Evidence(
            f"{m.gained} in {window} epochs at this pace, at least ({sure} sure)",
            m.amount(window * low),
            m.amount(window * thresholds.healthy_pace),
            trend.epochs,
        ),
        Evidence(
            f"noise of an epoch's {m.name} (standard deviation)",
            m.amount(trend.noise),
            None,
            trend.epochs,
        ),
    )


def _good_signs(case: RunView) -> str:
    """The action plan's other good signs, where they show."""
    signs = []
    for name, word in (("loss", "the loss falls"), ("lr", "the learning rate anneals")):
        values = case.series(name)[1]
        if len(values) > 1 and values[-1] < values[0]:
            signs.append(word)
    return "; " + " and ".join(signs) if signs else ""


def _unscored(case: RunView, thresholds: Thresholds) -> Symptom:
    """Only the training loss is known: it tells whether something is learned, not whether it helps.

    A loss stands still where a score would be on a plateau: by the same share of what is left.
    """
    epochs, losses = case.series("loss")
    m, window = case.measure, thresholds.plateau_epochs
    scores = np.clip(1 - losses / m.unit, -ABSURD, ABSURD)
    trend = paces(epochs, scores, thresholds).get(window)
    missing = (
        "no score and no validation loss was logged, so it cannot be told whether masks improve"
    )
    if trend is None:
        known = Evidence("epochs with a training loss", len(losses), thresholds.few, case.span)
        sentence = f"no score: {len(losses)} epochs with a training loss; {missing}"
        return Symptom(SymptomKind.UNSCORED, "notice", case.span, sentence, (known,), 1.0)
    still = pace_stands_still(trend, thresholds)
    word = "stands still" if still else "falls" if trend.slope > 0 else "does not fall"
    change = m.change(window * trend.slope)
    return Symptom(
        SymptomKind.UNSCORED,
        "notice",
        trend.epochs,
        f"no score: the training loss {word} at {m.shown(trend.level)}, {change} in {window} epochs"
        f" over epochs {trend.first} to {trend.last}; {missing}",
        _evidence(trend, thresholds, m),
        1.0,
    )


def _too_early(case: RunView, thresholds: Thresholds) -> Symptom:
    count = len(case.series("iou")[0])
    epochs = f"{count or 'no'} epoch{'s' * (count > 1)}"
    return Symptom(
        SymptomKind.TOO_EARLY,
        "info",
        case.span,
        f"too early to say: {epochs} with {case.measure.one} under the present schedule and stage;"
        f" {thresholds.few} tell a first pace, {thresholds.plateau_epochs} a plateau",
        (Evidence(f"epochs with {case.measure.one}", count, thresholds.few, case.span),),
        1.0,
    )


def _undecided(
    trend: Trend, evidence: tuple[Evidence, ...], thresholds: Thresholds, m: Measure
) -> Symptom:
    window = thresholds.plateau_epochs
    low, high = (
        window * trend.bound(c) for c in (1 - thresholds.confidence, thresholds.confidence)
    )
    short = trend.last - trend.first < window - 1
    why = f"{trend.last - trend.first + 1} epochs are known" if short else "the noise is too high"
    return Symptom(
        SymptomKind.TOO_EARLY,
        "info",
        trend.epochs,
        f"too early to say: {why}; the {'change' if m.lower else 'gain'} in {window} epochs lies"
        f" between {m.change(low)} and {m.change(high)}",
        evidence,
        0.5,
    )
