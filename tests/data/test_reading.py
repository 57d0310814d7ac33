import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.decoding import is_wide_file
from decamo.data.pairs import Pair
from decamo.data.reading import read_image, read_mask, read_pair, see_image
from decamo.data.rules import PixelScale, ReadingRule
from decamo.errors import UnreadableImage

# What brings the stored array upright, by EXIF orientation (EXIF 2.3): an oracle in numpy alone
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def photo(height: int = 6, width: int = 9) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def half(height: int = 6, width: int = 9) -> np.ndarray:
    return np.random.default_rng(2).random((height, width)) < 0.5


def save(path: Path, pixels: np.ndarray, orientation: int = 1) -> Path:
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def pair_of(image: Path, mask: Path) -> Pair:
    return Pair(image, mask, image.stem, "set", "train")


# ---------------------------------------------------------------- images


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    pixels = np.zeros((4, 5, 3), dtype=np.uint8)
    pixels[:2] = 255  # black and white only: every mode can hold them
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.fromarray(pixels).convert(mode).save(path)
    got = read_image(path)
    assert got.dtype == np.uint8
    assert got.shape == (4, 5, 3)
    assert np.abs(got.astype(int) - pixels).max() <= 1
    assert got.flags.writeable


def test_alpha_is_dropped_and_not_composed(tmp_path: Path) -> None:
    rgba = np.dstack([photo(), np.zeros((6, 9), dtype=np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), photo())


def test_a_palette_with_transparent_entries_reads_without_a_warning(tmp_path: Path) -> None:
    picture = Image.fromarray(photo()).quantize(8)
    picture.save(tmp_path / "a.png", transparency=bytes([0, 128, 255]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(read_image(tmp_path / "a.png"), np.array(picture.convert("RGB")))


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    wide = np.array([[0, 257, 32896, 65535, 128, 129]], dtype=np.uint16)
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 1, 128, 255, 0, 1]


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_orientation_is_applied_to_images(tmp_path: Path, orientation: int, extension: str) -> None:
    path = save(tmp_path / f"a.{extension}", photo(), orientation)
    assert np.array_equal(read_image(path), UPRIGHT[orientation](photo()))


@pytest.mark.parametrize(
    ("at_least", "want"), [(None, 64), (65, 64), (33, 64), (32, 32), (16, 16), (9, 16), (1, 8)]
)
def test_draft_is_the_smallest_that_is_large_enough(
    tmp_path: Path, at_least: int | None, want: int
) -> None:
    Image.fromarray(photo(64, 128)).save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg", at_least).shape == (want, 2 * want, 3)


# ---------------------------------------------------------------- masks


def stored_masks(on: np.ndarray) -> dict[str, Image.Image]:
    """One and the same mask in every way that data sets store them."""
    grey = np.where(on, 255, 0).astype(np.uint8)
    ones = on.astype(np.uint8)
    full = np.full_like(grey, 255)
    plain = np.full((*on.shape, 3), 70, dtype=np.uint8)

    def palette(index: np.ndarray, colours: list[int]) -> Image.Image:
        made = Image.fromarray(index).convert("L")
        made = Image.frombytes("P", made.size, made.tobytes())
        made.putpalette(colours)
        return made

    return {
        "0/255": Image.fromarray(grey),
        "0/1": Image.fromarray(ones),
        "one bit": Image.fromarray(on),
        "soft edge": Image.fromarray(np.where(on, 128, 127).astype(np.uint8)),
        "16 bit": Image.fromarray((grey.astype(np.uint16)) * 257),
        "16 bit half": Image.fromarray(np.where(on, 32768, 32767).astype(np.uint16)),
        "16 bit 0/1": Image.fromarray(ones.astype(np.uint16)),
        "16 bit 0/255": Image.fromarray(grey.astype(np.uint16)),
        "palette": palette(ones, [0, 0, 0, 255, 255, 255]),
        "palette reversed": palette(1 - ones, [255, 255, 255, 0, 0, 0]),
        "palette of VOC": palette(ones, [0, 0, 0, 128, 0, 0]),
        "palette all black": palette(ones * 3, [0, 0, 0] * 4),
        "palette grey ramp, 0/1": palette(ones, [v for i in range(256) for v in (i, i, i)]),
        "RGB": Image.fromarray(np.dstack([grey] * 3)),
        "RGB 0/1": Image.fromarray(np.dstack([ones] * 3)),
        "RGBA in alpha": Image.fromarray(np.dstack([plain, grey])),
        "RGBA in colour": Image.fromarray(np.dstack([grey, grey, grey, full])),
        "RGBA in both": Image.fromarray(np.dstack([grey, grey, grey, grey])),
        "LA in alpha": Image.fromarray(np.dstack([full, grey])),
        "LA in colour": Image.fromarray(np.dstack([grey, full])),
    }


@pytest.mark.parametrize("kind", stored_masks(half()))
def test_every_kind_of_mask_reads_the_same(tmp_path: Path, kind: str) -> None:
    stored_masks(half())[kind].save(tmp_path / "m.png")
    got = read_mask(tmp_path / "m.png")
    assert got.dtype == np.bool_
    assert np.array_equal(got, half())


@pytest.mark.parametrize("kind", ["0/255", "palette", "RGB", "RGBA in colour", "16 bit", "one bit"])
def test_an_empty_mask_is_empty_however_it_is_stored(tmp_path: Path, kind: str) -> None:
    stored_masks(np.zeros((3, 4), dtype=np.bool_))[kind].save(tmp_path / "m.png")
    assert not read_mask(tmp_path / "m.png").any()


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_float_masks_by_their_range(tmp_path: Path, top: float) -> None:
    Image.fromarray((half() * top).astype(np.float32)).save(tmp_path / "m.tif")
    assert np.array_equal(read_mask(tmp_path / "m.tif"), half())


def test_a_jpeg_mask_is_cut_at_the_middle(tmp_path: Path) -> None:
    on = np.zeros((64, 64), dtype=np.uint8)
    on[16:48, 16:48] = 255
    Image.fromarray(on).save(tmp_path / "m.jpg", quality=60)
    assert np.array_equal(read_mask(tmp_path / "m.jpg"), on > 0)
    Image.fromarray(np.ones((64, 64), dtype=np.uint8)).save(tmp_path / "n.jpg")
    assert not read_mask(tmp_path / "n.jpg").any(), "what a codec leaves of black is no object"


# ---------------------------------------------------------------- pairs


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_a_mask_drawn_on_the_stored_pixels_turns_with_its_image(
    tmp_path: Path, orientation: int, extension: str
) -> None:
    image = save(tmp_path / f"a.{extension}", photo(), orientation)
    mask = save(tmp_path / "m.png", half().astype(np.uint8) * 255)
    pixels, on = read_pair(pair_of(image, mask))
    assert np.array_equal(pixels, UPRIGHT[orientation](photo()))
    assert np.array_equal(on, UPRIGHT[orientation](half()))


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_that_only_fits_the_upright_image_is_left(tmp_path: Path, orientation: int) -> None:
    image = save(tmp_path / "a.png", photo(), orientation)
    upright = np.ascontiguousarray(UPRIGHT[orientation](half()))
    mask = save(tmp_path / "m.png", upright.astype(np.uint8) * 255)
    assert np.array_equal(read_pair(pair_of(image, mask))[1], upright)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_a_mask_with_an_orientation_of_its_own_obeys_that_alone(
    tmp_path: Path, orientation: int, extension: str
) -> None:
    image = save(tmp_path / "a.png", photo(), orientation)
    mask = save(tmp_path / f"m.{extension}", half().astype(np.uint8) * 255, orientation)
    assert np.array_equal(read_pair(pair_of(image, mask))[1], UPRIGHT[orientation](half()))


@pytest.mark.parametrize("orientation", [1, 6])
def test_draft_changes_neither_the_mask_nor_the_check(tmp_path: Path, orientation: int) -> None:
    image = save(tmp_path / "a.jpg", photo(64, 128), orientation)
    mask = save(tmp_path / "m.png", half(64, 128).astype(np.uint8) * 255)
    pixels, on = read_pair(pair_of(image, mask), at_least=16)
    assert sorted(pixels.shape[:2]) == [16, 32]
    assert np.array_equal(on, UPRIGHT[orientation](half(64, 128)))


def test_sizes_that_do_not_agree_are_named(tmp_path: Path) -> None:
    image = save(tmp_path / "a.png", photo())
    mask = save(tmp_path / "m.png", half(7, 9).astype(np.uint8))
    with pytest.raises(UnreadableImage, match=r"7 x 9 .* a\.png is 6 x 9") as caught:
        read_pair(pair_of(image, mask))
    assert caught.value.what == str(mask)


# ---------------------------------------------------------------- what cannot be read


def broken(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"{kind}.jpg"
    if kind == "html":
        path.write_text("<!DOCTYPE html><html><body>404</body></html>")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "postscript":
        path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    elif kind.startswith("truncated"):
        extension = kind.split("-")[1]
        whole = tmp_path / f"whole.{extension}"
        Image.fromarray(photo(64, 64)).save(whole)
        path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    return path


KINDS = ["missing", "html", "empty", "folder", "postscript"]
KINDS += ["truncated-jpg", "truncated-png", "truncated-bmp", "truncated-tif"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_decoded_is_told_in_one_line(tmp_path: Path, kind: str) -> None:
    path = broken(tmp_path, kind)
    for read in (read_image, read_mask):
        with pytest.raises(UnreadableImage) as caught:
            read(path)
        assert caught.value.what == str(path)
        assert "\n" not in str(caught.value)


def test_truncation_shows_at_an_eighth_of_the_size_too(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="truncated"):
        read_image(broken(tmp_path, "truncated-jpg"), at_least=1)


@pytest.mark.parametrize("pixels_allowed", [53, 30, 20])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, pixels_allowed: int
) -> None:
    path = save(tmp_path / "a.png", photo())  # 54 pixels
    assert read_image(path, rule=ReadingRule(max_pixels=54)).shape == (6, 9, 3)
    with pytest.raises(UnreadableImage, match=r"too many pixels.*--max-pixels"):
        read_image(path, rule=ReadingRule(max_pixels=pixels_allowed))


def test_garbled_exif_spoils_no_pixel(tmp_path: Path) -> None:
    Image.fromarray(photo()).save(tmp_path / "a.png", exif=b"Exif\x00\x00garbage")
    assert np.array_equal(read_image(tmp_path / "a.png"), photo())
    save(tmp_path / "b.png", photo(), orientation=9)
    assert np.array_equal(read_image(tmp_path / "b.png"), photo())


# ---------------------------------------------------------------- more than 8 bits, and other files


def wide_rgb(path: Path) -> np.ndarray:
    """A picture of 16-bit colours, of which only 12 bits are used, as PNG or TIFF."""
    values = np.random.default_rng(0).integers(0, 4096, (20, 30, 3)).astype(np.uint16)
    if path.suffix == ".png":
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
        head = struct.pack(">IIBBBBB", 30, 20, 16, 2, 0, 0, 0)
        chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
        data = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in chunks
        )
    else:
        pixels = values.astype("<u2").tobytes()
        at = 8 + 2 + 9 * 12 + 4  # of the bits of each channel; then come the pixels
        tags = [(256, 3, 1, 30), (257, 3, 1, 20), (258, 3, 3, at), (259, 3, 1, 1), (262, 3, 1, 2)]
        tags += [(273, 4, 1, at + 6), (277, 3, 1, 3), (278, 3, 1, 20), (279, 4, 1, len(pixels))]
        data = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
        data += b"".join(struct.pack("<HHII", *tag) for tag in tags)
        data += struct.pack("<IHHH", 0, 16, 16, 16) + pixels
    path.write_bytes(data)
    return values


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_colours_keep_their_lower_halves(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    values = wide_rgb(path)
    look = see_image(path)
    assert look is not None
    assert (look.low, look.high) == (values.min(), values.max())
    got = read_image(path, rule=ReadingRule(scale=PixelScale(0, 4095)))
    assert np.array_equal(got, np.rint(values * (255 / 4095)))
    assert np.array_equal(read_image(path), values >> 8)  # as ever, where nothing was decided
    assert is_wide_file(path)
    assert not is_wide_file(save(tmp_path / "b.png", photo()))


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32"])
def test_grey_of_more_than_8_bits_by_its_scale(tmp_path: Path, dtype: str) -> None:
    values = np.linspace(-5 if dtype != "uint16" else 0, 900, 60).reshape(6, 10).astype(dtype)
    Image.fromarray(values).save(tmp_path / "a.tif")
    got = read_image(tmp_path / "a.tif", rule=ReadingRule(scale=PixelScale(100, 900)))
    want = np.clip(np.rint((values.astype(float) - 100) * 255 / 800), 0, 255)
    assert np.array_equal(got, np.repeat(want[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (np.ones((5, 7), bool), (5, 7)),
        (np.ones((1, 5, 7), np.int64), (5, 7)),
        (np.ones((5, 7, 1), np.float64), (5, 7)),
        (np.full((3, 5, 7), 200, np.uint8), (5, 7)),
    ],
)
def test_arrays_that_numpy_saved(
    tmp_path: Path, values: np.ndarray, shape: tuple[int, int]
) -> None:
    np.save(tmp_path / "m.npy", values)
    assert np.array_equal(read_mask(tmp_path / "m.npy"), np.ones(shape, bool))
    assert read_image(tmp_path / "m.npy").shape == (*shape, 3)
    np.save(tmp_path / "o.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(UnreadableImage, match=r"o\.npy"):
        read_mask(tmp_path / "o.npy")


def test_a_phones_photograph_of_108_megapixels_is_one(tmp_path: Path) -> None:
    """Whole where it must be, at an eighth of the size where that is enough."""
    path = tmp_path / "a.jpg"
    Image.new("L", (12000, 9000), 90).save(path, quality=30)
    before = Image.MAX_IMAGE_PIXELS
    assert read_image(path, at_least=256).shape == (1125, 1500, 3)
    assert before == Image.MAX_IMAGE_PIXELS
    # the bound is on what is decoded, not on what the file could give
    assert read_image(path, 256, ReadingRule(max_pixels=2_000_000)).shape == (1125, 1500, 3)
    with pytest.raises(UnreadableImage, match="give a greater --max-pixels"):
        read_image(path, rule=ReadingRule(max_pixels=2_000_000))


def test_large_pictures_of_other_formats_are_reduced_once_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.png", photo(60, 90))
    assert read_image(path, at_least=10).shape == (60, 90, 3)
    monkeypatch.setattr("decamo.data.decoding._BIG", 5000)
    assert read_image(path, at_least=10).shape == (10, 15, 3)
    assert np.array_equal(
        read_image(path, at_least=30), np.asarray(Image.fromarray(photo(60, 90)).reduce(2))
    )


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_white_is_zero(tmp_path: Path, bits: int) -> None:
    dark = np.where(half(), 0, 2**bits - 1).astype(f"uint{bits}")
    Image.fromarray(dark).save(tmp_path / "m.tif", tiffinfo={262: 1})
    black = (tmp_path / "m.tif").read_bytes()
    entry = struct.pack("<HHIHH", 262, 3, 1, 1, 0)  # the tag, a short, one, its value
    assert black.count(entry) == 1
    (tmp_path / "m.tif").write_bytes(black.replace(entry, entry[:-4] + bytes(4)))
    assert np.array_equal(read_mask(tmp_path / "m.tif"), half())
    grey = read_image(tmp_path / "m.tif")[..., 0]
    assert np.array_equal(grey, np.where(half(), 255, 0))
