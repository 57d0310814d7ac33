import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decamo.data.audit.layout_findings import guess, inspect
from tests.data.audit.malformed import encoded, exif, flipped, photo

FORMS = {
    "jpeg": encoded(photo(1), "JPEG"),
    "progressive": encoded(photo(1), "JPEG", progressive=True),
    "restarts": encoded(photo(1), "JPEG", restart_marker_rows=1),
    "exif": encoded(photo(1), "JPEG", exif=exif(6)),
    "png": encoded(photo(1), "PNG"),
    "gif": encoded(photo(1), "GIF"),
    "bmp": encoded(photo(1), "BMP"),
    "webp": encoded(photo(1), "WEBP"),
}


@pytest.mark.parametrize("form", FORMS)
def test_whole_files_are_whole(form: str) -> None:
    found = inspect(FORMS[form])
    assert (found.fault, found.cut, found.trailing) == ("", False, 0)


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"gif"}))
def test_every_cut_is_seen_wherever_it_is(form: str) -> None:
    data = FORMS[form]
    ends = {*range(30, 700, 7), *range(700, len(data), 97), len(data) - 2, len(data) - 1}
    for end in sorted(end for end in ends if end < len(data)):
        assert inspect(data[:end]).cut, end


def test_a_cut_gif_lacks_its_end_mark() -> None:
    assert inspect(FORMS["gif"][:-1]).cut


@given(st.data())
@settings(deadline=None)
def test_every_flipped_bit_of_a_png_is_seen(data: st.DataObject) -> None:
    png = FORMS["png"]
    at = data.draw(st.integers(8, len(png) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = png[:at] + bytes([png[at] ^ 1 << bit]) + png[at + 1 :]
    assert inspect(changed).fault


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM"]))
def test_any_bytes_get_an_answer(data: bytes, start: bytes) -> None:
    inspect(start + data)
    guess(start + data)


@pytest.mark.parametrize("form", ["jpeg", "progressive", "png", "webp"])
def test_bytes_after_the_end_are_counted(form: str) -> None:
    assert inspect(FORMS[form] + bytes(100)).trailing == 100


def test_an_end_mark_within_a_thumbnail_is_not_the_end() -> None:
    block = b"\xff\xe1" + (2 + 6).to_bytes(2, "big") + b"\xff\xd8\xff\xd9xx"
    data = FORMS["jpeg"]
    assert inspect(data[:2] + block + data[2:]).fault == ""
    assert inspect((data[:2] + block + data[2:])[:-2]).cut


def test_bits_come_from_the_png_header() -> None:
    wide = photo(1)[..., 0].astype(np.uint16)
    assert inspect(encoded(wide, "PNG")).bits == 16
    assert inspect(FORMS["png"]).bits == 8


def test_a_bmp_of_another_size_than_it_says() -> None:
    assert "says" in inspect(flipped(FORMS["bmp"], 2)).fault


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xef\xbb\xbf <HTML>", "a web page"), (b"PK\x03\x04..", "a zip archive"),
        (b"hello\n", "text"), (bytes(9), "zero bytes only"), (b"\x81\x00\x03", ""), (b"", ""),
    ],
)  # fmt: skip
def test_guess(data: bytes, words: str) -> None:
    assert guess(data) == words
