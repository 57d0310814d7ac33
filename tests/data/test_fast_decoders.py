"""Decoders beside Pillow: the same pixels, the same errors, and who decoded is counted."""

import importlib
import importlib.util
import io
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from decamo.data import fast_decoders
from decamo.data.dataset import CamouflageDataset
from decamo.data.pairs import Pair
from decamo.data.reading import read_image, read_labels, read_mask
from decamo.data.rules import VOID, MaskMeaning, Plane, ReadingRule, Rest
from decamo.errors import UnreadableImage

pytestmark = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("simplejpeg", "kornia_rs")),
    reason="the extra fast is not installed",
)
Count = Callable[[], Counter[str]]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Iterator[Count]:
    """How many arrays each decoder gave since the last call."""
    counts: Counter[str] = Counter()
    for name in ("decode_rgb_jpeg", "decode_grey_png"):
        real = getattr(fast_decoders, name)

        def counted(*args: Any, real: Any = real, name: str = name) -> Any:
            pixels = real(*args)
            counts[name] += pixels is not None
            return pixels

        monkeypatch.setattr(f"decamo.data.decoding.{name}", counted)

    def since() -> Counter[str]:
        now = +counts
        counts.clear()
        return now

    yield since
    fast_decoders._jpeg_agrees.cache_clear()


def by_pillow(monkeypatch: pytest.MonkeyPatch, read: Callable[[], Any]) -> Any:
    """What is read where the extra is not installed."""
    with monkeypatch.context() as without:
        without.setattr(fast_decoders, "_module", lambda name: None)
        fast_decoders._jpeg_agrees.cache_clear()
        result = read()
    fast_decoders._jpeg_agrees.cache_clear()
    return result


def photo(height: int, width: int) -> Image.Image:
    """Soft colours under a grain, so that upsampled chroma and rounding both matter."""
    rng = np.random.default_rng(height)
    soft = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    ground = np.asarray(soft.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    grain = rng.integers(-20, 21, ground.shape)
    return Image.fromarray(np.clip(ground + grain, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("more", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
@pytest.mark.parametrize("size", [(96, 128), (131, 201)])
def test_jpegs_are_pillows_to_the_bit_at_every_scale(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: Count,
    subsampling: str,
    more: dict[str, Any],
    size: tuple[int, int],
) -> None:
    path = tmp_path / "a.jpg"
    photo(*size).save(path, quality=85, subsampling=subsampling, **more)
    for scale in (1, 2, 4):
        least = min(size) // scale
        ours = read_image(path, at_least=least)
        assert given() == {"decode_rgb_jpeg": 1}
        with Image.open(path) as picture:
            picture.draft(None, (least, least))
            assert picture.height == -(-size[0] // scale)
            assert np.array_equal(ours, np.asarray(picture))
        assert np.array_equal(
            ours,
            by_pillow(monkeypatch, lambda: read_image(path, at_least=least)),  # noqa: B023
        )
        assert given() == {}


def test_an_orientation_is_applied_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Count
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(40, 60).save(tmp_path / "a.jpg", exif=exif)
    ours = read_image(tmp_path / "a.jpg")
    assert given() == {"decode_rgb_jpeg": 1}
    assert ours.shape == (60, 40, 3)
    assert np.array_equal(ours, by_pillow(monkeypatch, lambda: read_image(tmp_path / "a.jpg")))


def test_a_build_that_rounds_otherwise_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Count
) -> None:
    simplejpeg = importlib.import_module("simplejpeg")

    def off_by_one(*args: Any, **kwargs: Any) -> Any:
        pixels = simplejpeg.decode_jpeg(*args, **kwargs)
        pixels[0, 0, 0] ^= 1
        return pixels

    photo(40, 60).save(tmp_path / "a.jpg")
    fast_decoders._jpeg_agrees.cache_clear()
    other = SimpleNamespace(decode_jpeg=off_by_one)
    monkeypatch.setattr(fast_decoders, "_module", lambda name: other)
    with Image.open(tmp_path / "a.jpg") as picture:
        assert np.array_equal(read_image(tmp_path / "a.jpg"), np.asarray(picture))
    assert given() == {}


@pytest.mark.parametrize("kind", ["L", "CMYK"])
def test_jpegs_without_three_channels_are_left_to_pillow(
    tmp_path: Path, given: Count, kind: str
) -> None:
    photo(40, 60).convert(kind).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as picture:
        assert np.array_equal(read_image(tmp_path / "a.jpg"), np.asarray(picture.convert("RGB")))
    assert given() == {}


def chunk(kind: bytes, content: bytes) -> bytes:
    sums = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", sums)


def png_of(rows: np.ndarray, kind: int, *extra: bytes) -> bytes:
    """A grey PNG whose rows all have one filter, written out from the standard (9.2)."""
    height, width = rows.shape
    wide = np.zeros((height + 1, width + 1), dtype=np.int64)
    wide[1:, 1:] = rows
    here, left, up, corner = wide[1:, 1:], wide[1:, :-1], wide[:-1, 1:], wide[:-1, :-1]
    guess = left + up - corner
    near = [abs(guess - value) for value in (left, up, corner)]
    paeth = np.where(
        (near[0] <= near[1]) & (near[0] <= near[2]), left, np.where(near[1] <= near[2], up, corner)
    )
    taken = [np.zeros_like(here), left, up, (left + up) // 2, paeth][kind]
    lines = ((here - taken) % 256).astype(np.uint8)
    stream = b"".join(bytes([kind]) + line.tobytes() for line in lines)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(stream)
    parts = [chunk(b"IDAT", pixels[:20]), chunk(b"IDAT", pixels[20:])]
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(
        [*extra, *parts, chunk(b"IEND", b"")]
    )  # fmt: skip


def drawing(height: int = 37, width: int = 50) -> np.ndarray:
    ys, xs = np.mgrid[:height, :width]
    distance = np.hypot(ys - height / 2, xs - width / 3)
    return np.clip((12 - distance) * 40 + 128, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", range(5))
def test_masks_of_every_filter_are_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Count, kind: int
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_of(drawing(), kind))
    assert np.array_equal(read_labels(path, ReadingRule()).object, drawing() >= 128)
    assert given() == {"decode_grey_png": 1}
    levels = MaskMeaning(Plane.LEVELS, object=(255,), ground=(0,), rest=Rest.VOID)
    labels = read_labels(path, ReadingRule(levels))
    assert given() == {"decode_grey_png": 1}
    assert labels.void is not None
    assert np.array_equal(labels.object, drawing() == 255)
    assert np.array_equal(labels.void, (drawing() > 0) & (drawing() < 255))
    assert np.array_equal(read_image(path), np.repeat(drawing()[..., None], 3, axis=2))
    theirs = by_pillow(monkeypatch, lambda: read_labels(path, ReadingRule(levels)))
    assert np.array_equal(labels.void, theirs.void)


def test_ones_are_the_object_where_nothing_is_greater(tmp_path: Path, given: Count) -> None:
    (tmp_path / "a.png").write_bytes(png_of(drawing() // 255, 2))
    read = read_labels(tmp_path / "a.png", ReadingRule()).object
    assert np.array_equal(read, drawing() == 255)
    assert given() == {"decode_grey_png": 1}


def test_an_alpha_or_colour_is_asked_of_pillow_even_of_a_grey_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_of(drawing(), 1))
    for plane, value in ((Plane.COLOUR, 0xFFFFFF), (Plane.ALPHA, 255), (Plane.INDEX, 255)):
        rule = ReadingRule(MaskMeaning(plane, object=(value,), ground=(0,)))
        theirs = by_pillow(monkeypatch, lambda: read_labels(path, rule).object)  # noqa: B023
        assert np.array_equal(read_labels(path, rule).object, theirs)


def odd_pngs() -> dict[str, bytes]:
    """Files that hold more than plain grey, or less than they say."""
    whole = png_of(drawing(), 4)
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", "a")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(drawing())
    saved = {}
    for name, image, more in (
        ("text", picture, {"pnginfo": text}),
        ("exif", picture, {"exif": exif}),
        ("transparency", picture, {"transparency": 0}),
        ("palette", picture.convert("P"), {}),
        ("one bit", picture.convert("1"), {}),
        ("alpha", picture.convert("LA"), {}),
    ):
        kept = io.BytesIO()
        image.save(kept, "PNG", **more)
        saved[name] = kept.getvalue()
    flipped = bytearray(whole)
    flipped[whole.index(b"IDAT") + 12] ^= 4
    return saved | {
        "unknown chunk": png_of(drawing(), 0, chunk(b"abCd", b"x")),
        "cut": whole[: len(whole) // 2],
        "cut before its end": whole[:-12],
        "a bit flipped": bytes(flipped),
        "empty": b"",
    }


@pytest.mark.parametrize("name", odd_pngs())
def test_whatever_is_odd_is_pillows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Count, name: str
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(odd_pngs()[name])

    def answer() -> Any:
        try:
            return read_labels(path, ReadingRule()).object.tolist()
        except UnreadableImage as error:
            return str(error)

    ours = answer()
    assert given() == {}
    assert ours == by_pillow(monkeypatch, answer)


def test_a_wrong_sum_within_the_stream_changes_nothing_for_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Count
) -> None:
    whole = png_of(drawing(), 0)
    stream = zlib.compress(b"".join(b"\0" + line.tobytes() for line in drawing()))
    wrong = stream[:-1] + bytes([stream[-1] ^ 1])
    kept = whole[: whole.index(b"IDAT") - 4] + chunk(b"IDAT", wrong) + chunk(b"IEND", b"")
    path = tmp_path / "a.png"
    path.write_bytes(kept)
    assert np.array_equal(read_labels(path, ReadingRule()).object, drawing() >= 128)
    assert given() == {"decode_grey_png": 1}
    theirs = by_pillow(monkeypatch, lambda: read_labels(path, ReadingRule()).object)
    assert np.array_equal(theirs, drawing() >= 128)


def test_a_damaged_jpeg_is_reported_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Count
) -> None:
    kept = io.BytesIO()
    photo(90, 70).save(kept, "JPEG")
    (tmp_path / "a.jpg").write_bytes(kept.getvalue()[: len(kept.getvalue()) // 2])
    with pytest.raises(UnreadableImage) as ours:
        read_image(tmp_path / "a.jpg")
    assert given() == {}

    def theirs() -> str:
        with pytest.raises(UnreadableImage) as error:
            read_image(tmp_path / "a.jpg")
        return str(error.value)

    assert str(ours.value) == by_pillow(monkeypatch, theirs)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_bound_on_pixels_holds(tmp_path: Path, suffix: str, given: Count) -> None:
    path = tmp_path / f"a.{suffix}"
    (photo(40, 60) if suffix == "jpg" else Image.fromarray(drawing(40, 60))).save(path)
    with pytest.raises(UnreadableImage, match="over 2399 in all"):
        read_image(path, rule=ReadingRule(max_pixels=2399))
    assert given() == {}


def test_samples_are_equal_and_each_file_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Count
) -> None:
    image, mask = tmp_path / "a.jpg", tmp_path / "a.png"
    photo(160, 200).save(image)
    Image.fromarray(drawing(160, 200)).save(mask)
    void = MaskMeaning(Plane.LEVELS, object=(255,), ground=(0,), rest=Rest.VOID)
    for rule in (ReadingRule(), ReadingRule(void)):
        pair = Pair(image, mask, "a", "set", "train", rule)
        data = CamouflageDataset([pair], 64, seed=1, augment=True)
        ours = [data[epoch, 0] for epoch in range(6)]
        assert given() == {"decode_rgb_jpeg": 6, "decode_grey_png": 6}
        theirs = by_pillow(monkeypatch, lambda: [data[epoch, 0] for epoch in range(6)])  # noqa: B023
        assert given() == {}
        for one, other in zip(ours, theirs, strict=True):
            assert one.image.equal(other.image)
            assert one.mask.equal(other.mask)
    assert any((one.mask == VOID).any() for one in ours)


def test_a_mask_without_a_rule_is_looked_at_by_pillow(tmp_path: Path, given: Count) -> None:
    (tmp_path / "a.png").write_bytes(png_of(drawing(), 3))
    assert np.array_equal(read_mask(tmp_path / "a.png"), drawing() >= 128)
    assert given() == {}
