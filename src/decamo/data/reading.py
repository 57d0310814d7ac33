"""Images and masks as pixels, by the rule of their data set; before one, what their files hold."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decamo.data.decoding import DecodedFile, as_unreadable, decode_file, turned_upright
from decamo.data.mask_look import MaskLook, look_at_mask
from decamo.data.mask_values import meaning_alone
from decamo.data.normalize import (
    codes_of,
    grey_to_mask,
    is_wide,
    to_mask,
    to_rgb,
    wide_values,
)
from decamo.data.pairs import Pair
from decamo.data.pixel_range import WideLook, look_at_numbers
from decamo.data.rules import BY_ITSELF, VOID, MaskMeaning, Plane, ReadingRule, label_codes
from decamo.data.wide_files import (
    join_halves,
)
from decamo.errors import UnreadableImage

__all__ = [
    "Labels",
    "Seen",
    "SeenMask",
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
    with as_unreadable(path):
        file = decode_file(path, rule, at_least, as_array=True)
        return _rgb(file, file.orientation, rule)


def read_picture(path: Path, rule: ReadingRule = BY_ITSELF) -> Image.Image:
    """The decoded file as displayed, EXIF orientation applied, in the mode that it has.

    Raises:
        UnreadableImage: as :func:`read_image`.
    """
    with as_unreadable(path):
        file = decode_file(path, rule)
        return turned_upright(file, file.picture, file.orientation)


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
    with as_unreadable(path):
        file = decode_file(path, rule or BY_ITSELF, as_array=rule is not None)
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
    photo, drawing, turn = _decode_pair(pair, at_least, as_array=True)
    with as_unreadable(pair.image):
        image = _rgb(photo, photo.orientation, pair.rule)
    with as_unreadable(pair.mask):
        return image, _labels(drawing, turn, pair.rule)


def see_pair(pair: Pair, at_least: int | None = None) -> Seen:
    """A pair, and all that is to be known of its values to decide for its data set.

    Raises:
        UnreadableImage: as :func:`read_labelled`.
    """
    photo, drawing, turn = _decode_pair(pair, at_least)
    rule = ReadingRule(max_pixels=pair.rule.max_pixels)
    with as_unreadable(pair.image):
        image = _rgb(photo, photo.orientation, rule)
        numbers = _numbers(photo)
    with as_unreadable(pair.mask):
        values = look_at_mask(drawing.picture, lossy=drawing.lossy)
        share = _share_of(values, drawing)
        return Seen(image, drawing.size_after(turn), share, values, numbers)


def see_image(path: Path, rule: ReadingRule = BY_ITSELF) -> WideLook | None:
    """The numbers of an image file, where they have more than 8 bits.

    Raises:
        UnreadableImage: as :func:`read_image`.
    """
    with as_unreadable(path):
        return _numbers(decode_file(path, rule))


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
    with as_unreadable(path):
        file = decode_file(path, rule)
        values = look_at_mask(file.picture, lossy=file.lossy)
        share = _share_of(values, file)
        return SeenMask(file.size_after(file.orientation), share, values, file.picture.mode)


def _decode_pair(
    pair: Pair, at_least: int | None, *, as_array: bool = False
) -> tuple[DecodedFile, DecodedFile, int]:
    """Both files of a pair, and the orientation that the mask is to get."""
    with as_unreadable(pair.image):
        photo = decode_file(pair.image, pair.rule, at_least, as_array=as_array)
    with as_unreadable(pair.mask):
        drawing = decode_file(pair.mask, pair.rule, as_array=as_array)
        turn = drawing.orientation
        if turn == 1 and drawing.stored == photo.stored:
            turn = photo.orientation
        _check_sizes(pair, photo.size_after(photo.orientation), drawing.size_after(turn))
    return photo, drawing, turn


def _rgb(file: DecodedFile, turn: int, rule: ReadingRule) -> NDArray[np.uint8]:
    if file.low_bytes is not None and rule.scale is not None:
        return rule.scale.to_bytes(_sixteen(file, turn))
    if isinstance(file.pixels, np.ndarray) and file.pixels.ndim == 3 and turn == 1:
        return file.pixels
    return to_rgb(turned_upright(file, file.picture, turn), rule.scale)


def _sixteen(file: DecodedFile, turn: int) -> NDArray[np.int64]:
    if file.low_bytes is None:
        raise ValueError("want colours of 16 bits")
    return join_halves(
        turned_upright(file, file.picture, turn), turned_upright(file, file.low_bytes, turn)
    )


def _numbers(file: DecodedFile) -> WideLook | None:
    if file.low_bytes is not None:
        return look_at_numbers(_sixteen(file, 1), file.declared)
    if is_wide(file.picture):
        return look_at_numbers(wide_values(file.picture), file.declared)
    return None


def _labels(file: DecodedFile, turn: int, rule: ReadingRule) -> Labels:
    meaning = rule.mask
    if isinstance(file.pixels, np.ndarray) and file.pixels.ndim == 2 and turn == 1:
        if meaning.plane is Plane.EACH:
            return Labels(grey_to_mask(file.pixels, lossy=file.lossy), None)
        if meaning.plane is Plane.LEVELS:
            return _labels_of(file.pixels, meaning)
    picture = turned_upright(file, file.picture, turn)
    if meaning.plane is Plane.EACH:
        return Labels(to_mask(picture, lossy=file.lossy), None)
    return _labels_of(codes_of(picture, meaning.plane), meaning)


def _labels_of(codes: NDArray[Any], meaning: MaskMeaning) -> Labels:
    labels = label_codes(codes, meaning)
    return Labels(labels == 1, labels == VOID if meaning.has_void else None)


def _share_of(look: MaskLook, drawing: DecodedFile) -> float:
    """The share that is object by the file alone; of plain grey by its values, the same number."""
    if look.values and drawing.picture.mode in ("1", "L"):
        ones = max(look.codes) <= 1 and not drawing.lossy
        return sum(v.count for v in look.values if v.code > (0 if ones else 127)) / look.total
    return float(to_mask(drawing.picture, lossy=drawing.lossy).mean())


def _check_sizes(pair: Pair, image: tuple[int, int], mask: tuple[int, int]) -> None:
    if image != mask:
        raise UnreadableImage(
            pair.mask,
            f"the mask is {mask[0]} x {mask[1]} px (height x width), "
            f"its image {pair.image.name} is {image[0]} x {image[1]} px",
            "bring both to one size or remove the pair",
        )
