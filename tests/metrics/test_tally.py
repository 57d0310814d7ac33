import numpy as np
import pytest

from decamo.metrics.tally import quarters_of


@pytest.mark.parametrize(
    ("pixels", "meet"),
    [([(0, 2), (1, 3)], (1, 3)), ([(1, 3), (2, 3)], (3, 4)), ([(8, 8)], (9, 9)), ([], (4, 4))],
)
def test_quarters_meet_after_the_centroid_rounded_half_to_even(
    pixels: list[tuple[int, int]], meet: tuple[int, int]
) -> None:
    mask = np.zeros((9, 9), np.bool_)
    for pixel in pixels:
        mask[pixel] = True
    top_left, top_right, bottom_left, bottom_right = quarters_of(mask)
    assert (top_left[0].stop, top_left[1].stop) == meet
    cover = np.zeros((9, 9), np.int64)
    for window in (top_left, top_right, bottom_left, bottom_right):
        cover[window] += 1
    assert (cover == 1).all()
