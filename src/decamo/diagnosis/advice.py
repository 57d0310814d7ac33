"""From a diagnosis to what to do: ranked causes, a command for each, what to watch for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from decamo.diagnosis.causes import Cause, Suspicion, suspicions
from decamo.diagnosis.command import Order, adoption, pasteable, race
from decamo.diagnosis.forecast import Forecast
from decamo.diagnosis.remedies import (
    BEYOND,
    Situation,
    escape_remedy,
    go_on,
    larger,
    lower,
    plan_option,
    rung,
)
from decamo.diagnosis.remedies_beside import (
    anneal,
    bigger_network,
    more_data,
    numbers,
    quicker_average,
    see_more,
    thaw,
    wake_experts,
    wider_batch,
)
from decamo.diagnosis.remedy import Claim, Remedy, noted
from decamo.diagnosis.run_state import RunState, standing_of
from decamo.diagnosis.symptom import SymptomKind
from decamo.diagnosis.thresholds import Thresholds
from decamo.diagnosis.verdict import Diagnosis
from decamo.history import Origin, TrainingLog

__all__ = ["REMEDIES", "Advice", "Counsel", "advise"]

REMEDIES: Mapping[Cause, Callable[[Situation], Remedy]] = {
    Cause.RATE_TOO_LOW: escape_remedy,
    Cause.RATE_TOO_HIGH: lower,
    Cause.SCHEDULE: anneal,
    Cause.AVERAGE_LAGS: quicker_average,
    Cause.FROZEN: thaw,
    Cause.RESOLUTION: larger,
    Cause.CAPACITY: bigger_network,
    Cause.DATA: more_data,
    Cause.EXPERTS: wake_experts,
    Cause.STATISTICS: wider_batch,
    Cause.VALIDATION: see_more,
    Cause.NUMBERS: numbers,
    Cause.TIME: go_on,
    Cause.NOTHING: go_on,
}
"""What is done about each cause."""

_RATE_SHARE = 0.3  # of the probability, from which the learning rate is worth a word
_STUCK = (SymptomKind.PLATEAU, SymptomKind.STILL_STUCK, SymptomKind.BEHIND, SymptomKind.HELD_BACK)


@dataclass(frozen=True)
class Counsel:
    """A suspected cause and what to do about it."""

    suspicion: Suspicion
    remedy: Remedy


@dataclass(frozen=True)
class Advice:
    """What to do.

    Attributes:
        counsels: by probability of their cause, the likeliest first; never empty.
        rate: whether the learning rate is the answer, and which way; one sentence.
        ladder: the options that come after the first remedy, if that does not help.
        checks: what to look at after how many epochs.
        standing: what it was all made from.
        forecast: when it reaches the target, or None where none was made.
        adopt: the command before all others, where another program trained the run; where that is
            not known, the one for the case that it did. None of a run of this program.
        race: where a foreign run stands still: short trials that decide which way to go.
    """

    counsels: tuple[Counsel, ...]
    rate: str
    ladder: tuple[Remedy, ...]
    checks: tuple[str, ...]
    standing: RunState
    forecast: Forecast | None = None
    adopt: Order | None = None
    race: Order | None = None

    @property
    def first(self) -> Remedy:
        """What to do now; what another program trained is adopted before."""
        return self.counsels[0].remedy

    @property
    def command(self) -> str:
        """The command to paste now: of a run of another program, the one that adopts it."""
        foreign = self.standing.origin == Origin.FOREIGN
        return pasteable(self.adopt.words) if self.adopt and foreign else self.first.command


def advise(
    past: TrainingLog,
    diagnosis: Diagnosis,
    *,
    checkpoint: str = "",
    latest: str = "",
    claims: Mapping[str, Claim] | None = None,
    thresholds: Thresholds | None = None,
    forecast: Forecast | None = None,
) -> Advice:
    """What to do about a diagnosis.

    Args:
        past: the run.
        diagnosis: of it.
        checkpoint: file to go on from, where the past does not name it or another is meant.
        latest: file with the newest weights, where there is one beside the best.
        claims: measured gains by name, quoted beside what the action plan expects.
        thresholds: those of the diagnosis.
        forecast: of the same past and target.
    """
    thresholds = thresholds or Thresholds()
    standing = standing_of(past, diagnosis, checkpoint, latest, thresholds)
    situation = Situation(standing, diagnosis.kind, diagnosis.target, claims or {})
    counsels = tuple(
        Counsel(s, _noted(REMEDIES[s.cause](situation), situation))
        for s in suspicions(diagnosis, standing)
    )
    ladder = tuple(
        _noted(remedy, situation) for remedy in _ladder(situation, counsels[0].suspicion.cause)
    )
    checks = tuple(_checks(diagnosis, situation, thresholds, bool(ladder)))
    rate = _rate(counsels, diagnosis, standing.ended)
    foreign, ours = standing.origin == Origin.FOREIGN, standing.origin == Origin.OURS
    return Advice(
        counsels, rate, ladder, checks, standing, forecast,
        adopt=None if ours else adoption(standing),
        race=race(standing) if foreign and diagnosis.kind in _STUCK else None,
    )  # fmt: skip


def _noted(remedy: Remedy, situation: Situation) -> Remedy:
    """The remedy, its flags with their own measurements."""
    return replace(remedy, changes=tuple(noted(c, situation.claims) for c in remedy.changes))


def _ladder(situation: Situation, cause: Cause) -> tuple[Remedy, ...]:
    """The options above the one that is advised, in the plan's order."""
    if situation.verdict == SymptomKind.SLOW and cause == Cause.TIME:
        return (escape_remedy(situation),)
    if situation.verdict not in _STUCK or cause not in (
        Cause.RATE_TOO_LOW, Cause.FROZEN, Cause.SCHEDULE, Cause.RESOLUTION,
    ):  # fmt: skip
        return ()
    now = 3 if cause == Cause.RESOLUTION else rung(situation)
    return tuple(plan_option(situation, number) for number in range(now + 1, BEYOND))


def _rate(counsels: tuple[Counsel, ...], diagnosis: Diagnosis, ended: bool) -> str:
    share = {c.suspicion.cause: c.suspicion.probability for c in counsels}
    low = share.get(Cause.RATE_TOO_LOW, 0.0) + share.get(Cause.FROZEN, 0.0)
    still, high = share[Cause.SCHEDULE], share[Cause.RATE_TOO_HIGH]
    if high >= _RATE_SHARE:
        return "the learning rate is the answer, downwards: a higher one would break the run again"
    if low + still >= _RATE_SHARE and low >= still:
        return "a higher learning rate that then falls is the likeliest way on"
    if low + still >= _RATE_SHARE:
        return "the learning rate should move: that it falls matters more than how high it starts"
    if diagnosis.kind == SymptomKind.HEALTHY and ended:
        return "the settings work: more epochs are what it can use"
    return _NOT_THE_RATE.get(
        diagnosis.kind,
        f"a higher learning rate is not the answer here ({low:.0%} likely to be what is missing)",
    )


_WHY_WAIT = "a higher learning rate is not the answer: "
_NOT_THE_RATE = {
    SymptomKind.HEALTHY: _WHY_WAIT + "the run rises, and a change could only disturb it",
    SymptomKind.SLOW: _WHY_WAIT + "the settings work and need time",
    SymptomKind.NEAR_TARGET: _WHY_WAIT + "it would leave the level that is almost enough",
    SymptomKind.TEMPORARY_DIP: _WHY_WAIT + "two or three lower epochs are normal",
    SymptomKind.TARGET_REACHED: _WHY_WAIT + "the target is reached",
    SymptomKind.TOO_EARLY: _WHY_WAIT + "too little is known to change anything yet",
    SymptomKind.UNSCORED: "whether a higher learning rate is the answer only a score can tell",
    SymptomKind.OVERFIT: _WHY_WAIT + "the training goes well, validation does not",
}


def _checks(
    diagnosis: Diagnosis, situation: Situation, thresholds: Thresholds, higher: bool
) -> list[str]:
    """The action plan's checks, with this run's numbers."""
    standing, target = situation.standing, situation.target
    if diagnosis.kind == SymptomKind.TARGET_REACHED:
        return []
    if diagnosis.kind == SymptomKind.UNSCORED:
        return ["log the IoU on held-out images each epoch, and run this command again"]
    if diagnosis.kind == SymptomKind.TOO_EARLY:
        window = thresholds.plateau_epochs
        return [f"run this command again in a few epochs; {window} epochs tell a plateau"]
    if diagnosis.kind in (
        SymptomKind.HEALTHY,
        SymptomKind.SLOW,
        SymptomKind.NEAR_TARGET,
        SymptomKind.TEMPORARY_DIP,
    ):
        return ["run this command again every 5 to 10 epochs"]
    up = "the next option" if higher else "run this command again"
    checks = [
        "after 5 epochs: the IoU rises, even slowly, and the loss falls; if the loss explodes, a"
        " lower --stage2-lr and --warmup-epochs 5",
        f"after {thresholds.healthy_epochs} epochs: +{thresholds.healthy_gain:.2f} IoU or more: go"
        f" on; flat or worse: {up}",
    ]
    start = diagnosis.baseline.known("iou") if diagnosis.baseline else standing.best_iou
    if target is not None and start is not None and start < target - 2 * thresholds.near:
        least = start + thresholds.review_share * (target - start)
        near = target - thresholds.near
        checks.append(
            f"after {thresholds.review_epochs} epochs: {near:.2f} or more: almost there, go on;"
            f" {least:.2f} to {near:.2f}: more epochs; under {least:.2f}: option 3"
        )
    return checks
