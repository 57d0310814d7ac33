import math
from typing import Any

import pytest

from decamo.diagnosis import (
    Cause,
    Diagnosis,
    Evidence,
    RunState,
    Symptom,
    SymptomKind,
    diagnose_log,
)
from decamo.diagnosis.causes import PRIORS, REST, WEIGHTS, Suspicion, suspicions
from decamo.diagnosis.run_state import Sign
from decamo.diagnosis.verdict import VERDICTS
from tests.diagnosis.build import past

SEEN = (Evidence("something", 1.0, None, (1, 2)),)


def symptom(kind: SymptomKind, strength: float = 1.0, severity: Any = "warning") -> Symptom:
    return Symptom(kind, severity, (1, 2), f"{kind} was seen", SEEN, strength)


def weighed(
    *kinds: SymptomKind | Symptom, standing: RunState | None = None
) -> dict[Cause, Suspicion]:
    symptoms = tuple(k if isinstance(k, Symptom) else symptom(k) for k in kinds)
    diagnosis = Diagnosis(symptoms[0], symptoms, ())
    found = suspicions(diagnosis, standing or RunState(stage=2))
    assert sum(s.probability for s in found) == pytest.approx(1)
    return {s.cause: s for s in found}


def first(*kinds: SymptomKind | Symptom, standing: RunState | None = None) -> Cause:
    return next(iter(weighed(*kinds, standing=standing)))


def test_the_tables_are_whole() -> None:
    only_raced = {Cause.MOMENTS, Cause.GRADIENT_NOISE, Cause.SUPERVISION}
    assert set(PRIORS) == set(Cause) - only_raced
    assert set(WEIGHTS) == set(SymptomKind) | set(Sign)
    assert set(REST) <= set(SymptomKind)
    factors = [f for row in WEIGHTS.values() for f in row.values()]
    assert all(math.isfinite(f) and f >= 0 for f in (*PRIORS.values(), *REST.values(), *factors))
    assert {k for k, row in WEIGHTS.items() if 0 in row.values()} == {Sign.UNFROZEN}


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (SymptomKind.EXPLOSION, Cause.RATE_TOO_HIGH),
        (SymptomKind.NON_FINITE, Cause.RATE_TOO_HIGH),
        (SymptomKind.PLATEAU, Cause.RATE_TOO_LOW),
        (SymptomKind.STILL_STUCK, Cause.RATE_TOO_LOW),
        (SymptomKind.BEHIND, Cause.RESOLUTION),
        (SymptomKind.HELD_BACK, Cause.RATE_TOO_LOW),
        (SymptomKind.SLOW, Cause.TIME),
        (SymptomKind.NEAR_TARGET, Cause.TIME),
        (SymptomKind.TOO_EARLY, Cause.TIME),
        (SymptomKind.HEALTHY, Cause.NOTHING),
        (SymptomKind.TARGET_REACHED, Cause.NOTHING),
        (SymptomKind.TEMPORARY_DIP, Cause.NOTHING),
        (SymptomKind.OVERFIT, Cause.DATA),
    ],
)
def test_a_verdict_alone_has_its_cause(kind: SymptomKind, cause: Cause) -> None:
    assert kind in VERDICTS
    assert first(kind) == cause


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (SymptomKind.EMA_LAG, Cause.AVERAGE_LAGS),
        (SymptomKind.COLLAPSED_EXPERTS, Cause.EXPERTS),
        (SymptomKind.SCHEDULE_IDLE, Cause.SCHEDULE),
    ],
)
def test_a_grave_circumstance_explains_a_plateau(kind: SymptomKind, cause: Cause) -> None:
    assert first(SymptomKind.PLATEAU, kind) == cause
    assert first(SymptomKind.HEALTHY, kind) == Cause.NOTHING


def test_probabilities_are_the_products_of_the_table() -> None:
    found = weighed(SymptomKind.PLATEAU, symptom(SymptomKind.LR_EXHAUSTED, 0.5))
    flat, spent = WEIGHTS[SymptomKind.PLATEAU], WEIGHTS[SymptomKind.LR_EXHAUSTED]
    by_hand = {
        c: PRIORS[c] * flat.get(c, 1.0) * spent.get(c, 1.0) ** 0.5
        for c in PRIORS
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
    alone, beside = (
        weighed(SymptomKind.STILL_STUCK),
        weighed(SymptomKind.STILL_STUCK, SymptomKind.PLATEAU),
    )
    assert alone == beside
    quiet = symptom(SymptomKind.NON_FINITE, 0.5, "notice")  # steps skipped: a circumstance
    assert weighed(SymptomKind.PLATEAU, quiet)[Cause.NUMBERS].probability > (
        weighed(SymptomKind.PLATEAU)[Cause.NUMBERS].probability
    )


def test_circumstances_shift_the_weights() -> None:
    low = RunState(stage=2, top=0.00005, rate=0.00005)
    assert first(SymptomKind.SLOW, standing=low) in (Cause.TIME, Cause.RATE_TOO_LOW)
    plain = weighed(SymptomKind.SLOW)[Cause.RATE_TOO_LOW].probability
    assert weighed(SymptomKind.SLOW, standing=low)[Cause.RATE_TOO_LOW].probability > 3 * plain
    assert first(SymptomKind.PLATEAU, standing=RunState(stage=1)) == Cause.FROZEN
    assert Cause.FROZEN not in weighed(SymptomKind.PLATEAU)
    small, large = (
        weighed(SymptomKind.PLATEAU, standing=RunState(stage=2, img_size=s))[
            Cause.RESOLUTION
        ].probability
        for s in (256, 448)
    )
    assert small > 5 * large


def test_real_diagnoses_are_weighed_too() -> None:
    found = suspicions(diagnose_log(past([0.6] * 40, [0.2] * 40)), RunState(stage=2))
    assert found[0].cause == Cause.RATE_TOO_LOW
