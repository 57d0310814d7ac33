"""What can be seen in a run's past: kinds of symptom, how grave, and on what evidence."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

__all__ = ["SEVERITIES", "Evidence", "Severity", "Symptom", "SymptomKind"]

Severity = Literal["good", "info", "notice", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("good", "info", "notice", "warning", "critical")
"""From what one hopes for to what must stop the run; ``warning`` and above ask for an act."""


class SymptomKind(StrEnum):
    """The closed set of kinds."""

    NON_FINITE = "non_finite"
    """Loss or score is NaN or infinite, or steps were skipped because a gradient was."""
    EXPLOSION = "explosion"
    """The loss jumped, the IoU fell with it, and neither has come back."""
    TARGET_REACHED = "target_reached"
    """An epoch scored the target or more."""
    OVERFIT = "overfit"
    """Validation gets worse while the training loss still falls."""
    STILL_STUCK = "still_stuck"
    """A new schedule was begun, and the level it set out from was not left."""
    BEHIND = "behind"
    """It moves, but after the epochs in which most of the way should lie behind, it does not."""
    PLATEAU = "plateau"
    """No gain worth the name over the window, and the data rule one out."""
    HELD_BACK = "held_back"
    """It moves, far slower than it did at a far higher learning rate."""
    TEMPORARY_DIP = "temporary_dip"
    """A short fall of the score, just over or still going on; no reason to act."""
    NEAR_TARGET = "near_target"
    """The target is close and nothing is wrong."""
    SLOW = "slow"
    """It moves, at a pace that needs more time."""
    HEALTHY = "healthy"
    """It rises at a good pace."""
    UNSCORED = "unscored"
    """Losses alone were logged: what they do is said, and that no score is known."""
    TOO_EARLY = "too_early"
    """Too few epochs, or too much noise, to say."""
    LR_EXHAUSTED = "lr_exhausted"
    """The learning rate has been annealed to a small share of its peak."""
    SCHEDULE_IDLE = "schedule_idle"
    """The learning rate stands still although its schedule should move it."""
    NEVER_ANNEALS = "never_anneals"
    """The learning rate is constant for as far as one can see."""
    LR_RISING = "lr_rising"
    """The learning rate rose again after it had fallen, without a restart that was asked for."""
    EMA_LAG = "ema_lag"
    """The averaged weights that are validated trail far behind those that train."""
    DEAD_EXPERTS = "dead_experts"
    """Some experts are hardly used."""
    COLLAPSED_EXPERTS = "collapsed_experts"
    """The router sends nearly everything to few experts."""
    SATURATED = "saturated"
    """The network is sure of most pixels that it gets wrong."""
    NOISY_STATISTICS = "noisy_statistics"
    """BatchNorm estimates its statistics from single images."""
    THIN_VALIDATION = "thin_validation"
    """Too few validation images for the gain that is being judged."""
    ONE_SIDED_VALIDATION = "one_sided_validation"
    """Far more, or far less, is predicted as object than is object."""


@dataclass(frozen=True)
class Evidence:
    """One thing seen.

    Attributes:
        what: what was measured, with its unit.
        value: what came out.
        threshold: what it was held against, where there is such a number.
        epochs: first and last epoch looked at.
    """

    what: str
    value: float | str
    threshold: float | str | None
    epochs: tuple[int, int]


@dataclass(frozen=True)
class Symptom:
    """One kind of thing seen, with all that speaks for it.

    Attributes:
        kind: what it is.
        severity: how grave.
        epochs: first and last epoch concerned.
        sentence: for people; complete in itself.
        evidence: what it rests on; never empty.
        strength: how sure, in [0, 1]; a probability where a test gives one.
    """

    kind: SymptomKind
    severity: Severity
    epochs: tuple[int, int]
    sentence: str
    evidence: tuple[Evidence, ...]
    strength: float

    @property
    def alarms(self) -> bool:
        """Whether it asks a person to act."""
        return SEVERITIES.index(self.severity) >= SEVERITIES.index("warning")
