"""What the outcome of a race means: which causes it supports and refutes, with the evidence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from decamo.diagnosis import Cause
from decamo.races.branch import CONTROL, TWIN
from decamo.races.judge import Gap, Verdict

__all__ = ["Explanation", "RaceFacts", "explain_race", "refuted_causes"]

# Shares that call something by its name; ours, and only in sentences, never in a decision.
_FALLING = 0.02  # of the training loss, over the epochs looked at
_LOST = 0.2  # IoU under which an image's object is as good as not found
_MANY_LOST = 0.15  # share of such images
_BACK = 10  # epochs of loss looked at
_WORTH = 0.005  # IoU: half of what the action plan calls a plateau
_SURE = 3.0  # about the factor of a simultaneous interval of a dozen branches
_MOST_TIMES = 10  # as many images: more is no advice
_SPENT = 0.1  # of its peak: what the diagnosis calls a spent rate
_SAME = 1e-5  # relative; a branch's rate is written with six digits


@dataclass(frozen=True)
class RaceFacts:
    """What is known beside the scores.

    Attributes:
        rate: the head's learning rate at the checkpoint.
        peak: the highest one so far under the schedule in force, the backbone open.
        highest: the highest one so far under any schedule, likewise.
        ended: whether the schedule in force is at its end.
        losses: mean training loss of the epochs up to the end of the control's trial, oldest first.
        ious: IoU of each validation image at the end of the control's trial.
        epochs: of a trial.
        diverged: branch -> what became of it, for those that did.
        dropped: branch -> epochs of its trial after which it was clearly behind.
    """

    rate: float
    peak: float
    highest: float
    ended: bool
    losses: Sequence[float]
    ious: Sequence[float]
    epochs: int
    diverged: Mapping[str, str]
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """What a race says of causes.

    Attributes:
        causes: that it supports, or, of :func:`refuted_causes`, refutes; the ones that a diagnosis
            suspects. Several where the race cannot tell them apart; empty where a branch that does
            several things at once is better.
        says: a sentence for people.
        evidence: the numbers it rests on.
    """

    causes: tuple[Cause, ...]
    says: str
    evidence: tuple[str, ...]

    @property
    def heading(self) -> str:
        """The causes in words; empty for none."""
        return " or ".join(cause.label for cause in self.causes)

    @property
    def line(self) -> str:
        """Causes and sentence."""
        return f"{self.heading}: {self.says}" if self.causes else self.says


_HIGHER = ("rate-before", "rate-x10", "rate-x3")  # of one shape with ``anneal``

# probe -> cause and sentence, where the branch is surely better than the control
_SIMPLE: Mapping[str, tuple[Cause | None, str]] = {
    "conservative": (None, "the action plan's option 1 gets off the plateau"),
    "aggressive": (None, "the action plan's option 2 gets off the plateau"),
    "resolution": (None, "the action plan's option 3 gets off the plateau"),
    "larger": (Cause.RESOLUTION, "details were too small for the network's input"),
    "moments": (Cause.MOMENTS, "Adam's moments held it back; they were of another time"),
    "batch-x2": (Cause.GRADIENT_NOISE, "gradients of few images were too noisy"),
    "deep-supervision": (Cause.SUPERVISION, "the lower pyramid levels lacked a loss of their own"),
    "average": (
        Cause.RATE_TOO_HIGH,
        "the weights jitter about a better point: they are near the floor that the rate's noise"
        " allows",
    ),
    "batchnorm": (Cause.STATISTICS, "BatchNorm's statistics did not fit the data"),
}


def explain_race(verdict: Verdict, facts: RaceFacts) -> tuple[Explanation, ...]:
    """What the probes say, surest first; never empty.

    Args:
        verdict: of the race.
        facts: beside it.
    """
    found = [*_rates(verdict, facts)]
    for name, (cause, says) in _SIMPLE.items():
        gap = verdict.of(name)
        if gap is not None and gap.better:
            found.append(Explanation((cause,) if cause else (), says, (_told(gap),)))
    own = [g for g in verdict.gaps if g.better and g.branch not in _KNOWN]
    found += [Explanation((), f"{g.branch} gets off the plateau", (_told(g),)) for g in own]
    nothing = not found
    if facts.diverged:
        evidence = tuple(f"{name}: {why}" for name, why in facts.diverged.items())
        found.append(Explanation((), "training does not bear every branch", evidence))
    return tuple([*_nothing(verdict, facts), *found] if nothing else found)


# What shows nothing in all of these probes does not hold the run back.
_PROBES: Mapping[Cause, tuple[str, ...]] = {
    Cause.RATE_TOO_LOW: ("rate-x10", "rate-x3"),
    Cause.RATE_TOO_HIGH: ("rate-tenth",),
    Cause.SCHEDULE: ("anneal",),
    Cause.RESOLUTION: ("larger",),
    Cause.MOMENTS: ("moments",),
    Cause.GRADIENT_NOISE: ("batch-x2",),
    Cause.SUPERVISION: ("deep-supervision",),
    Cause.STATISTICS: ("batchnorm",),
}


def refuted_causes(verdict: Verdict, facts: RaceFacts) -> tuple[Explanation, ...]:
    """The causes whose probes were all raced and surely gain less than is worth having.

    A probe that was clearly behind before the end counts; one that diverged or was not raced
    leaves its cause open.

    Args:
        verdict: of the race.
        facts: beside it.
    """
    says = f"what would cure it surely gains less than {_WORTH:g} IoU in {facts.epochs} epochs"
    found = []
    for cause, probes in _PROBES.items():
        evidence = [_no_gain(name, verdict, facts) for name in probes]
        if all(evidence):
            found.append(Explanation((cause,), says, tuple(evidence)))
    return tuple(found)


def _no_gain(name: str, verdict: Verdict, facts: RaceFacts) -> str:
    """Why a branch surely gains next to nothing; empty where it may gain or nobody knows."""
    if (gap := verdict.of(name)) is not None:
        return _told(gap) if gap.high < _WORTH else ""
    if name in facts.dropped and name not in facts.diverged:
        return f"{name}: clearly behind after {facts.dropped[name]} of {facts.epochs} epochs"
    return ""


_KNOWN = frozenset({CONTROL, TWIN, *_HIGHER, "rate-tenth", "anneal", *_SIMPLE})


_SUSPECTS = {
    "rates": (*_HIGHER, "rate-tenth", "anneal"),
    "pixels": ("larger",),
    "side outputs": ("deep-supervision",),
}


def _rates(verdict: Verdict, facts: RaceFacts) -> list[Explanation]:
    """Too low, used up, too high, or merely never falling: the probes tell these apart."""
    fall, low = verdict.of("anneal"), verdict.of("rate-tenth")
    higher = [g for n in _HIGHER if (g := verdict.of(n)) is not None]
    high = max(higher, key=lambda g: g.difference, default=None)
    now = f"the learning rate at the checkpoint is {facts.rate:.3g}"
    found = []
    used_up = high is not None and _used_up(high.branch, facts)
    beyond = None if high is None else verdict.pairs.get((high.branch, "anneal"))
    if high is not None and high.better and (beyond is None or beyond.better):
        evidence = [_told(high), now] + ([_told(beyond)] if beyond else [])
        says = "the learning rate was too low"
        if used_up:
            says = (
                "the learning rate was used up before the run had finished learning: it takes a"
                " longer schedule, or a warm restart"
            )
            evidence.append(f"the schedule in force had come down to it from {facts.peak:.3g}")
        found.append(Explanation((Cause.RATE_TOO_LOW,), says, tuple(evidence)))
    elif high is not None and high.better and beyond is not None and fall is not None:
        evidence = [_told(high), _told(fall), _told(beyond), now]
        says = (
            "a higher rate helps, but annealing the present one does not surely help less: the rate"
            f" has to fall, and may have been {'used up too early' if used_up else 'too low'}"
        )
        found.append(Explanation((Cause.SCHEDULE, Cause.RATE_TOO_LOW), says, tuple(evidence)))
    elif fall is not None and fall.better:
        says = "the rate only had to fall: it was kept up for too long"
        found.append(Explanation((Cause.SCHEDULE,), says, (_told(fall), now)))
    if low is not None and low.better:
        says = "the rate is too high here: its noise hides what was learned"
        found.append(Explanation((Cause.RATE_TOO_HIGH,), says, (_told(low), now)))
    return found


def _used_up(branch: str, facts: RaceFacts) -> bool:
    """Whether the schedule in force had the branch's rate once, and has annealed away from it.

    A rate that it never had was not used up: the schedule as a whole was too low.
    """
    tried = {"rate-before": facts.highest, "rate-x10": 10 * facts.rate, "rate-x3": 3 * facts.rate}
    had = tried[branch] <= facts.peak * (1 + _SAME)
    return had and (facts.ended or facts.rate <= _SPENT * facts.peak)


def _nothing(verdict: Verdict, facts: RaceFacts) -> list[Explanation]:
    """No branch is better: what is left, by the evidence there is."""
    reach = max((g.high for g in verdict.gaps), default=0.0)
    widest = f"at 95 %, no branch gains more than {reach:+.4f} over {facts.epochs} epochs"
    chance = f"chance alone moves {verdict.seed_noise:.4f} (the control's twin)"
    if facts.ious and not any(facts.ious) and not any(g.difference for g in verdict.gaps):
        says = (
            "nothing can be told apart yet: no branch finds an object anywhere; longer trials"
            " (--trial-epochs), or a higher rate"
        )
        return [Explanation((Cause.TIME, Cause.RATE_TOO_LOW), says, ("every IoU is 0",))]
    found = []
    least = max(_WORTH, _SURE * verdict.seed_noise)
    ahead = [g for g in verdict.gaps if g.difference > least and g.branch != TWIN]
    best = max(ahead, key=lambda g: g.difference, default=None)
    if best is not None and (needed := _images_needed(best, verdict)) is not None:
        says = f"{best.branch} may be better; this many images cannot tell"
        enough = f"about {needed} validation images would, were the gain what it seems"
        found.append(Explanation((Cause.VALIDATION,), says, (_told(best), enough)))
    if (fall := _fall(facts.losses)) is not None and fall > _FALLING:
        evidence = (f"the training loss fell by {fall:.1%} over {_span(facts)} epochs", widest)
        says = (
            "no schedule is to blame: training still gains; either it takes more epochs, or what it"
            " learns now does not carry over to new images (data, augmentation)"
        )
        found.append(Explanation((Cause.TIME, Cause.DATA), says, evidence))
    lost = fmean(iou < _LOST for iou in facts.ious) if facts.ious else 0.0
    if lost >= _MANY_LOST:
        few = f"{lost:.0%} of the validation images have an IoU under {_LOST:g}"
        says = "objects are missed as a whole: more data like those, or a stronger backbone"
        found.append(Explanation((Cause.DATA, Cause.CAPACITY), says, (few, widest)))
    told = [widest, chance]
    if fall is not None and fall <= _FALLING:
        told.append(f"the training loss moved by {-fall:+.1%} over {_span(facts)} epochs")
    if not found:
        found.append(_ceiling(verdict, told))
    return found


def _ceiling(verdict: Verdict, told: list[str]) -> Explanation:
    """What is left where nothing raced is better; what was not raced is not ruled out."""
    raced = {
        name: any(verdict.of(branch) is not None for branch in branches)
        for name, branches in _SUSPECTS.items()
    }
    tried = [name for name, was in raced.items() if was]
    left = [name for name, was in raced.items() if not was]
    cleared = f"by this race {' and '.join(tried)} do not hold it back: " if tried else ""
    open_ones = f", or {' or '.join(left)}, not raced" if left else ""
    says = f"{cleared}the network's capacity, the data, or what masks of this kind allow{open_ones}"
    return Explanation((Cause.CAPACITY, Cause.DATA, Cause.VALIDATION), says, tuple(told))


def _images_needed(gap: Gap, verdict: Verdict) -> int | None:
    """Images with which an interval about the same gain would end at 0; None where it is hopeless.

    The part of it that images make shrinks with the root of their number; luck does not.
    """
    half, seed_noise = gap.difference - gap.low, _SURE * verdict.seed_noise
    of_images = half**2 - seed_noise**2
    room = gap.difference**2 - seed_noise**2
    if of_images <= 0 or room <= 0 or not math.isfinite(half):
        return None
    needed = math.ceil(verdict.images * of_images / room)
    return needed if needed <= _MOST_TIMES * verdict.images else None


def _fall(losses: Sequence[float]) -> float | None:
    """Share by which the loss fell, halves against each other; None where there are too few."""
    late = list(losses)[-_BACK:]
    if len(late) < 4:
        return None
    half = len(late) // 2
    before, after = fmean(late[:half]), fmean(late[-half:])
    return (before - after) / before if before else None


def _span(facts: RaceFacts) -> int:
    return min(len(facts.losses), _BACK)


def _told(gap: Gap) -> str:
    return (
        f"{gap.branch} - {gap.against}: {gap.difference:+.4f}, 95 % interval {gap.low:+.4f} to"
        f" {gap.high:+.4f}"
    )
