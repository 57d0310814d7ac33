import math

import pytest

from decamo.diagnosis import SymptomKind
from decamo.diagnosis.detect_network import explosion, non_finite
from decamo.history import Point, TrainingLog
from tests.diagnosis.build import past, seen


def test_two_epochs_are_enough_for_an_explosion() -> None:
    (symptom,) = seen(explosion, past([0.635, 0.1234], [0.2341, 1.5678], first=87))
    assert symptom.severity == "critical"
    assert symptom.epochs == (88, 88)
    assert "6.7 times" in symptom.sentence
    assert "0.6350 to 0.1234" in symptom.sentence


def test_what_came_back_has_not_exploded() -> None:
    assert not seen(explosion, past([0.6, 0.61, 0.1, 0.62], [0.2, 0.2, 1.5, 0.2]))


def test_a_fall_without_a_jump_of_the_loss_is_something_else() -> None:
    assert not seen(explosion, past([0.6, 0.61, 0.45, 0.44], [0.2, 0.2, 0.2, 0.19]))
    assert not seen(explosion, past([0.6, 0.61, 0.55], [0.2, 0.2, 1.5]))


def test_without_a_loss_the_fall_must_be_deep() -> None:
    assert not seen(explosion, past([0.6, 0.6, 0.4]))
    (symptom,) = seen(explosion, past([0.6, 0.6, 0.3]))
    assert symptom.strength < 0.8


def test_a_slow_explosion_counts_from_its_first_epoch() -> None:
    ious, losses = [0.6] * 6 + [0.45, 0.3, 0.2], [0.2] * 6 + [0.3, 0.5, 0.8]
    (symptom,) = seen(explosion, past(ious, losses))
    assert symptom.epochs == (7, 9)


def test_a_branch_that_explodes_at_once_is_held_against_its_baseline() -> None:
    (symptom,) = seen(
        explosion, past([0.1], [1.5], first=87), baseline=Point(86, iou=0.6, loss=0.2)
    )
    assert symptom.epochs == (87, 87)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_run_that_ends_in_no_number_is_critical(bad: float) -> None:
    (symptom,) = seen(non_finite, past([0.5, 0.5], [0.2, bad]))
    assert (symptom.severity, symptom.epochs) == ("critical", (2, 2))


def test_one_that_has_recovered_is_noticed() -> None:
    (symptom,) = seen(non_finite, past([0.5, math.nan, 0.5], [0.2, 0.2, 0.2]))
    assert symptom.severity == "notice"
    assert "recovered" in symptom.sentence


def test_what_was_not_written_down_is_not_broken() -> None:
    assert not seen(non_finite, past([None, 0.5], [None, 0.2]))


def test_skipped_steps_are_counted() -> None:
    (symptom,) = seen(non_finite, TrainingLog((Point(1, skipped=2), Point(2), Point(3, skipped=1))))
    assert symptom.kind == SymptomKind.NON_FINITE
    assert symptom.evidence[0].value == 3
