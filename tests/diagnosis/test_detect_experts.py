import math

from decamo.diagnosis import SymptomKind
from decamo.diagnosis.detect_network import experts
from decamo.history import Point, TrainingLog
from tests.diagnosis.build import seen


def kinds(*usage: float) -> list[SymptomKind]:
    return [s.kind for s in seen(experts, TrainingLog((Point(1, usage=usage),)))]


def test_fair_and_uneven_use_are_fine() -> None:
    assert kinds(*[1 / 7] * 7) == []
    assert kinds(0.3, 0.2, 0.2, 0.1, 0.1, 0.06, 0.04) == []


def test_dead_experts_are_named() -> None:
    (symptom,) = seen(experts, TrainingLog((Point(1, usage=(0.33, 0.01, 0.33, 0.33)),)))
    assert symptom.kind == SymptomKind.DEAD_EXPERTS
    assert "number 2" in symptom.sentence


def test_a_collapse_is_a_warning_beside() -> None:
    found = seen(experts, TrainingLog((Point(1, usage=(0.97, *[0.005] * 6)),)))
    assert [(s.kind, s.severity) for s in found] == [
        (SymptomKind.DEAD_EXPERTS, "notice"),
        (SymptomKind.COLLAPSED_EXPERTS, "warning"),
    ]


def test_the_last_epochs_count() -> None:
    points = [Point(e, usage=(1.0, 0.0)) for e in range(1, 5)]
    points += [Point(e, usage=(0.5, 0.5)) for e in range(5, 8)]
    assert not seen(experts, TrainingLog(tuple(points)))


def test_odd_usage_says_nothing() -> None:
    assert (
        kinds() == kinds(1.0) == kinds(0.0, 0.0) == kinds(math.nan, 1.0) == kinds(-1.0, 2.0) == []
    )
