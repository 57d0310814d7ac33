"""Why a run stands where it stands: a closed set of causes, weighed by a table of likelihoods.

Each cause has a weight before anything is seen; each symptom and each circumstance multiplies the
weights by its row; the products, made to sum to 1, are the probabilities (naive Bayes: rows are
taken for independent, which they are not quite). The numbers are ours, chosen so that every case
of the action plan gets the plan's own cause first; they order causes and claim no more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from decamo.diagnosis.run_state import RunState, Sign
from decamo.diagnosis.symptom import Symptom, SymptomKind
from decamo.diagnosis.verdict import VERDICTS, Diagnosis

__all__ = ["PRIORS", "REST", "WEIGHTS", "Cause", "CauseGround", "Suspicion", "suspicions"]


class Cause(StrEnum):
    """The closed set of causes: a diagnosis suspects them, a race supports or refutes them.

    The last three no log shows: only a race tells.
    """

    RATE_TOO_LOW = "rate_too_low"
    RATE_TOO_HIGH = "rate_too_high"
    SCHEDULE = "schedule"
    AVERAGE_LAGS = "average_lags"
    FROZEN = "frozen"
    RESOLUTION = "resolution"
    CAPACITY = "capacity"
    DATA = "data"
    EXPERTS = "experts"
    STATISTICS = "statistics"
    VALIDATION = "validation"
    NUMBERS = "numbers"
    TIME = "time"
    NOTHING = "nothing"
    MOMENTS = "moments"
    GRADIENT_NOISE = "gradient_noise"
    SUPERVISION = "supervision"

    @property
    def label(self) -> str:
        """Its name in words, such as ``rate too low``."""
        return self.value.replace("_", " ")

    @property
    def sentence(self) -> str:
        """What it says of a run."""
        return _SENTENCES[self]


_SENTENCES: Mapping[Cause, str] = {
    Cause.RATE_TOO_LOW: "the learning rate is too low to leave this level, or is used up",
    Cause.RATE_TOO_HIGH: "the learning rate is too high",
    Cause.SCHEDULE: "the learning rate stands still instead of falling",
    Cause.AVERAGE_LAGS: "the averaged weights that are scored trail behind",
    Cause.FROZEN: "the backbone is still frozen",
    Cause.RESOLUTION: "the training images are too small for what is missing",
    Cause.CAPACITY: "the network is too small",
    Cause.DATA: "too few or too uniform images: it learns them by heart",
    Cause.EXPERTS: "the router has given most experts up",
    Cause.STATISTICS: "batches of one image: their statistics are noise",
    Cause.VALIDATION: "the score cannot show the gain: none was logged, too few validation images,"
    " or its ceiling",
    Cause.NUMBERS: "numbers overflow, or an image is broken",
    Cause.TIME: "it only needs time",
    Cause.NOTHING: "nothing is wrong",
    Cause.MOMENTS: "Adam's moments are of another time and hold it back",
    Cause.GRADIENT_NOISE: "gradients of so few images are too noisy",
    Cause.SUPERVISION: "the lower pyramid levels lack a loss of their own",
}


PRIORS: Mapping[Cause, float] = {
    Cause.RATE_TOO_LOW: 3.0,  # the action plan's own root cause
    Cause.RATE_TOO_HIGH: 1.0,
    Cause.SCHEDULE: 1.0,
    Cause.AVERAGE_LAGS: 0.5,
    Cause.FROZEN: 1.0,
    Cause.RESOLUTION: 1.0,
    Cause.CAPACITY: 0.7,
    Cause.DATA: 0.7,
    Cause.EXPERTS: 0.3,
    Cause.STATISTICS: 0.3,
    Cause.VALIDATION: 0.3,
    Cause.NUMBERS: 0.1,
    Cause.TIME: 2.0,
    Cause.NOTHING: 2.0,
}
"""Weights before anything is seen, of the causes that a log can show."""

C = Cause

WEIGHTS: Mapping[SymptomKind | Sign, Mapping[Cause, float]] = {
    SymptomKind.NON_FINITE: {C.NUMBERS: 80, C.RATE_TOO_HIGH: 40, C.TIME: 0.05, C.NOTHING: 0.02},
    SymptomKind.EXPLOSION: {C.RATE_TOO_HIGH: 80, C.NUMBERS: 5, C.TIME: 0.02, C.NOTHING: 0.02},
    SymptomKind.TARGET_REACHED: {C.NOTHING: 150},
    SymptomKind.OVERFIT: {C.DATA: 80, C.TIME: 0.05, C.NOTHING: 0.05, C.RATE_TOO_LOW: 0.1},
    SymptomKind.STILL_STUCK: {
        C.RATE_TOO_LOW: 6, C.RESOLUTION: 6, C.CAPACITY: 3, C.TIME: 0.1, C.NOTHING: 0.02,
    },
    SymptomKind.BEHIND: {
        C.RESOLUTION: 9, C.CAPACITY: 2, C.RATE_TOO_LOW: 1.5, C.TIME: 1.5, C.NOTHING: 0.02,
    },
    SymptomKind.PLATEAU: {
        C.RATE_TOO_LOW: 8, C.RESOLUTION: 3, C.CAPACITY: 2, C.SCHEDULE: 2, C.TIME: 0.15,
        C.NOTHING: 0.02,
    },
    SymptomKind.HELD_BACK: {C.RATE_TOO_LOW: 40, C.TIME: 0.3, C.NOTHING: 0.02},
    SymptomKind.TEMPORARY_DIP: {C.NOTHING: 20, C.TIME: 3, C.RATE_TOO_HIGH: 1.5},
    SymptomKind.NEAR_TARGET: {C.TIME: 15, C.NOTHING: 6},
    SymptomKind.SLOW: {C.TIME: 15, C.RATE_TOO_LOW: 1.5},
    SymptomKind.HEALTHY: {C.NOTHING: 30, C.TIME: 3},
    SymptomKind.UNSCORED: {C.VALIDATION: 120, C.TIME: 0.5, C.NOTHING: 0.5},
    SymptomKind.TOO_EARLY: {C.TIME: 12, C.NOTHING: 3},
    SymptomKind.LR_EXHAUSTED: {C.RATE_TOO_LOW: 2},
    SymptomKind.SCHEDULE_IDLE: {C.SCHEDULE: 40},
    SymptomKind.NEVER_ANNEALS: {C.SCHEDULE: 6},
    SymptomKind.LR_RISING: {C.SCHEDULE: 3},
    SymptomKind.EMA_LAG: {C.AVERAGE_LAGS: 80},
    SymptomKind.DEAD_EXPERTS: {C.EXPERTS: 3},
    SymptomKind.COLLAPSED_EXPERTS: {C.EXPERTS: 100},
    SymptomKind.SATURATED: {C.DATA: 3, C.RATE_TOO_HIGH: 2},
    SymptomKind.NOISY_STATISTICS: {C.STATISTICS: 60},
    SymptomKind.THIN_VALIDATION: {C.VALIDATION: 15},
    SymptomKind.ONE_SIDED_VALIDATION: {C.DATA: 1.5, C.RATE_TOO_HIGH: 1.5},
    Sign.RATE_LOW: {C.RATE_TOO_LOW: 10, C.RATE_TOO_HIGH: 0.2},
    Sign.RATE_HIGH: {C.RATE_TOO_LOW: 0.2, C.RATE_TOO_HIGH: 3, C.SCHEDULE: 2},
    Sign.IMAGES_SMALL: {C.RESOLUTION: 3},
    Sign.IMAGES_LARGE: {C.RESOLUTION: 0.3},
    Sign.FROZEN: {C.FROZEN: 15, C.RATE_TOO_LOW: 0.3},
    Sign.UNFROZEN: {C.FROZEN: 0},
    Sign.STAGE_UNKNOWN: {C.FROZEN: 0.05},
}  # fmt: skip
"""How much more, or less, likely each is seen under a cause than under the others."""

REST: Mapping[SymptomKind, float] = {
    SymptomKind.NON_FINITE: 0.3,
    SymptomKind.EXPLOSION: 0.3,
    SymptomKind.TARGET_REACHED: 0.5,
    SymptomKind.TEMPORARY_DIP: 0.3,
    SymptomKind.NEAR_TARGET: 0.5,
    SymptomKind.SLOW: 0.5,
    SymptomKind.HEALTHY: 0.2,
    SymptomKind.TOO_EARLY: 0.7,
}
"""The factor of the causes that a row does not name; 1 where the kind is not here."""


@dataclass(frozen=True)
class CauseGround:
    """Why a cause is more or less likely.

    Attributes:
        seen: what was seen, for people.
        factor: by which it multiplies the cause's weight; under 1 it speaks against.
    """

    seen: str
    factor: float


@dataclass(frozen=True)
class Suspicion:
    """A cause with how likely it is.

    Attributes:
        cause: which.
        probability: in (0, 1]; those of a run sum to 1.
        grounds: what speaks for it and against it, the strongest first.
    """

    cause: Cause
    probability: float
    grounds: tuple[CauseGround, ...]


def suspicions(diagnosis: Diagnosis, standing: RunState) -> tuple[Suspicion, ...]:
    """All causes that are possible, the likeliest first; their probabilities sum to 1."""
    rows: list[tuple[SymptomKind | Sign, str, float]] = []
    rows += [(s.kind, s.sentence, s.strength) for s in _counted(diagnosis)]
    rows += [(sign, sentence, 1.0) for sign, sentence in standing.signs()]
    weights = dict(PRIORS)
    grounds: dict[Cause, list[CauseGround]] = {cause: [] for cause in PRIORS}
    for key, sentence, strength in rows:
        for cause in PRIORS:
            factor = _factor(key, cause) ** strength
            weights[cause] *= factor
            if abs(factor - 1) > 1e-9:
                grounds[cause].append(CauseGround(sentence, factor))
    total = sum(weights.values())
    found = [
        Suspicion(cause, weight / total, tuple(sorted(grounds[cause], key=_force)))
        for cause, weight in weights.items()
        if weight > 0
    ]
    return tuple(sorted(found, key=lambda s: -s.probability))


def _counted(diagnosis: Diagnosis) -> Iterable[Symptom]:
    """The verdict and the circumstances; other words that could sum the run up do not count."""
    for symptom in diagnosis.symptoms:
        circumstance = symptom.kind not in VERDICTS or (
            symptom.kind in (SymptomKind.NON_FINITE, SymptomKind.OVERFIT) and not symptom.alarms
        )
        if symptom is diagnosis.verdict or circumstance:
            yield symptom


def _factor(key: SymptomKind | Sign, cause: Cause) -> float:
    rest = REST.get(key, 1.0) if isinstance(key, SymptomKind) else 1.0
    return WEIGHTS.get(key, {}).get(cause, rest)


def _force(ground: CauseGround) -> float:
    return -ground.factor
