import numpy as np
import pytest
from PIL import Image

from decamo.data.normalize import to_mask, to_rgb


def test_float_pictures_by_their_range() -> None:
    unit = Image.fromarray(np.array([[0, 0.5, 1, np.nan]], dtype=np.float32))
    assert to_rgb(unit)[0, :, 0].tolist() == [0, 128, 255, 0]
    bytes_ = Image.fromarray(np.array([[0, 127.6, 255, 900]], dtype=np.float32))
    assert to_rgb(bytes_)[0, :, 1].tolist() == [0, 128, 255, 255]


@pytest.mark.parametrize("lossy", [False, True])
def test_the_rule_for_grey_by_brute_force(lossy: bool) -> None:
    for low in range(256):
        for high in (0, 1, 2, 127, 128, 255):
            grey = np.array([[low, high]], dtype=np.uint8)
            label = not lossy and max(low, high) <= 1
            want = [[value > 0 if label else value >= 128 for value in (low, high)]]
            assert to_mask(Image.fromarray(grey), lossy=lossy).tolist() == want


def test_colours_count_by_their_luminance() -> None:
    colours = {(255, 255, 0): True, (0, 255, 0): True, (0, 0, 255): False, (200, 100, 60): False}
    for colour, want in colours.items():
        picture = Image.new("RGB", (2, 1), colour)
        picture.putpixel((1, 0), (0, 0, 0))
        assert to_mask(picture, lossy=False).tolist() == [[want, False]]


def test_one_colour_and_one_alpha_is_read_by_the_colour() -> None:
    assert not to_mask(Image.new("RGBA", (3, 2), (0, 0, 0, 255)), lossy=False).any()
    assert to_mask(Image.new("RGBA", (3, 2), (255, 255, 255, 255)), lossy=False).all()
