"""File -> a decoded picture with its orientation, or one line that says why not.

Pillow decodes, by content and from a fixed list of formats; arrays that NumPy saved count too.
Where an array will do, quicker decoders may take Pillow's place, with the same pixels.
"""

import contextlib
import importlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from decamo.data.fast_decoders import decode_grey_png, decode_rgb_jpeg
from decamo.data.normalize import is_wide
from decamo.data.pixel_range import declared_range
from decamo.data.rules import ReadingRule
from decamo.data.wide_files import (
    colours_of_ppm,
    greatest_value,
    grey_alpha_as_colours,
    has_signed_bytes,
    has_sixteen_bits,
    mend_planes,
    split_grey_alpha,
    swap_bytes,
    true_numbers,
    why_no_tiff,
)
from decamo.errors import UnreadableImage

__all__ = [
    "FORMATS",
    "TURNS",
    "DecodedFile",
    "as_unreadable",
    "decode_file",
    "header_of",
    "is_wide_file",
    "opened",
    "turned_upright",
]

_ORIENTATION = 0x0112  # the tag's number in EXIF 2.3 and TIFF 6.0
# Pillow knows more, and starts Ghostscript for some: an .eps named .jpg must not run a program.
# Only these are loaded: `Image.init()` would load forty, a PDF writer among them.
_PLUGINS = ("Bmp", "Gif", "Jpeg", "Png", "Ppm", "Tiff", "WebP")
for _plugin in _PLUGINS:
    importlib.import_module(f"PIL.{_plugin}ImagePlugin")
FORMATS: list[str] = [
    name
    for name in ("JPEG", "MPO", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM")
    if name in Image.OPEN  # Pillow can be built without some
]
_REMEDY = "download or export the file again, or remove the pair"
_BIG = 89_478_485  # px; up to here pictures are never reduced but by a JPEG's own decoder
_ARRAY = b"\x93NUMPY"
_OPENING = threading.Lock()

# What brings a stored picture upright, by the value of its orientation tag (EXIF 2.3, 4.6.4 A)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def is_wide_file(path: Path) -> bool:
    """Whether an image file has more than 8 bits a channel; its pixels are not decoded.

    Raises:
        UnreadableImage: as :func:`read_image`, but for damage that only decoding shows.
    """
    with as_unreadable(path), path.open("rb") as file:
        if file.read(len(_ARRAY)) == _ARRAY:
            file.seek(0)
            return bool(np.load(file, allow_pickle=False).dtype not in (np.bool_, np.uint8))
        if grey_alpha_as_colours(file) is not None:
            return True
        file.seek(0)
        with opened(file) as picture:
            mend_planes(picture)
            ppm = picture.format == "PPM" and greatest_value(file) > 255
            wide = has_sixteen_bits(picture) or has_signed_bytes(picture) or ppm
            return wide or is_wide(picture)


@dataclass(frozen=True)
class DecodedFile:
    """A decoded file.

    Attributes:
        pixels: a picture, or an array of bytes: grey ``[H, W]`` or RGB ``[H, W, 3]``.
        stored: height and width before any orientation and before any scaled decoding, in px.
        orientation: the tag's value, 1 to 8.
        upright: whether Pillow has already applied the orientation, as it does for TIFF.
        lossy: whether the codec rounds values.
        declared: what the file says is black and white, where it has more than 8 bits.
        low_bytes: of colours of 16 bits, the picture of their lower halves.
    """

    pixels: Image.Image | NDArray[np.uint8]
    stored: tuple[int, int]
    orientation: int
    upright: bool
    lossy: bool
    declared: tuple[float, float] = (0, 0)
    low_bytes: Image.Image | None = None

    @cached_property
    def picture(self) -> Image.Image:
        """The pixels as Pillow has them."""
        return Image.fromarray(self.pixels) if isinstance(self.pixels, np.ndarray) else self.pixels

    def size_after(self, turn: int) -> tuple[int, int]:
        """Height and width once the orientation is applied."""
        return self.stored[::-1] if turn >= 5 else self.stored


def decode_file(
    path: Path, rule: ReadingRule, at_least: int | None = None, *, as_array: bool = False
) -> DecodedFile:
    """The file's picture as it is stored.

    Args:
        path: the file.
        rule: bounds the number of pixels.
        at_least: as in :func:`~decamo.data.reading.read_image`.
        as_array: whether the pixels alone are asked for, so that a quicker decoder may give them as
            an array; Pillow's picture also has what else the file says.
    """
    # By a file object: given a path, Pillow (13.0 at least) maps an uncompressed grey TIFF into
    # memory with height and width the wrong way round if its orientation swaps them.
    with path.open("rb") as file:
        if file.read(len(_ARRAY)) == _ARRAY:
            return _decode_array(file, rule)
        grey = decode_grey_png(file, min(rule.max_pixels, _BIG)) if as_array else None
        if grey is not None:
            return DecodedFile(grey, (grey.shape[0], grey.shape[1]), 1, False, lossy=False)
        return _decode_picture(file, rule, at_least, as_array)


def _decode_picture(
    file: IO[bytes], rule: ReadingRule, at_least: int | None, as_array: bool
) -> DecodedFile:
    grey_alpha = grey_alpha_as_colours(file)
    file.seek(0)
    with opened(grey_alpha or file) as picture:
        width, height = picture.size
        mend_planes(picture)
        sixteen = grey_alpha is not None or has_sixteen_bits(picture)
        if at_least is not None:
            picture.draft(None, (at_least, at_least))
        _refuse_huge(picture.size, rule)
        orientation = _orientation(picture)  # decodes a PNG, in search of an EXIF block
        if as_array and picture.format == "JPEG" and picture.mode == "RGB":
            pixels = decode_rgb_jpeg(file, picture.size) if _is_moderate(picture) else None
            if pixels is not None:
                return DecodedFile(pixels, (height, width), orientation, False, lossy=True)
            file.seek(0)
        tiff = picture.format == "TIFF"
        if tiff and orientation >= 5:  # Pillow tells the upright size of a TIFF at once
            width, height = height, width
        if tiff:
            with _unbounded():
                picture.load_prepare()
        picture.load()
        low: Image.Image | None = None
        decoded = true_numbers(picture)
        if grey_alpha is not None:
            decoded, low = split_grey_alpha(picture)
        elif (colours := colours_of_ppm(file) if picture.format == "PPM" else None) is not None:
            decoded, low = colours
        elif sixteen:
            low = _low_bytes(file)
        wide = low is not None or is_wide(decoded)
        declared = declared_range(picture, file) if wide else (0, 0)
    lossy = picture.format in ("JPEG", "MPO")
    if at_least is not None and not _is_moderate(decoded):
        decoded, low = _reduced(decoded, low, at_least)
    upright = tiff and orientation > 1
    return DecodedFile(decoded, (height, width), orientation, upright, lossy, declared, low)


def _is_moderate(picture: Image.Image) -> bool:
    return picture.width * picture.height <= _BIG


def header_of(file: IO[bytes]) -> tuple[tuple[int, int], int]:
    """Height and width as stored, and the orientation's value, 1 to 8; no pixel need be decoded."""
    with opened(file) as picture:
        width, height = picture.size
        orientation = _orientation(picture)
        if picture.format == "TIFF" and orientation >= 5:
            width, height = height, width
        return (height, width), orientation


@contextlib.contextmanager
def opened(file: IO[bytes]) -> Iterator[Any]:
    """Pillow's picture, without its own bound on pixels, which is half a phone's photograph."""
    with _unbounded():
        picture = Image.open(file, formats=FORMATS)
    with picture:
        yield picture


@contextlib.contextmanager
def _unbounded() -> Iterator[None]:
    """Pillow without its bound, which it asks when it opens a file, and of a TIFF once more."""
    with _OPENING:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _refuse_huge(size: tuple[int, int], rule: ReadingRule) -> None:
    width, height = size
    if width * height > rule.max_pixels:
        raise Image.DecompressionBombError(f"{height} x {width} px, over {rule.max_pixels} in all")


def _low_bytes(file: IO[bytes]) -> Image.Image:
    """The lower halves of 16-bit colours: the bytes in the other order are the other halves."""
    file.seek(0)
    with opened(file) as picture:
        mend_planes(picture)
        swap_bytes(picture)
        if picture.format == "TIFF":
            with _unbounded():
                picture.load_prepare()
        picture.load()
    whole: Image.Image = picture
    return whole


def _decode_array(file: IO[bytes], rule: ReadingRule) -> DecodedFile:
    """An array that NumPy saved: ``[H, W]``, with one, three or four channels first or last."""
    file.seek(0)
    values = np.load(file, allow_pickle=False)
    if values.ndim == 3 and values.shape[0] in (1, 3, 4) and values.shape[2] not in (1, 3, 4):
        values = np.moveaxis(values, 0, -1)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or not values.size:
        raise ValueError(f"an array of shape {values.shape}")
    _refuse_huge((values.shape[1], values.shape[0]), rule)
    if values.ndim == 3 and values.min() >= 0 and values.max() <= 255:
        values = values.astype(np.uint8)
    if values.dtype not in (np.bool_, np.uint8):
        whole = np.issubdtype(values.dtype, np.integer)
        values = values.astype(np.int32 if whole else np.float32)
    picture = Image.fromarray(np.ascontiguousarray(values))
    height, width = values.shape[:2]
    return DecodedFile(picture, (height, width), 1, upright=False, lossy=False)


def _reduced(
    picture: Image.Image, low: Image.Image | None, at_least: int
) -> tuple[Image.Image, Image.Image | None]:
    """Smaller by a whole factor, both sides keeping ``at_least`` px; with the lower halves."""
    factor = min(picture.size) // max(at_least, 1)
    if factor < 2:
        return picture, low
    if low is None:
        wide = picture.convert("RGB") if picture.mode in ("1", "P") else picture
        return wide.reduce(factor), None
    size = picture.width // factor, picture.height // factor  # halves have no means of their own
    thinned = [half.resize(size, Image.Resampling.NEAREST) for half in (picture, low)]
    return thinned[0], thinned[1]


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # a garbled EXIF block spoils no pixel; viewers show such files unturned
        return 1
    return value if value in TURNS else 1


def turned_upright(file: DecodedFile, picture: Image.Image, turn: int) -> Image.Image:
    """A picture of the file with an orientation applied, unless Pillow has done so."""
    if turn == 1 or file.upright:
        return picture
    return picture.transpose(TURNS[turn])


@contextlib.contextmanager
def as_unreadable(path: Path) -> Iterator[None]:
    """Whatever reading a file raises becomes an :class:`UnreadableImage` of one line."""
    try:
        yield
    except UnreadableImage:
        raise
    except Exception as error:  # decoders raise anything at all on a file that is damaged
        huge = isinstance(error, Image.DecompressionBombError)
        remedy = "give a greater --max-pixels, or bring it to a smaller size" if huge else _REMEDY
        raise UnreadableImage(path, _reason(path, error), remedy) from error


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"too many pixels to be decoded ({error})"
    if isinstance(error, UnidentifiedImageError):
        if not path.stat().st_size:
            return "the file is empty"
        with path.open("rb") as file:
            return why_no_tiff(file) or "not an image that can be read"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"cannot be decoded ({error or type(error).__name__})"
