from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from decamo.errors import StorageError
from decamo.inference import mask_outline, overlay, write_overlay, write_probability
from tests.metrics.brute_force import masks, shapes

CYAN = (0, 220, 255)


def test_probability_survives_to_half_a_grey_level(tmp_path: Path) -> None:
    probability = np.random.default_rng(0).random((13, 7), dtype=np.float32)
    probability[0, :2] = 0, 1
    write_probability(tmp_path / "p.png", probability)

    with Image.open(tmp_path / "p.png") as picture:
        assert picture.mode == "L"
        grey = np.asarray(picture)
    assert grey.shape == (13, 7)
    assert np.abs(grey / 255 - probability).max() <= 0.5 / 255 + 1e-6
    assert (grey[0, 0], grey[0, 1]) == (0, 255)


@given(shapes.flatmap(masks))
def test_outline_by_brute_force(mask: np.ndarray) -> None:
    height, width = mask.shape
    expected = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            near = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            inside = [mask[a, b] for a, b in near if 0 <= a < height and 0 <= b < width]
            expected[y, x] = mask[y, x] and not all(inside)

    np.testing.assert_array_equal(mask_outline(mask), expected)


@given(
    shapes.flatmap(
        lambda s: st.tuples(
            arrays(np.uint8, (*s, 3)), arrays(np.float32, s, elements=st.floats(0, 1, width=32))
        )
    )
)
def test_overlay_tints_the_object_and_nothing_else(pair: tuple[np.ndarray, np.ndarray]) -> None:
    image, probability = pair
    picture = overlay(image, probability)

    assert picture.shape == image.shape
    assert picture.dtype == np.uint8
    background = probability < 0.5
    np.testing.assert_array_equal(picture[background], image[background])
    tinted = picture[~background].astype(int)
    before = image[~background].astype(int)
    orange = np.array([255, 64, 0])
    assert (np.abs(tinted - orange) <= np.abs(before - orange) + 1).all()


def test_certain_object_is_half_orange() -> None:
    black = np.zeros((1, 1, 3), np.uint8)

    assert overlay(black, np.ones((1, 1), np.float32))[0, 0].tolist() == [128, 32, 0]


def test_true_outline_is_cyan() -> None:
    mask = np.zeros((5, 5), np.bool_)
    mask[1:4, 1:4] = True
    picture = overlay(np.zeros((5, 5, 3), np.uint8), np.zeros((5, 5), np.float32), mask)

    cyan = (picture == CYAN).all(axis=2)
    assert cyan.sum() == 8
    assert not cyan[2, 2]


def test_overlay_leaves_the_image_itself_alone() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    overlay(image, np.ones((2, 2), np.float32), np.eye(2, dtype=np.bool_))

    assert not image.any()


def test_written_overlay_is_the_overlay(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    probability = rng.random((9, 12), dtype=np.float32)
    mask = rng.random((9, 12)) < 0.5
    write_overlay(tmp_path / "o.png", image, probability, mask)

    with Image.open(tmp_path / "o.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), overlay(image, probability, mask))


def test_unwritable_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(StorageError, match=r"Not a directory|File exists"):
        write_probability(tmp_path / "a file" / "p.png", np.zeros((2, 2), np.float32))
