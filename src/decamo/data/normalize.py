"""Pillow's many modes -> RGB bytes, boolean masks, and the values that masks are made of."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decamo.data.rules import PixelScale, Plane

__all__ = [
    "codes_of",
    "grey_to_mask",
    "is_wide",
    "one_colour",
    "plane_of",
    "to_mask",
    "to_rgb",
    "wide_values",
]

_ALPHA = ("LA", "PA", "RGBA")
_PHOTO = 64  # colours, in a picture that has more of them it is no drawing of labels
_CHROMA = 64  # between largest and smallest channel, from which on a codec did not make the colour
_TINGE = 32  # the same in a file that was not made lossy, but may come from one that was
_LARGE = 16_000_000  # px
_COLOURED = 0.05  # share of the pixels that are not black


def is_wide(picture: Image.Image) -> bool:
    """Whether its numbers are not 8-bit, so that a scale must say what is white."""
    return picture.mode.startswith("I") or picture.mode == "F"


def wide_values(picture: Image.Image) -> NDArray[np.int64] | NDArray[np.float64]:
    """The numbers of such a picture ``[H, W]``; floats may hold NaN."""
    if picture.mode == "F":
        return np.asarray(picture, dtype=np.float64)
    return np.asarray(picture, dtype=np.int64)


def to_rgb(picture: Image.Image, scale: PixelScale | None = None) -> NDArray[np.uint8]:
    """Any decoded picture as uint8 ``[H, W, 3]`` RGB; see ``read_image`` for the rule."""
    if is_wide(picture) and scale is not None:
        return _grey_to_rgb(scale.to_bytes(wide_values(picture)))
    if picture.mode.startswith("I"):
        return _grey_to_rgb(PixelScale(0, 65535).to_bytes(wide_values(picture)))
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0, neginf=0)
        top = 1 if values.max(initial=0) <= 1 else 255
        return _grey_to_rgb(np.clip(np.rint(values * (255 / top)), 0, 255))
    if picture.mode in _ALPHA or (picture.mode == "P" and "transparency" in picture.info):
        picture = picture.convert("RGBA")  # P -> RGB at once would warn about its transparency
    # most are RGB, and convert() would copy them all the same
    if picture.width * picture.height > _LARGE:
        return _in_strips(picture)
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"), dtype=np.uint8)


def _in_strips(picture: Image.Image) -> NDArray[np.uint8]:
    """The same of a large picture, without a second copy of it in between."""
    pixels = np.empty((picture.height, picture.width, 3), dtype=np.uint8)
    rows = max(1, _LARGE // (8 * picture.width))
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        pixels[top : top + rows] = np.asarray(strip.convert("RGB"))
    return pixels


def to_mask(picture: Image.Image, *, lossy: bool) -> NDArray[np.bool_]:
    """Any decoded picture as bool ``[H, W]``, by itself; see ``read_mask`` for the rule.

    Args:
        picture: the mask, decoded.
        lossy: whether its values went through a lossy codec (JPEG).
    """
    if picture.mode == "P":
        return _palette_mask(picture)
    if picture.mode in _ALPHA:
        alpha = np.asarray(picture.convert("RGBA"))[..., 3]
        if one_colour(picture) and alpha.min() != alpha.max():
            return grey_to_mask(alpha, lossy)
        return grey_to_mask(np.asarray(picture.convert("RGBA").convert("RGB").convert("L")), lossy)
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture), nan=0, posinf=0, neginf=0)
        return np.asarray(values >= (0.5 if values.max(initial=0) <= 1 else 128))
    if picture.mode.startswith("I"):
        wide = np.asarray(picture, dtype=np.int64)
        return wide >= 32768 if wide.max(initial=0) > 255 else grey_to_mask(wide, lossy)
    if picture.mode == "1":
        return np.array(picture, dtype=np.bool_)
    grey = picture if picture.mode == "L" else picture.convert("RGB").convert("L")
    return grey_to_mask(np.asarray(grey), lossy)


def plane_of(picture: Image.Image, *, lossy: bool) -> Plane:
    """Where a mask has its labels, judged by this file alone.

    Alpha where it varies and one single colour fills the image, or where so many colours do that
    it is a photograph cut out along its alpha. Of palettes the index where the colours are no
    greys; of RGB the colour where it is no grey.
    """
    if _has_alpha(picture):
        rgba = np.asarray(picture.convert("RGBA"))
        alpha = rgba[..., 3]
        if alpha.min() != alpha.max():
            packed = _packed(rgba[:: max(1, len(rgba) // 256)])
            if one_colour(picture) or len(np.unique(packed)) > _PHOTO:
                return Plane.ALPHA
        picture = picture if picture.mode == "P" else picture.convert("RGBA").convert("RGB")
    if picture.mode == "P":
        colours = _palette(picture)
        used = np.unique(np.asarray(picture))
        same = len(np.unique(_packed(colours[None, used]))) < len(used)
        grey = bool((colours[used] == colours[used, :1]).all())
        # A palette of greys means its greys; one that tells its indices apart, its indices.
        return Plane.INDEX if same or not grey else Plane.LEVELS
    if picture.mode in ("1", "L", "F") or picture.mode.startswith("I"):
        return Plane.LEVELS
    colours = np.asarray(picture.convert("RGB"))
    chroma = np.ptp(colours, axis=2)
    if not lossy:
        return Plane.COLOUR if chroma.max(initial=0) >= _TINGE else Plane.LEVELS
    bright = np.count_nonzero(colours.max(axis=2) >= _CHROMA)
    coloured = np.count_nonzero(chroma >= _CHROMA)
    return Plane.COLOUR if bright and coloured > _COLOURED * bright else Plane.LEVELS


def one_colour(picture: Image.Image) -> bool:
    """Whether one single colour fills a picture, whatever its alpha."""
    rgba = np.asarray(picture.convert("RGBA"))
    return bool((rgba[..., :3] == rgba[:1, :1, :3]).all())


def codes_of(picture: Image.Image, plane: Plane) -> NDArray[np.uint8] | NDArray[np.int64]:
    """The values of a mask ``[H, W]`` in a plane; see :class:`~decamo.data.rules.Plane`.

    One bit counts as 0 and 255. So do floats between 0 and 1, in steps of 1 / 255; whole and
    greater ones are rounded down, and NaN is 0.
    """
    if plane is Plane.ALPHA:
        return np.asarray(picture.convert("RGBA"))[..., 3]
    if plane is Plane.COLOUR:
        rgb = picture.convert("RGBA") if _has_alpha(picture) else picture
        return _packed(np.asarray(rgb.convert("RGB")))
    if picture.mode == "P":
        index = np.asarray(picture)
        colours = _palette(picture)
        if plane is Plane.INDEX or colours.max() <= 1:
            return index
        return np.asarray(colours.max(axis=1))[index]
    if picture.mode == "1":
        return np.asarray(picture).astype(np.uint8) * np.uint8(255)
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0, neginf=0)
        unit = values.max(initial=0) <= 1 and values.min(initial=0) >= 0
        unit = unit and bool((values % 1).any())  # ids are floats too, at times
        return np.asarray(np.floor(values * 255 + 0.5 if unit else values), dtype=np.int64)
    if picture.mode.startswith("I"):
        return np.asarray(picture, dtype=np.int64)
    if picture.mode == "L":
        return np.asarray(picture)
    rgb = picture.convert("RGBA") if _has_alpha(picture) else picture
    return np.asarray(np.asarray(rgb.convert("RGB")).max(axis=2))


def _has_alpha(picture: Image.Image) -> bool:
    return picture.mode in _ALPHA or "transparency" in picture.info


def _packed(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    red, green, blue = (colours[..., i].astype(np.int64) for i in range(3))
    return red << 16 | green << 8 | blue


def _palette(picture: Image.Image) -> NDArray[np.uint8]:
    """Colours of the 256 indices, uint8 ``[256, 3]``; black where the palette has none."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    palette = np.array(picture.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    colours[: len(palette)] = palette
    return colours


def _palette_mask(picture: Image.Image) -> NDArray[np.bool_]:
    index = np.asarray(picture)
    colours = _palette(picture).max(axis=1)
    if colours.max() <= 1:
        return index > 0
    return grey_to_mask(colours[index], lossy=False)


def grey_to_mask(grey: NDArray[np.integer], lossy: bool) -> NDArray[np.bool_]:
    """Grey levels ``[H, W]`` as a mask: 0/1 by > 0, 0..255 by >= 128.

    A codec's ringing is never a 0/1 mask.
    """
    if not lossy and grey.max(initial=0) <= 1:
        return np.asarray(grey > 0)
    return np.asarray(grey >= 128)


def _grey_to_rgb(grey: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
