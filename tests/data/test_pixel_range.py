import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from decamo.data.pixel_range import (
    WideLook,
    decide_scale,
    declared_range,
    fitting_scale,
    look_at_numbers,
    scale_words,
)
from decamo.data.rules import PixelScale

RNG = np.random.default_rng(0)


def looks(low: float, high: float, dtype: str = "int64", count: int = 5) -> list[WideLook]:
    return [
        look_at_numbers((low + RNG.random((60, 60)) * (high - low)).astype(dtype))
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 1023, "int64"),
        (0, 4095, "int64"),
        (28000, 31000, "int64"),  # a thermal camera
        (-1024, 3071, "int64"),  # Hounsfield units
        (0.001, 0.02, "float32"),
        (-3, 3, "float32"),
        (1000, 900000, "float64"),
    ],
)
def test_a_range_that_fills_no_usual_one_is_stretched(low: float, high: float, dtype: str) -> None:
    scale = decide_scale(looks(low, high, dtype))
    assert scale is not None
    span = high - low
    assert abs(scale.low - low) < 0.01 * span
    assert abs(scale.high - high) < 0.01 * span


@pytest.mark.parametrize(
    ("low", "high", "dtype", "want"),
    [
        (0, 65535, "int64", None),
        (300, 50000, "int64", None),
        (0, 255, "int64", PixelScale(0, 255)),
        (0, 1, "float32", PixelScale(0, 1)),
        (0, 255, "float32", PixelScale(0, 255)),
    ],
)
def test_a_usual_range_that_is_filled_is_taken_as_it_is(
    low: float, high: float, dtype: str, want: PixelScale | None
) -> None:
    assert decide_scale(looks(low, high, dtype)) == want


def test_a_dark_picture_of_a_set_stays_dark() -> None:
    assert decide_scale([*looks(0, 60000), *looks(0, 300, count=1)]) is None


def test_hot_pixels_do_not_darken_a_set() -> None:
    values = RNG.integers(0, 1000, (200, 200))
    values[3, 3] = 65535
    scale = decide_scale([look_at_numbers(values)] * 4)
    assert scale is not None
    assert 900 < scale.high < 1100


def test_what_files_declare_is_believed_unless_their_numbers_exceed_it() -> None:
    dim = [look_at_numbers(RNG.integers(0, 900, (40, 40)), (0, 4095))] * 3
    assert decide_scale(dim) == PixelScale(0, 4095)
    wrong = [look_at_numbers(RNG.integers(0, 60000, (40, 40)), (0, 4095))] * 3
    assert decide_scale(wrong) is None


def test_nothing_wide_needs_no_scale() -> None:
    assert decide_scale([]) is None
    assert scale_words([], None) == ""


def test_a_constant_set_is_no_division_by_zero() -> None:
    scale = decide_scale([look_at_numbers(np.full((4, 4), 7))])
    assert scale is not None
    assert scale.high > scale.low
    assert decide_scale([look_at_numbers(np.full((4, 4), np.nan))]) is not None


def test_a_look_survives_json() -> None:
    look = look_at_numbers(RNG.random((9, 9)), (0, 1))
    assert WideLook.from_plain(json.loads(json.dumps(look.to_plain()))) == look


def png(sbit: bytes | None) -> io.BytesIO:
    out = io.BytesIO()
    Image.fromarray(np.full((4, 4), 900, dtype=np.uint16)).save(out, "PNG")
    data = out.getvalue()
    if sbit is not None:
        body = b"sBIT" + sbit
        chunk = struct.pack(">I", len(sbit)) + body + struct.pack(">I", zlib.crc32(body))
        data = data[:33] + chunk + data[33:]
    return io.BytesIO(data)


@pytest.mark.parametrize(
    ("sbit", "want"), [(None, (0, 0)), (b"\x0c", (0, 4095)), (b"\x10", (0, 0))]
)
def test_significant_bits_of_a_png(sbit: bytes | None, want: tuple[int, int]) -> None:
    file = png(sbit)
    with Image.open(file) as picture:
        picture.load()
        assert declared_range(picture, file) == want


@pytest.mark.parametrize(
    ("tags", "want"), [({}, (0, 0)), ({281: 4095}, (0, 4095)), ({280: 100, 281: 1023}, (100, 1023)),
                       ({281: 65535}, (0, 0))]
)  # fmt: skip
def test_sample_values_of_a_tiff(tags: dict[int, int], want: tuple[int, int]) -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), 900, dtype=np.uint16)).save(file, "TIFF", tiffinfo=tags)
    with Image.open(file) as picture:
        picture.load()
        assert declared_range(picture, file) == want


def test_words_say_range_black_white_and_why() -> None:
    wide = looks(28000, 31000)
    words = scale_words(wide, decide_scale(wide))
    assert "5 images of more than 8 bits, whole numbers from 28" in words
    assert "percentiles" in words


KNOWN = {
    "ten bits": PixelScale(0, 1023),
    "twelve bits": PixelScale(0, 4095),
    "thermal": PixelScale(28000, 31000),
    "floats": PixelScale(0, 1),
}


@pytest.mark.parametrize(
    ("seen", "want"),
    [
        (looks(0, 1000), "ten bits"),
        (looks(0, 3800), "twelve bits"),
        (looks(28100, 30900), "thermal"),
        (looks(28400, 29000), "thermal"),
        (looks(0.0, 1.0, "float64"), "floats"),
        (looks(0.1, 0.6, "float64"), "floats"),
        ([look_at_numbers(RNG.integers(0, 600, (40, 40)), (0, 4095))], "twelve bits"),
        (looks(0, 60000), ""),
        (looks(-2000, 3000), ""),
        (looks(5000, 5020), ""),
    ],
)
def test_the_range_of_training_that_fits_is_taken(seen: list[WideLook], want: str) -> None:
    scale, words = fitting_scale(seen, KNOWN)
    assert scale == (KNOWN[want] if want else decide_scale(seen))
    assert f"as in training on {want}" in words if want else "fit no range of training" in words


def test_a_set_of_the_same_name_comes_first() -> None:
    scale, words = fitting_scale(looks(0, 900), KNOWN, "twelve bits")
    assert scale == KNOWN["twelve bits"]
    assert words == "0 is black and 4095 is white, as in training on twelve bits"
