import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from decamo.metrics import boundary_iou
from decamo.metrics.nearness_measures import inner_boundary


def test_the_boundary_is_what_erosion_takes_away() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        shape = rng.integers(1, 40, 2)
        objects = rng.random((2, *shape)) < rng.choice([0.5, 0.95, 1], (2, 1, 1))
        reach = int(rng.integers(1, 7))
        boundary = inner_boundary(objects[0] + objects[1] * np.uint8(2), reach)
        for binary, bit in zip(objects, (1, 2), strict=True):
            core = binary_erosion(binary, np.ones((3, 3)), iterations=reach)
            np.testing.assert_array_equal(boundary & bit > 0, binary & ~core)


def test_closed_form() -> None:
    # Diagonal 50, so one pixel: rings of 36 and of 28 pixels, which share nothing.
    mask, smaller = np.zeros((2, 30, 40), np.bool_)
    mask[5:15, 5:15] = smaller[6:14, 6:14] = True
    assert boundary_iou(mask, mask) == 1
    assert boundary_iou(smaller, mask) == 0
    shifted = np.roll(mask, 1, axis=1)
    assert boundary_iou(shifted, mask) == pytest.approx(18 / (72 - 18))


def test_empty_ones() -> None:
    none, all_ = np.zeros((3, 3), np.bool_), np.ones((3, 3), np.bool_)
    assert boundary_iou(none, none) == 1
    assert boundary_iou(all_, none) == boundary_iou(none, all_) == 0
