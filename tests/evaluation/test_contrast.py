import numpy as np
import pytest

from decamo.evaluation.error_analysis import ring_contrast


def test_black_on_white_is_a_hundred() -> None:
    image = np.full((20, 20, 3), 255, np.uint8)
    mask = np.zeros((20, 20), np.bool_)
    mask[8:12, 8:12] = True
    image[mask] = 0
    assert ring_contrast(image, mask, 3) == pytest.approx(100, abs=0.01)


def test_red_on_green_is_what_colour_science_says() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    image[..., 1] = 255
    mask = np.zeros((20, 20), np.bool_)
    mask[8:12, 8:12] = True
    image[mask] = (255, 0, 0)
    # CIELAB of the sRGB primaries: (53.24, 80.09, 67.20) and (87.73, -86.18, 83.18)
    want = np.linalg.norm(np.subtract((53.24, 80.09, 67.20), (87.73, -86.18, 83.18)))
    assert ring_contrast(image, mask, 3) == pytest.approx(float(want), abs=0.05)


def test_only_the_ring_counts() -> None:
    image = np.full((30, 30, 3), 90, np.uint8)
    image[:5] = 255  # far away
    mask = np.zeros((30, 30), np.bool_)
    mask[14:16, 14:16] = True
    assert ring_contrast(image, mask, 4) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("value", [True, False])
def test_without_object_or_ring_there_is_none(value: bool) -> None:
    assert ring_contrast(np.zeros((5, 5, 3), np.uint8), np.full((5, 5), value), 2) is None
