"""What the numbers of a data set's images mean: which is black and which is white, for all."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decamo.data.rules import PixelScale
from decamo.data.wide_files import greatest_value
from decamo.settings.words import counted

__all__ = [
    "WideLook",
    "decide_scale",
    "declared_range",
    "fitting_scale",
    "look_at_numbers",
    "scale_words",
]

_FULL = 65535
_SAMPLE = 1_000_000  # numbers of an image that its percentiles are taken over
_TAILS = (0.1, 99.9)  # percent: what lies beyond is hot pixels, dead pixels and glints
_FILES = (5, 95)  # percent of the files
_SLACK = 0.1  # of a range, by which robust extremes may be beyond it
_SEEN = 1 / 64  # of a range, which numbers fill at least if it is theirs: four levels of 255
_TIFF_LOW, _TIFF_HIGH, _TIFF_BITS = (280, 340), (281, 341), 258  # TIFF 6.0: (S)Min, (S)MaxSample


@dataclass(frozen=True)
class WideLook:
    """The numbers of one image with more than 8 bits a channel.

    Attributes:
        low: the least; NaN and infinities left out.
        high: the greatest.
        dark: 0.1 % of the numbers are below.
        bright: 0.1 % of the numbers are above.
        declared: what the file says is white; 0 where it says nothing.
        declared_low: what it says is black.
        whole: whether they are whole numbers.
    """

    low: float
    high: float
    dark: float
    bright: float
    declared: float = 0.0
    declared_low: float = 0.0
    whole: bool = True

    def to_plain(self) -> list[Any]:
        """Plain JSON values."""
        return [*vars(self).values()]

    @classmethod
    def from_plain(cls, plain: Any) -> "WideLook":
        """The inverse of :meth:`to_plain`.

        Raises:
            ValueError, TypeError: no such list.
        """
        low, high, dark, bright, declared, declared_low, whole = plain
        return cls(
            float(low),
            float(high),
            float(dark),
            float(bright),
            float(declared),
            float(declared_low),
            bool(whole),
        )


def look_at_numbers(values: NDArray[Any], declared: tuple[float, float] = (0, 0)) -> WideLook:
    """Look at an image's numbers, of any shape.

    Args:
        values: whole numbers or floats.
        declared: what the file says is black and white; (0, 0) where it says nothing.
    """
    whole = bool(np.issubdtype(values.dtype, np.integer))
    flat = values.reshape(-1)
    finite = flat if whole else flat[np.isfinite(flat)]
    if not finite.size:
        return WideLook(0, 0, 0, 0, declared[1], declared[0], whole)
    sample = finite[:: max(1, finite.size // _SAMPLE)]
    dark, bright = np.percentile(sample, _TAILS)
    low, high = float(finite.min()), float(finite.max())
    return WideLook(low, high, float(dark), float(bright), declared[1], declared[0], whole)


def declared_range(picture: Image.Image, file: IO[bytes]) -> tuple[float, float]:
    """What a file says is black and white; (0, 0) where it says nothing worth knowing.

    TIFF's sample values and its bits where they are no 8 or 16, a PNG's significant bits (sBIT),
    and PGM, whose greatest value Pillow brings to 65535.

    Args:
        picture: opened, perhaps decoded.
        file: that it was opened from, which is read again from its beginning.
    """
    if picture.format == "PPM":  # Pillow brings grey numbers to all of 16 bits, colours we do not
        top = greatest_value(file)
        return (0, 0) if top == _FULL else (0, top if picture.mode == "RGB" else _FULL)
    if picture.format == "PNG":
        bits = _significant_bits(file)
        return (0, 2**bits - 1) if 8 < bits < 16 else (0, 0)
    if picture.format != "TIFF":
        return 0, 0
    tags: Any = picture.tag_v2  # type: ignore[attr-defined]
    high = next((_number(tags[tag]) for tag in _TIFF_HIGH if tag in tags), 0.0)
    low = next((_number(tags[tag]) for tag in _TIFF_LOW if tag in tags), 0.0)
    if high > low and (low, high) != (0, _FULL):  # writers state the full range without a thought
        return low, high
    bits = int(_number(tags.get(_TIFF_BITS, 16)))
    return (0, 2**bits - 1) if 8 < bits < 16 else (0, 0)


def decide_scale(looks: Sequence[WideLook]) -> PixelScale | None:
    """Which number is black and which is white in all images of a set.

    What the files declare, where all do and their numbers fit; else 0 to 255, 0 to 1 or all of 16
    bits where the numbers fill such a range; else robust percentiles over the set.

    Args:
        looks: of the images with more than 8 bits a channel.

    Returns:
        None where each file is read by itself as it always was: there is no such image, or its
        numbers fill 16 bits.
    """
    if not looks:
        return None
    low, high = min(look.low for look in looks), max(look.high for look in looks)
    declared = max(look.declared for look in looks)
    if all(look.declared for look in looks) and high <= declared:
        below = min(look.declared_low for look in looks)
        return None if (below, declared) == (0, _FULL) else PixelScale(below, declared)
    dark = float(np.percentile([look.dark for look in looks], _FILES[0]))
    bright = float(np.percentile([look.bright for look in looks], _FILES[1]))
    whole = all(look.whole for look in looks)
    if low >= 0:
        for top in (255, _FULL) if whole else (1, 255, _FULL):
            if high <= top and bright >= top / 2 and dark <= top / 5:
                return None if whole and top == _FULL else PixelScale(0, top)
    if bright <= dark:
        dark, bright = (low, high) if high > low else (low, low + 1)
    return PixelScale(dark, bright)


def fitting_scale(
    looks: Sequence[WideLook], known: Mapping[str, PixelScale], name: str = ""
) -> tuple[PixelScale | None, str]:
    """Which range of training is that of some images, and that in words.

    That which they would have by themselves, if it is among them (as where files declare their
    range); else that of the data set of the same name, else the narrowest, of those that hold them
    and are not all but empty of them; else none of these, but what they have by themselves.

    Args:
        looks: of the images with more than 8 bits a channel; at least one.
        known: by data set.
        name: of the data set that the images belong to, where there is one.
    """
    scale, why = _fitting(looks, known, name)
    low, high = (0.0, float(_FULL)) if scale is None else (scale.low, scale.high)
    return scale, f"{low:g} is black and {high:g} is white, {why}"


def _fitting(
    looks: Sequence[WideLook], known: Mapping[str, PixelScale], name: str
) -> tuple[PixelScale | None, str]:
    own = decide_scale(looks)
    alike = [one for one, scale in known.items() if scale == own]
    if alike:
        return own, f"as in training on {alike[0]}"
    dark = float(np.percentile([look.dark for look in looks], _FILES[0]))
    bright = float(np.percentile([look.bright for look in looks], _FILES[1]))
    fits = [one for one, scale in known.items() if _holds(scale, dark, bright)]
    if fits:
        best = min(fits, key=lambda one: (one != name, known[one].high - known[one].low))
        return known[best], f"as in training on {best}"
    ranges = ", ".join(f"{s.low:g} to {s.high:g} on {one}" for one, s in known.items())
    return own, f"as these files have it: their numbers fit no range of training ({ranges})"


def _holds(scale: PixelScale, dark: float, bright: float) -> bool:
    """Whether a range holds what is between two robust extremes and is not all but empty of it."""
    span = scale.high - scale.low
    inside = scale.low - _SLACK * span <= dark and bright <= scale.high + _SLACK * span
    return inside and bright - dark >= _SEEN * span


def scale_words(looks: Sequence[WideLook], scale: PixelScale | None) -> str:
    """One line on what was decided; empty where there was nothing to decide."""
    if not looks:
        return ""
    low, high = min(look.low for look in looks), max(look.high for look in looks)
    kind = "whole numbers" if all(look.whole for look in looks) else "floats"
    black, white = (0.0, float(_FULL)) if scale is None else (scale.low, scale.high)
    why = "all of 16 bits" if scale is None else "robust percentiles of them all"
    if scale is not None and scale.high == max(look.declared for look in looks):
        why = "as the files declare"
    elif scale is not None and (scale.low, scale.high) in ((0, 255), (0, 1)):
        why = "a range that they fill"
    return (
        f"{counted(len(looks), 'image')} of more than 8 bits, {kind} from {low:g} to {high:g}:"
        f" {black:g} is black and {white:g} is white ({why})"
    )


def _number(value: Any) -> float:
    return float(value[0] if isinstance(value, tuple) else value)


def _significant_bits(file: IO[bytes]) -> int:
    """The most bits of a channel that a PNG's sBIT chunk names; 0 where it has none."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"sBIT":
            return max(file.read(min(length, 4)), default=0)
        if name in (b"IDAT", b"PLTE", b"IEND"):
            return 0
        file.seek(length + 4, 1)
    return 0
