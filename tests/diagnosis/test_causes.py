import math
from typing import Any

import pytest

from decamo.diagnosis import Cause, Diagnosis, Evidence, Kind, Standing, Symptom, diagnose
from decamo.diagnosis.causes import PRIORS, REST, WEIGHTS, Suspicion, suspicions
from decamo.diagnosis.standing import Sign
from decamo.diagnosis.verdict import VERDICTS
from tests.diagnosis.build import past

SEEN = (Evidence("something", 1.0, None, (1, 2)),)


def symptom(kind: Kind, strength: float = 1.0, severity: Any = "warning") -> Symptom:
    return Symptom(kind, severity, (1, 2), f"{kind} was seen", SEEN, strength)


def weighed(*kinds: Kind | Symptom, standing: Standing | None = None) -> dict[Cause, Suspicion]:
    symptoms = tuple(k if isinstance(k, Symptom) else symptom(k) for k in kinds)
    diagnosis = Diagnosis(symptoms[0], symptoms, ())
    found = suspicions(diagnosis, standing or Standing(stage=2))
    assert sum(s.probability for s in found) == pytest.approx(1)
    return {s.cause: s for s in found}


def first(*kinds: Kind | Symptom, standing: Standing | None = None) -> Cause:
    return next(iter(weighed(*kinds, standing=standing)))


def test_the_tables_are_whole() -> None:
    assert set(PRIORS) == set(Cause)
    assert set(WEIGHTS) == set(Kind) | set(Sign)
    assert set(REST) <= set(Kind)
    factors = [f for row in WEIGHTS.values() for f in row.values()]
    assert all(math.isfinite(f) and f >= 0 for f in (*PRIORS.values(), *REST.values(), *factors))
    assert {k for k, row in WEIGHTS.items() if 0 in row.values()} == {Sign.UNFROZEN}


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (Kind.EXPLOSION, Cause.RATE_TOO_HIGH),
        (Kind.NON_FINITE, Cause.RATE_TOO_HIGH),
        (Kind.PLATEAU, Cause.RATE_TOO_LOW),
        (Kind.STILL_STUCK, Cause.RATE_TOO_LOW),
        (Kind.BEHIND, Cause.RESOLUTION),
        (Kind.HELD_BACK, Cause.RATE_TOO_LOW),
        (Kind.SLOW, Cause.TIME),
        (Kind.NEAR_TARGET, Cause.TIME),
        (Kind.TOO_EARLY, Cause.TIME),
        (Kind.HEALTHY, Cause.NOTHING),
        (Kind.TARGET_REACHED, Cause.NOTHING),
        (Kind.TEMPORARY_DIP, Cause.NOTHING),
        (Kind.OVERFIT, Cause.DATA),
    ],
)
def test_a_verdict_alone_has_its_cause(kind: Kind, cause: Cause) -> None:
    assert kind in VERDICTS
    assert first(kind) == cause


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (Kind.EMA_LAG, Cause.AVERAGE_LAGS),
        (Kind.COLLAPSED_EXPERTS, Cause.EXPERTS),
        (Kind.SCHEDULE_IDLE, Cause.SCHEDULE),
    ],
)
def test_a_grave_circumstance_explains_a_plateau(kind: Kind, cause: Cause) -> None:
    assert first(Kind.PLATEAU, kind) == cause
    assert first(Kind.HEALTHY, kind) == Cause.NOTHING


def test_probabilities_are_the_products_of_the_table() -> None:
    found = weighed(Kind.PLATEAU, symptom(Kind.LR_EXHAUSTED, 0.5))
    flat, spent = WEIGHTS[Kind.PLATEAU], WEIGHTS[Kind.LR_EXHAUSTED]
    by_hand = {
        c: PRIORS[c] * flat.get(c, 1.0) * spent.get(c, 1.0) ** 0.5
        for c in Cause
        if c != Cause.FROZEN  # the stage is known to be 2
    }
    total = sum(by_hand.values())
    assert found.keys() == by_hand.keys()
    for cause, weight in by_hand.items():
        assert found[cause].probability == pytest.approx(weight / total)
    grounds = found[Cause.RATE_TOO_LOW].grounds
    assert [g.factor for g in grounds] == pytest.approx([8, 2**0.5])
    assert grounds[0].seen == "plateau was seen"


def test_words_that_did_not_become_the_verdict_do_not_count() -> None:
    alone, beside = weighed(Kind.STILL_STUCK), weighed(Kind.STILL_STUCK, Kind.PLATEAU)
    assert alone == beside
    quiet = symptom(Kind.NON_FINITE, 0.5, "notice")  # steps skipped: a circumstance
    assert weighed(Kind.PLATEAU, quiet)[Cause.NUMBERS].probability > (
        weighed(Kind.PLATEAU)[Cause.NUMBERS].probability
    )


def test_circumstances_shift_the_weights() -> None:
    low = Standing(stage=2, top=0.00005, rate=0.00005)
    assert first(Kind.SLOW, standing=low) in (Cause.TIME, Cause.RATE_TOO_LOW)
    plain = weighed(Kind.SLOW)[Cause.RATE_TOO_LOW].probability
    assert weighed(Kind.SLOW, standing=low)[Cause.RATE_TOO_LOW].probability > 3 * plain
    assert first(Kind.PLATEAU, standing=Standing(stage=1)) == Cause.FROZEN
    assert Cause.FROZEN not in weighed(Kind.PLATEAU)
    small, large = (
        weighed(Kind.PLATEAU, standing=Standing(stage=2, img_size=s))[Cause.RESOLUTION].probability
        for s in (256, 448)
    )
    assert small > 5 * large


def test_real_diagnoses_are_weighed_too() -> None:
    found = suspicions(diagnose(past([0.6] * 40, [0.2] * 40)), Standing(stage=2))
    assert found[0].cause == Cause.RATE_TOO_LOW
