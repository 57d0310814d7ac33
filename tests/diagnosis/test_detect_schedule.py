from typing import Any

from decamo.diagnosis.detect_schedule import behind_schedule, still_stuck
from decamo.history import Point
from tests.diagnosis.build import past, seen

START = Point(86, iou=0.6221)


def stuck_after(epochs: int, level: float) -> list[str]:
    found = seen(still_stuck, past([level] * epochs, first=87), baseline=START)
    return [s.sentence for s in found]


def test_twenty_epochs_at_the_old_level() -> None:
    (sentence,) = stuck_after(20, 0.6281)
    assert "20 epochs after IoU 0.6221 at epoch 86" in sentence
    assert "+0.0060" in sentence


def test_a_level_that_was_left_is_not_stuck_though_it_is_flat() -> None:
    assert not stuck_after(30, 0.66)


def test_after_ten_epochs_only_flat_or_worse_counts() -> None:
    assert stuck_after(17, 0.6215)
    assert stuck_after(12, 0.6231)
    assert not stuck_after(17, 0.6281)
    assert not stuck_after(8, 0.6)


def test_a_rate_turned_down_was_not_meant_to_leave_the_level() -> None:
    def stuck(rate: float, before: float | None, size: int = 384) -> bool:
        start = Point(86, iou=0.6221, lr=before, img_size=384)
        stand = past([0.6221] * 18, lrs=[rate] * 18, first=87, img_size=size)
        return bool(seen(still_stuck, stand, baseline=start))

    assert not stuck(0.00001, 0.00008)
    assert stuck(0.00005, 0.00008)
    assert stuck(0.0002, 0.00005)
    assert stuck(0.00001, None)
    assert stuck(0.00001, 0.00008, size=416)  # larger images were to leave it


def test_what_moves_is_not_stuck() -> None:
    rising = [0.60 + 0.0012 * i for i in range(20)]
    assert not seen(still_stuck, past(rising, first=87), baseline=START)


def test_without_a_start_there_is_no_being_stuck() -> None:
    assert not seen(still_stuck, past([0.62] * 40))


def test_the_review_after_thirty_epochs() -> None:
    known: dict[str, Any] = {"baseline": START, "target": 0.72}
    slow = [0.6221 + 0.001 * i for i in range(1, 31)]
    (symptom,) = seen(behind_schedule, past(slow, first=87), **known)
    assert "31%" in symptom.sentence
    assert not seen(behind_schedule, past(slow[:29], first=87), **known)
    assert not seen(behind_schedule, past([v + 0.02 for v in slow], first=87), **known)
    assert not seen(behind_schedule, past(slow, first=87), baseline=START)
    assert not seen(behind_schedule, past(slow, first=87), baseline=START, target=0.6)
