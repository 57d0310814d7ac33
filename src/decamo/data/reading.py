"""File -> pixels, or one line that says why not."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from decamo.data.mask_look import MaskLook, look_at_mask
from decamo.data.mask_values import meaning_alone
from decamo.data.normalise import codes_of, is_wide, to_mask, to_rgb, wide_values
from decamo.data.pairs import Pair
from decamo.data.pixel_range import WideLook, declared_range, look_at_numbers
from decamo.data.rules import BY_ITSELF, VOID, Plane, ReadingRule, label_codes
from decamo.data.wide_files import (
    colours_of_ppm,
    greatest_value,
    grey_alpha_as_colours,
    has_signed_bytes,
    has_sixteen_bits,
    join_halves,
    mend_planes,
    split_grey_alpha,
    swap_bytes,
    true_numbers,
    why_no_tiff,
)
from decamo.errors import UnreadableImage

__all__ = [
    "FORMATS",
    "Labels",
    "Seen",
    "SeenMask",
    "is_wide_file",
    "opened",
    "read_image",
    "read_labelled",
    "read_labels",
    "read_mask",
    "read_pair",
    "read_picture",
    "see_image",
    "see_mask",
    "see_mask_file",
    "see_pair",
]

_ORIENTATION = 0x0112  # the tag's number in EXIF 2.3 and TIFF 6.0
# Pillow knows more, and starts Ghostscript for some: an .eps named .jpg must not run a program
Image.init()
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
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Labels(NamedTuple):
    """A mask: bool ``[H, W]``, and the pixels that are neither, or None where none can be."""

    object: NDArray[np.bool_]
    void: NDArray[np.bool_] | None


class Seen(NamedTuple):
    """A pair as its files are, before anything was decided for their data set.

    Attributes:
        image: uint8 ``[H, W, 3]``, RGB.
        shape: height and width of both as displayed, px.
        share: of the mask's pixels that are object where this file alone is asked, in [0, 1].
        values: which values the mask has.
        numbers: of the image where they have more than 8 bits.
    """

    image: NDArray[np.uint8]
    shape: tuple[int, int]
    share: float
    values: MaskLook
    numbers: WideLook | None


class SeenMask(NamedTuple):
    """A mask as its file is.

    Attributes:
        shape: height and width as displayed, px.
        share: of its pixels that are object where this file alone is asked, in [0, 1].
        values: which values it has.
        mode: Pillow's name.
    """

    shape: tuple[int, int]
    share: float
    values: MaskLook
    mode: str


def read_image(
    path: Path, at_least: int | None = None, rule: ReadingRule = BY_ITSELF
) -> NDArray[np.uint8]:
    """The image as displayed: EXIF orientation applied, uint8 ``[H, W, 3]``, RGB.

    More than 8 bits a channel are scaled as the rule says; where it says nothing, 16-bit numbers by
    1/257, and floats count as [0, 1] where nothing exceeds 1, else as [0, 255]. Palettes, grey and
    CMYK become RGB; alpha is dropped, not composed.

    Args:
        path: the file; its content, not its extension, says what it is. Also ``.npy``.
        at_least: decode a JPEG at the smallest of 1, 1/2, 1/4, 1/8 of its size whose two sides
            both have this many px (libjpeg's scaled decoding: measured 2.3 times as fast at 1/2).
            This changes the native size, so only training may ask. Other formats ignore it up to
            89 million pixels; larger pictures are reduced once they are decoded.
        rule: of the data set.

    Raises:
        UnreadableImage: missing, empty, truncated, no image, or more pixels than may be.
    """
    with _one_line(path):
        file = _decode(path, rule, at_least)
        return _rgb(file, file.orientation, rule)


def read_picture(path: Path, rule: ReadingRule = BY_ITSELF) -> Image.Image:
    """The decoded file as displayed, EXIF orientation applied, in the mode that it has.

    Raises:
        UnreadableImage: as :func:`read_image`.
    """
    with _one_line(path):
        file = _decode(path, rule)
        return _turned(file, file.picture, file.orientation)


def read_mask(path: Path, rule: ReadingRule | None = None) -> NDArray[np.bool_]:
    """The mask as displayed: EXIF orientation applied, bool ``[H, W]``; what is void is not in it.

    What counts as the object is what the rule of the data set says; without one, what a set of this
    file alone would be decided to mean (:func:`~decamo.data.mask_values.decide_meaning`), as far
    as one file can tell. Where the rule reads each file by itself, it is, by what the file holds:

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
        UnreadableImage: missing, empty, truncated, no image, or more pixels than may be.
    """
    return read_labels(path, rule).object


def read_labels(path: Path, rule: ReadingRule | None = None) -> Labels:
    """The mask as :func:`read_mask` has it, and what in it is neither object nor ground.

    Raises:
        UnreadableImage: as :func:`read_mask`.
    """
    with _one_line(path):
        file = _decode(path, rule or BY_ITSELF)
        if rule is None:
            look = look_at_mask(file.picture, lossy=file.lossy)
            rule = ReadingRule(meaning_alone(look))
        return _labels(file, file.orientation, rule)


def read_pair(
    pair: Pair, at_least: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Image ``[H, W, 3]`` and mask ``[H, W]`` of one size, as displayed; void counts as ground.

    As :func:`read_labelled`, for whoever has no use for what is void.
    """
    image, labels = read_labelled(pair, at_least)
    return image, labels.object


def read_labelled(pair: Pair, at_least: int | None = None) -> tuple[NDArray[np.uint8], Labels]:
    """Image ``[H, W, 3]`` and labels ``[H, W]`` of one size, as displayed, by the pair's rule.

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
    photo, drawing, turn = _decode_pair(pair, at_least)
    with _one_line(pair.image):
        image = _rgb(photo, photo.orientation, pair.rule)
    with _one_line(pair.mask):
        return image, _labels(drawing, turn, pair.rule)


def see_pair(pair: Pair, at_least: int | None = None) -> Seen:
    """A pair, and all that is to be known of its values to decide for its data set.

    Raises:
        UnreadableImage: as :func:`read_labelled`.
    """
    photo, drawing, turn = _decode_pair(pair, at_least)
    rule = ReadingRule(max_pixels=pair.rule.max_pixels)
    with _one_line(pair.image):
        image = _rgb(photo, photo.orientation, rule)
        numbers = _numbers(photo)
    with _one_line(pair.mask):
        values = look_at_mask(drawing.picture, lossy=drawing.lossy)
        share = _share_of(values, drawing)
        return Seen(image, drawing.size_after(turn), share, values, numbers)


def see_image(path: Path, rule: ReadingRule = BY_ITSELF) -> WideLook | None:
    """The numbers of an image file, where they have more than 8 bits.

    Raises:
        UnreadableImage: as :func:`read_image`.
    """
    with _one_line(path):
        return _numbers(_decode(path, rule))


def is_wide_file(path: Path) -> bool:
    """Whether an image file has more than 8 bits a channel; its pixels are not decoded.

    Raises:
        UnreadableImage: as :func:`read_image`, but for damage that only decoding shows.
    """
    with _one_line(path), path.open("rb") as file:
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


def see_mask(path: Path, rule: ReadingRule = BY_ITSELF) -> MaskLook:
    """The values of a mask file, whatever the rule says of them.

    Raises:
        UnreadableImage: as :func:`read_mask`.
    """
    return see_mask_file(path, rule).values


def see_mask_file(path: Path, rule: ReadingRule = BY_ITSELF) -> SeenMask:
    """A mask file, and all that is to be known of its values to decide for its data set.

    Raises:
        UnreadableImage: as :func:`read_mask`.
    """
    with _one_line(path):
        file = _decode(path, rule)
        values = look_at_mask(file.picture, lossy=file.lossy)
        share = _share_of(values, file)
        return SeenMask(file.size_after(file.orientation), share, values, file.picture.mode)


@dataclass(frozen=True)
class _Decoded:
    """A decoded file.

    Attributes:
        picture: its pixels.
        stored: height and width before any orientation and before any scaled decoding, in px.
        orientation: the tag's value, 1 to 8.
        upright: whether Pillow has already applied the orientation, as it does for TIFF.
        lossy: whether the codec rounds values.
        declared: what the file says is black and white, where it has more than 8 bits.
        low_bytes: of colours of 16 bits, the picture of their lower halves.
    """

    picture: Image.Image
    stored: tuple[int, int]
    orientation: int
    upright: bool
    lossy: bool
    declared: tuple[float, float] = (0, 0)
    low_bytes: Image.Image | None = None

    def size_after(self, turn: int) -> tuple[int, int]:
        return self.stored[::-1] if turn >= 5 else self.stored


def _decode_pair(pair: Pair, at_least: int | None) -> tuple[_Decoded, _Decoded, int]:
    """Both files of a pair, and the orientation that the mask is to get."""
    with _one_line(pair.image):
        photo = _decode(pair.image, pair.rule, at_least)
    with _one_line(pair.mask):
        drawing = _decode(pair.mask, pair.rule)
        turn = drawing.orientation
        if turn == 1 and drawing.stored == photo.stored:
            turn = photo.orientation
        _check_sizes(pair, photo.size_after(photo.orientation), drawing.size_after(turn))
    return photo, drawing, turn


def _decode(path: Path, rule: ReadingRule, at_least: int | None = None) -> _Decoded:
    # By a file object: given a path, Pillow (13.0 at least) maps an uncompressed grey TIFF into
    # memory with height and width the wrong way round if its orientation swaps them.
    with path.open("rb") as file:
        if file.read(len(_ARRAY)) == _ARRAY:
            return _decode_array(file, rule)
        return _decode_picture(file, rule, at_least)


def _decode_picture(file: IO[bytes], rule: ReadingRule, at_least: int | None) -> _Decoded:
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
    if at_least is not None and decoded.width * decoded.height > _BIG:
        decoded, low = _reduced(decoded, low, at_least)
    upright = tiff and orientation > 1
    return _Decoded(decoded, (height, width), orientation, upright, lossy, declared, low)


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


def _decode_array(file: IO[bytes], rule: ReadingRule) -> _Decoded:
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
    return _Decoded(picture, (height, width), 1, upright=False, lossy=False)


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


def _rgb(file: _Decoded, turn: int, rule: ReadingRule) -> NDArray[np.uint8]:
    if file.low_bytes is not None and rule.scale is not None:
        return rule.scale.to_bytes(_sixteen(file, turn))
    return to_rgb(_turned(file, file.picture, turn), rule.scale)


def _sixteen(file: _Decoded, turn: int) -> NDArray[np.int64]:
    if file.low_bytes is None:
        raise ValueError("want colours of 16 bits")
    return join_halves(_turned(file, file.picture, turn), _turned(file, file.low_bytes, turn))


def _numbers(file: _Decoded) -> WideLook | None:
    if file.low_bytes is not None:
        return look_at_numbers(_sixteen(file, 1), file.declared)
    if is_wide(file.picture):
        return look_at_numbers(wide_values(file.picture), file.declared)
    return None


def _labels(file: _Decoded, turn: int, rule: ReadingRule) -> Labels:
    picture, meaning = _turned(file, file.picture, turn), rule.mask
    if meaning.plane is Plane.EACH:
        return Labels(to_mask(picture, lossy=file.lossy), None)
    labels = label_codes(codes_of(picture, meaning.plane), meaning)
    return Labels(labels == 1, labels == VOID if meaning.has_void else None)


def _share_of(look: MaskLook, drawing: _Decoded) -> float:
    """The share that is object by the file alone; of plain grey by its values, the same number."""
    if look.values and drawing.picture.mode in ("1", "L"):
        ones = max(look.codes) <= 1 and not drawing.lossy
        return sum(v.count for v in look.values if v.code > (0 if ones else 127)) / look.total
    return float(to_mask(drawing.picture, lossy=drawing.lossy).mean())


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # a garbled EXIF block spoils no pixel; viewers show such files unturned
        return 1
    return value if value in _TURNS else 1


def _turned(file: _Decoded, picture: Image.Image, turn: int) -> Image.Image:
    if turn == 1 or file.upright:
        return picture
    return picture.transpose(_TURNS[turn])


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
