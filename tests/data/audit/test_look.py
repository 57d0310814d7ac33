import base64
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.audit.look import FileFacts, look_at, preview
from decamo.data.reading import read_mask
from tests.data.audit.malformed import encoded, exif, outline, photo


def facts_of(path: Path, data: bytes, role: str = "image") -> FileFacts:
    path.write_bytes(data)
    return FileFacts.from_plain(json.loads(json.dumps(look_at(str(path), role))))


def test_facts_of_an_image(tmp_path: Path) -> None:
    pixels = photo(1)
    data = encoded(pixels, "PNG")
    facts = facts_of(tmp_path / "a.png", data)
    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert facts.pixels == hashlib.sha256(b"48x64:" + pixels.tobytes()).hexdigest()
    assert (facts.stored, facts.shown, facts.format, facts.mode) == ((48, 64),) * 2 + ("PNG", "RGB")
    assert (facts.size, facts.bits, facts.frames) == (len(data), 8, 1)
    assert facts.changed == (tmp_path / "a.png").stat().st_mtime_ns
    assert facts.print.aspect == 64 / 48
    assert len(facts.print.thumb) == 32 * 32
    assert (facts.fault, facts.suffix_fits) == ("", True)


def test_the_same_pixels_in_another_container_have_the_same_digest(tmp_path: Path) -> None:
    bmp = facts_of(tmp_path / "a.bmp", encoded(photo(1), "BMP"))
    png = facts_of(tmp_path / "a.png", encoded(photo(1), "PNG"))
    assert bmp.pixels == png.pixels
    assert bmp.sha256 != png.sha256


def test_pixels_of_another_shape_differ(tmp_path: Path) -> None:
    flat = np.zeros((20, 30, 3), dtype=np.uint8)
    wide = facts_of(tmp_path / "a.png", encoded(flat, "PNG"))
    high = facts_of(tmp_path / "b.png", encoded(flat.swapaxes(0, 1).copy(), "PNG"))
    assert wide.pixels != high.pixels


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_turns_what_is_shown(tmp_path: Path, form: str) -> None:
    data = encoded(photo(1), form, exif=exif(6))
    facts = facts_of(tmp_path / "a", data)
    assert (facts.orientation, facts.stored, facts.shown) == (6, (48, 64), (64, 48))


def test_foreground_and_grey_of_a_mask(tmp_path: Path) -> None:
    drawn = outline()
    drawn[0] = 127
    drawn[1, :32] = 128
    facts = facts_of(tmp_path / "a.png", encoded(drawn, "PNG"), "mask")
    assert facts.foreground == read_mask(tmp_path / "a.png").mean() == (12 * 16 + 32) / 48 / 64
    assert facts.grey == pytest.approx(96 / 48 / 64)
    assert facts.levels == 4


@pytest.mark.parametrize(
    "picture",
    [
        Image.fromarray(outline()),
        Image.fromarray(outline() // 255),
        Image.fromarray(outline()).convert("1"),
        Image.fromarray(outline()).convert("P"),
        Image.fromarray(outline()).convert("RGB"),
        Image.fromarray(outline()).convert("LA"),
        Image.fromarray(np.dstack([np.zeros((48, 64, 3), np.uint8), outline()])),
        Image.fromarray(outline().astype(np.uint16) * 257),
        Image.fromarray(outline().astype(np.float32) / 255),
    ],
    ids=["L", "zero-one", "1", "P", "RGB", "LA", "alpha", "16", "F"],
)
def test_a_mask_of_two_values_is_not_grey_in_any_mode(tmp_path: Path, picture: Image.Image) -> None:
    form = "TIFF" if picture.mode == "F" else "PNG"
    facts = facts_of(tmp_path / "a", encoded(picture, form), "mask")
    assert facts.fault == ""
    assert facts.grey == 0
    assert facts.foreground == 12 * 16 / 48 / 64


def test_what_the_decoder_forgives_is_a_fault_all_the_same(tmp_path: Path) -> None:
    data = bytearray(encoded(photo(1), "PNG"))
    data[-6] ^= 1  # the checksum of IEND, which Pillow never reads
    facts = facts_of(tmp_path / "a.png", bytes(data))
    assert facts.fault == "damaged"
    assert facts.shown == (48, 64)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    plain = look_at(str(tmp_path / "none.jpg"), "image")
    assert (plain["fault"], plain["reason"]) == ("unreadable", "No such file or directory")


def test_preview(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(photo(1, (600, 900)), "JPEG", exif=exif(6)))
    jpeg = base64.b64decode(preview(str(tmp_path / "a.jpg"))["jpeg"])
    assert Image.open(io.BytesIO(jpeg)).size == (160, 240)
