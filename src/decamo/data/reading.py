"""File -> pixels, or one line that says why not."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from decamo.data.normalise import to_mask, to_rgb
from decamo.data.pairs import Pair
from decamo.errors import UnreadableImage

__all__ = ["FORMATS", "read_image", "read_mask", "read_pair"]

_ORIENTATION = 0x0112  # the tag's number in EXIF 2.3 and TIFF 6.0
# Pillow knows more, and starts Ghostscript for some: an .eps named .jpg must not run a program
Image.init()
FORMATS: list[str] = [
    name
    for name in ("JPEG", "MPO", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM")
    if name in Image.OPEN  # Pillow can be built without some
]
_REMEDY = "download or export the file again, or remove the pair"

# What brings a stored picture upright, by the value of its orientation tag (EXIF 2.3, 4.6.4 A)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(path: Path, at_least: int | None = None) -> NDArray[np.uint8]:
    """The image as displayed: EXIF orientation applied, uint8 ``[H, W, 3]``, RGB.

    16-bit grey is scaled by 1/257; palettes, grey and CMYK become RGB; alpha is dropped, not
    composed. Float pictures count as [0, 1] where nothing exceeds 1, else as [0, 255].

    Args:
        path: the file; its content, not its extension, says what it is.
        at_least: decode a JPEG at the smallest of 1, 1/2, 1/4, 1/8 of its size whose two sides
            both have this many px (libjpeg's scaled decoding: measured 2.3 times as fast at 1/2).
            This changes the native size, so only training may ask. Other formats ignore it.

    Raises:
        UnreadableImage: missing, empty, truncated, no image, or a decompression bomb.
    """
    with _one_line(path):
        file = _decode(path, at_least)
        return to_rgb(_turned(file, file.orientation))


def read_mask(path: Path) -> NDArray[np.bool_]:
    """The mask as displayed: EXIF orientation applied, bool ``[H, W]``.

    What counts as the object, by what the file holds:

    * one bit: 1;
    * grey where no value exceeds 1: above 0;
    * grey up to 255, and every JPEG: from 128;
    * 16-bit grey: from 32768, unless no value exceeds 255: then as 8-bit grey;
    * float grey: from 0.5 where nothing exceeds 1, else from 128;
    * palette: a colour's largest channel, read as grey; but index above 0 where the whole palette
      is black or missing;
    * RGB and CMYK: luminance (ITU-R 601), read as grey;
    * with alpha: the colour; but the alpha, read as grey, where one single colour fills the image
      and the alpha does vary.

    Raises:
        UnreadableImage: missing, empty, truncated, no image, or a decompression bomb.
    """
    with _one_line(path):
        file = _decode(path)
        return to_mask(_turned(file, file.orientation), lossy=file.lossy)


def read_pair(
    pair: Pair, at_least: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Image ``[H, W, 3]`` and mask ``[H, W]`` of one size, as displayed.

    Annotation tools differ in whether they honour EXIF. So the image's orientation is applied to
    the mask too where the mask has the image's *stored* size and no orientation of its own; a
    mask that only fits the upright image is left as it is. A mask of a square or upside-down
    image that was drawn on the upright picture cannot be told from one that was not: it is turned.

    Args:
        pair: the two files.
        at_least: as in :func:`read_image`; the mask is always decoded whole, so that the two
            sizes may then differ.

    Raises:
        UnreadableImage: either file cannot be decoded, or their sizes do not agree.
    """
    with _one_line(pair.image):
        photo = _decode(pair.image, at_least)
        image = to_rgb(_turned(photo, photo.orientation))
    with _one_line(pair.mask):
        drawing = _decode(pair.mask)
        turn = drawing.orientation
        if turn == 1 and drawing.stored == photo.stored:
            turn = photo.orientation
        _check_sizes(pair, photo.size_after(photo.orientation), drawing.size_after(turn))
        return image, to_mask(_turned(drawing, turn), lossy=drawing.lossy)


@dataclass(frozen=True)
class _Decoded:
    """A decoded file.

    Attributes:
        picture: its pixels.
        stored: height and width before any orientation and before any scaled decoding, in px.
        orientation: the tag's value, 1 to 8.
        upright: whether Pillow has already applied the orientation, as it does for TIFF.
        lossy: whether the codec rounds values.
    """

    picture: Image.Image
    stored: tuple[int, int]
    orientation: int
    upright: bool
    lossy: bool

    def size_after(self, turn: int) -> tuple[int, int]:
        return self.stored[::-1] if turn >= 5 else self.stored


def _decode(path: Path, at_least: int | None = None) -> _Decoded:
    # By a file object: given a path, Pillow (13.0 at least) maps an uncompressed grey TIFF into
    # memory with height and width the wrong way round if its orientation swaps them.
    with path.open("rb") as file, Image.open(file, formats=FORMATS) as picture:
        width, height = picture.size
        limit = Image.MAX_IMAGE_PIXELS
        if limit is not None and width * height > limit:  # Pillow itself only warns up to twice
            raise Image.DecompressionBombError(f"{height} x {width} px, over {limit} in all")
        orientation = _orientation(picture)
        tiff = picture.format == "TIFF"
        if tiff and orientation >= 5:  # Pillow tells the upright size of a TIFF at once
            width, height = height, width
        if at_least is not None:
            picture.draft(None, (at_least, at_least))
        picture.load()
    lossy = picture.format in ("JPEG", "MPO")
    return _Decoded(picture, (height, width), orientation, tiff and orientation > 1, lossy)


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # a garbled EXIF block spoils no pixel; viewers show such files unturned
        return 1
    return value if value in _TURNS else 1


def _turned(file: _Decoded, turn: int) -> Image.Image:
    if turn == 1 or file.upright:
        return file.picture
    return file.picture.transpose(_TURNS[turn])


def _check_sizes(pair: Pair, image: tuple[int, int], mask: tuple[int, int]) -> None:
    if image != mask:
        raise UnreadableImage(
            pair.mask,
            f"the mask is {mask[0]} x {mask[1]} px (height x width), "
            f"its image {pair.image.name} is {image[0]} x {image[1]} px",
            "bring both to one size or remove the pair",
        )


@contextlib.contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except UnreadableImage:
        raise
    except Exception as error:  # decoders raise anything at all on a file that is damaged
        raise UnreadableImage(path, _reason(path, error), _REMEDY) from error


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"too many pixels to be a photograph ({error})"
    if isinstance(error, UnidentifiedImageError):
        return "not an image that can be read" if path.stat().st_size else "the file is empty"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"cannot be decoded ({error or type(error).__name__})"
