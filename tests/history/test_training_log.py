import math

from decamo.history import Point


def test_a_value_is_known_when_it_was_written_down_and_is_finite() -> None:
    point = Point(3, loss=math.nan, iou=0.25)
    assert point.known("iou") == 0.25
    assert point.known("loss") is None
    assert point.known("dice") is None
