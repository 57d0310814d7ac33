"""How the files of a data set are read: what a mask's values mean, what an image's numbers mean.

Both are decided once a data set, from all its files (:mod:`~decamo.data.mask_values`,
:mod:`~decamo.data.pixel_range`), travel with every pair, and are kept in checkpoints.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BY_ITSELF",
    "MAX_PIXELS",
    "VOID",
    "MaskMeaning",
    "PixelScale",
    "Plane",
    "ReadingRule",
    "Rest",
    "label_codes",
    "nearest_colours",
    "rules_from_plain",
]

VOID = 255  # in a label map: neither object nor ground, left out of loss and scores
_AT_ONCE = 65536  # colours that are compared at once, to bound the memory
MAX_PIXELS = 300_000_000  # 1.2 GB decoded; the largest photographs of phones have 200 million


class Plane(StrEnum):
    """Where in a mask file its labels lie."""

    EACH = "each"  # wherever each file has them; its values are read by the file alone
    LEVELS = "levels"  # grey levels; of colours the largest channel
    INDEX = "index"  # a palette's indices; grey levels where a file has no palette
    COLOUR = "colour"  # red * 65536 + green * 256 + blue
    ALPHA = "alpha"  # the alpha channel


class Rest(StrEnum):
    """What a value is that no rule names."""

    OBJECT = "object"
    GROUND = "ground"
    VOID = "void"
    NEAREST = "nearest"  # what the nearest named value is; the upper one where two are as near.
    # Colours are near by their distance in RGB.


@dataclass(frozen=True)
class MaskMeaning:
    """What the values of a data set's masks mean.

    Attributes:
        plane: where the values lie.
        object: values of the object.
        ground: values of the ground.
        void: values that are neither, and count neither in a loss nor in a score.
        rest: what all other values are. With ``Plane.EACH`` the values are empty and
            :func:`~decamo.data.reading.read_mask` has the rule.
    """

    plane: Plane = Plane.EACH
    object: tuple[int, ...] = ()
    ground: tuple[int, ...] = ()
    void: tuple[int, ...] = ()
    rest: Rest = Rest.NEAREST

    @property
    def has_void(self) -> bool:
        """Whether some pixel of some mask may be void."""
        return bool(self.void) or self.rest is Rest.VOID

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "MaskMeaning":
        """Back from the part ``mask`` of :meth:`ReadingRule.to_plain`."""
        object_, ground, void = (
            tuple(int(v) for v in plain[name]) for name in ("object", "ground", "void")
        )
        return cls(Plane(plain["plane"]), object_, ground, void, Rest(plain["rest"]))


@dataclass(frozen=True)
class PixelScale:
    """Numbers of more than 8 bits -> grey levels: ``low`` becomes 0, ``high`` becomes 255.

    Attributes:
        low: what becomes black; everything below it too.
        high: what becomes white; everything above it too. Greater than ``low``.
    """

    low: float
    high: float

    def to_bytes(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Any numbers as uint8 of the same shape; NaN becomes black."""
        if (self.low, self.high) == (0, 65535) and np.issubdtype(values.dtype, np.integer):
            whole = np.clip(values.astype(np.int64), 0, 65535)
            return np.asarray((whole + 128) // 257).astype(np.uint8)
        exact = np.nan_to_num(values.astype(np.float64), nan=self.low)
        inside = np.clip(exact, self.low, self.high) - self.low
        return np.rint(inside * (255 / (self.high - self.low))).astype(np.uint8)


@dataclass(frozen=True)
class ReadingRule:
    """How the files of a data set are read; the default reads each file by itself.

    Attributes:
        mask: what the masks' values mean.
        scale: of images whose numbers have more than 8 bits; None: the whole 16-bit range, floats
            by whether any exceeds 1.
        max_pixels: the most that a file may have to be decoded.
    """

    mask: MaskMeaning = MaskMeaning()
    scale: PixelScale | None = None
    max_pixels: int = MAX_PIXELS

    def to_plain(self) -> dict[str, Any]:
        """Plain JSON values, equal for equal rules."""
        mask = {
            "plane": self.mask.plane.value,
            "object": list(self.mask.object),
            "ground": list(self.mask.ground),
            "void": list(self.mask.void),
            "rest": self.mask.rest.value,
        }
        scale = None if self.scale is None else asdict(self.scale)
        return {"mask": mask, "scale": scale, "max_pixels": self.max_pixels}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "ReadingRule":
        """The inverse of :meth:`to_plain`."""
        scale = plain["scale"]
        return cls(
            MaskMeaning.from_plain(plain["mask"]),
            None if scale is None else PixelScale(float(scale["low"]), float(scale["high"])),
            int(plain["max_pixels"]),
        )


def rules_from_plain(plain: Any) -> dict[str, ReadingRule]:
    """Rules by data set, out of a checkpoint; none where it holds none, or those of a later age."""
    if not isinstance(plain, Mapping):
        return {}
    try:
        return {str(name): ReadingRule.from_plain(rule) for name, rule in plain.items()}
    except (KeyError, TypeError, ValueError):
        return {}


BY_ITSELF = ReadingRule()
"""Each file by itself."""


def label_codes(codes: NDArray[Any], meaning: MaskMeaning) -> NDArray[np.uint8]:
    """Values of a mask as labels.

    Args:
        codes: whole numbers ``[...]``, in the plane of the meaning.
        meaning: not of ``Plane.EACH``.

    Returns:
        uint8 of the same shape: 1 object, 0 ground, ``VOID`` neither.
    """
    if codes.dtype == np.uint8:
        return _table(meaning).take(codes)
    distinct, inverse = np.unique(codes, return_inverse=True)
    return _labels(distinct, meaning)[inverse].reshape(codes.shape)


def nearest_colours(packed: NDArray[Any], among: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of some colours each one is nearest to in RGB; the first of two as near.

    Args:
        packed: colours ``[...]``, red * 65536 + green * 256 + blue.
        among: such colours ``[N]``.

    Returns:
        Indices into ``among``, of the shape of ``packed``.
    """
    distinct, inverse = np.unique(packed, return_inverse=True)
    ours, theirs = (
        np.stack([colours >> shift & 255 for shift in (16, 8, 0)], axis=-1)
        for colours in (distinct.astype(np.int64), among)
    )
    nearest = np.empty(len(distinct), dtype=np.int64)
    for begin in range(0, len(distinct), _AT_ONCE):
        part = ours[begin : begin + _AT_ONCE, None]
        nearest[begin : begin + _AT_ONCE] = ((part - theirs) ** 2).sum(axis=-1).argmin(axis=1)
    return nearest[inverse].reshape(np.shape(packed))


@lru_cache(maxsize=64)
def _table(meaning: MaskMeaning) -> NDArray[np.uint8]:
    return _labels(np.arange(256), meaning)


def _labels(values: NDArray[Any], meaning: MaskMeaning) -> NDArray[np.uint8]:
    named = dict.fromkeys(meaning.ground, 0) | dict.fromkeys(meaning.void, VOID)
    named |= dict.fromkeys(meaning.object, 1)
    if meaning.rest is Rest.NEAREST and named and meaning.plane is Plane.COLOUR:
        colours = np.array(sorted(named, reverse=True), dtype=np.int64)
        labels = np.array([named[int(v)] for v in colours], dtype=np.uint8)
        return labels[nearest_colours(values, colours)]
    if meaning.rest is Rest.NEAREST and named:
        known = np.array(sorted(named), dtype=np.int64)
        labels = np.array([named[int(v)] for v in known], dtype=np.uint8)
        middles = (known[:-1] + known[1:] + 1) // 2
        return labels[np.searchsorted(middles, values, side="right")]
    other = {Rest.OBJECT: 1, Rest.VOID: VOID}.get(meaning.rest, 0)
    return np.array([named.get(int(v), other) for v in values], dtype=np.uint8)
