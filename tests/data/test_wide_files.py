"""Files of more than 8 bits a channel, written here byte by byte, against their own numbers."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from decamo.data.audit.look import look_at
from decamo.data.decoding import is_wide_file
from decamo.data.reading import read_image, see_image, see_mask
from decamo.data.rules import PixelScale, ReadingRule
from decamo.data.wide_files import greatest_value, why_no_tiff
from decamo.errors import UnreadableImage

Numbers = NDArray[np.generic]
RGB, INKS, BLACK_IS_ZERO = 2, 5, 1  # TIFF's photometric interpretations
COLOURS = np.random.default_rng(0).integers(0, 4096, (20, 30, 3)).astype(np.uint16)
GREY = COLOURS[..., 0]


def tiff(
    values: Numbers, photometric: int, *, kind: int = 1, planes: bool = False, order: str = "<"
) -> bytes:
    """An uncompressed TIFF of one strip, or of one for each channel; TIFF 6.0."""
    stack = np.atleast_3d(values)
    height, width, samples = stack.shape
    bits = stack.dtype.itemsize * 8
    parts = [stack[..., i] for i in range(samples)] if planes else [stack]
    data = [
        np.ascontiguousarray(part, part.dtype.newbyteorder("<" if order == "<" else ">")).tobytes()
        for part in parts
    ]
    entries: list[tuple[int, str, list[int]]] = [
        (256, "I", [width]), (257, "I", [height]), (258, "H", [bits] * samples), (259, "H", [1]),
        (262, "H", [photometric]), (273, "I", [0] * len(data)), (277, "H", [samples]),
        (278, "I", [height]), (279, "I", [len(one) for one in data]),
        (284, "H", [2 if planes else 1]), (339, "H", [kind] * samples),
    ]  # fmt: skip
    at = 8 + 2 + 12 * len(entries) + 4
    extra = {"I": 4, "H": 2}
    longs = sum(extra[t] * len(v) for _, t, v in entries if extra[t] * len(v) > 4)
    starts = [at + longs + sum(map(len, data[:i])) for i in range(len(data))]
    head, tail = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8), b""
    head += struct.pack(f"{order}H", len(entries))
    for tag, form, numbers in entries:
        packed = struct.pack(f"{order}{len(numbers)}{form}", *(starts if tag == 273 else numbers))
        head += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[form], len(numbers))
        if len(packed) > 4:
            head += struct.pack(f"{order}I", at + len(tail))
            tail += packed
        else:
            head += packed.ljust(4, b"\0")
    return head + struct.pack(f"{order}I", 0) + tail + b"".join(data)


def png(values: Numbers, colour_type: int) -> bytes:
    """A PNG of 16 bits, each row filtered by the one above it."""
    rows = values.astype(">u2").view(np.uint8).reshape(len(values), -1)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    lines = b"".join(b"\2" + (row - up).tobytes() for row, up in zip(rows, above, strict=True))
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def netpbm(values: Numbers, top: int) -> bytes:
    magic = b"P6" if values.ndim == 3 else b"P5"
    size = f"{values.shape[1]} {values.shape[0]}"
    return magic + f" # made here\n{size}\n{top}\n".encode() + values.astype(">u2").tobytes()


def with_alpha(values: Numbers) -> Numbers:
    return np.dstack([values, np.full(values.shape[:2], 65535, np.uint16)])


SIGNED = (COLOURS[..., 0] // 32).astype(np.int16) - 64
LARGE = GREY.astype(np.uint32) * 1_000_000
FILES: dict[str, tuple[Callable[[], bytes], Numbers, PixelScale]] = {
    "PNG, grey and alpha": (lambda: png(with_alpha(GREY), 4), GREY, PixelScale(0, 4095)),
    "PNG, RGBA": (lambda: png(with_alpha(COLOURS), 6), COLOURS, PixelScale(0, 4095)),
    "TIFF, planes": (lambda: tiff(COLOURS, RGB, planes=True), COLOURS, PixelScale(0, 4095)),
    "TIFF, planes, big-endian": (
        lambda: tiff(COLOURS, RGB, planes=True, order=">"), COLOURS, PixelScale(0, 4095)
    ),
    "TIFF, inks": (
        lambda: tiff(np.dstack([65535 - COLOURS, GREY * 0]), INKS), COLOURS, PixelScale(0, 4095)
    ),
    "TIFF, signed bytes": (
        lambda: tiff(SIGNED.astype(np.int8), BLACK_IS_ZERO, kind=2), SIGNED, PixelScale(-64, 63)
    ),
    "TIFF, unsigned 32 bits": (
        lambda: tiff(LARGE, BLACK_IS_ZERO), LARGE, PixelScale(0, 4_095_000_000)
    ),
    "TIFF, signed 16 bits": (
        lambda: tiff(SIGNED, BLACK_IS_ZERO, kind=2), SIGNED, PixelScale(-64, 63)
    ),
    "PPM": (lambda: netpbm(COLOURS, 65535), COLOURS, PixelScale(0, 4095)),
    "PPM that says 4095": (lambda: netpbm(COLOURS, 4095), COLOURS, PixelScale(0, 4095)),
    "PGM": (lambda: netpbm(GREY, 65535), GREY, PixelScale(0, 4095)),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_numbers_are_read_in_full(tmp_path: Path, name: str) -> None:
    make, values, scale = FILES[name]
    path = tmp_path / "a.img"
    path.write_bytes(make())
    look = see_image(path)
    assert look is not None
    assert is_wide_file(path)
    exact = values.astype(np.float64)
    assert (look.low, look.high) == pytest.approx((exact.min(), exact.max()), rel=1e-6)
    share = (exact - scale.low) / (scale.high - scale.low)
    want = np.rint(255 * (share if share.ndim == 3 else np.dstack([share] * 3)))
    got = read_image(path, rule=ReadingRule(scale=scale)).astype(int)
    assert np.abs(got - want).max() <= ("signed" in name or "inks" in name)  # halves, inks rounded


def test_what_ppm_says_of_its_range(tmp_path: Path) -> None:
    for top, want in ((4095, 4095), (65535, 0)):
        (tmp_path / "a.ppm").write_bytes(netpbm(COLOURS, top))
        look = see_image(tmp_path / "a.ppm")
        assert look is not None
        assert look.declared == want
    assert greatest_value(io.BytesIO(b"P7 something else")) == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiff(GREY.astype(np.float64), BLACK_IS_ZERO, kind=3), "1 channel of 64-bit floats"),
        (tiff(COLOURS.astype(np.float32), RGB, kind=3), "3 channels of 32-bit floats"),
        (b"II*\0 and no directory", "cannot be decoded"),
    ],
)
def test_a_tiff_that_is_not_read_says_what_it_holds(
    tmp_path: Path, data: bytes, words: str
) -> None:
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(UnreadableImage, match=words):
        read_image(tmp_path / "a.tif")
    assert why_no_tiff(io.BytesIO(b"\x89PNG")) == ""


def test_channels_compressed_one_by_one_are_refused_and_not_cut(tmp_path: Path) -> None:
    data = bytearray(tiff(COLOURS, RGB, planes=True))
    at = data.index(struct.pack("<HHI", 259, 3, 1)) + 8
    data[at : at + 2] = struct.pack("<H", 8)  # says deflate
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(UnreadableImage, match="save it with its channels interleaved"):
        read_image(tmp_path / "a.tif")


def test_halves_of_a_large_picture_are_thinned_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decamo.data.decoding._BIG", 100)
    (tmp_path / "a.png").write_bytes(png(COLOURS, 2))
    got = read_image(tmp_path / "a.png", at_least=10, rule=ReadingRule(scale=PixelScale(0, 4095)))
    assert got.shape == (10, 15, 3)
    every = {tuple(c) for c in np.rint(COLOURS.reshape(-1, 3) * (255 / 4095)).astype(int).tolist()}
    assert {tuple(c) for c in got.reshape(-1, 3).tolist()} <= every


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_a_picture_beyond_pillows_bound_is_read_without_its_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    picture = Image.fromarray(COLOURS.astype(np.uint8))
    picture.save(tmp_path / f"a.{suffix}")
    plain = read_image(tmp_path / f"a.{suffix}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # the bound of Pillow; here are 600 px
    monkeypatch.setattr("decamo.data.normalize._LARGE", 500)
    assert np.array_equal(read_image(tmp_path / f"a.{suffix}"), plain)
    assert not is_wide_file(tmp_path / f"a.{suffix}")
    facts = look_at(str(tmp_path / f"a.{suffix}"), "image")
    assert (facts["fault"], tuple(facts["shown"])) == ("", (20, 30))
    assert see_mask(tmp_path / f"a.{suffix}").total == 600
    with pytest.raises(UnreadableImage, match="give a greater --max-pixels"):
        read_image(tmp_path / f"a.{suffix}", rule=ReadingRule(max_pixels=599))


def test_arrays_of_colours_in_whole_numbers(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 256, (8, 9, 3))
    np.save(tmp_path / "a.npy", values)
    assert np.array_equal(read_image(tmp_path / "a.npy"), values)


def test_plain_files_are_left_alone(tmp_path: Path) -> None:
    picture = Image.fromarray((COLOURS >> 4).astype(np.uint8))
    for suffix in ("png", "tif", "ppm"):
        picture.save(tmp_path / f"a.{suffix}")
        assert not is_wide_file(tmp_path / f"a.{suffix}")
        assert np.array_equal(read_image(tmp_path / f"a.{suffix}"), COLOURS >> 4)
