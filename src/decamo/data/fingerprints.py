"""Images that are copies of each other though their bytes differ.

Two measures must agree before a pair is named. First a 64-bit difference hash (Krawetz, "Kind of
like that", 2013): is each cell of an 8 x 8 grid brighter than its left neighbour? Then the
normalized correlation of the 32 x 32 grey thumbnails, and the aspect ratio.

The thresholds come from the 848 images of a tenth of COD10K-v3 and CAMO: 359 128 pairs, each also
mirrored. The four that are copies to the eye, one of them cropped by a caption's rows, differ in at
most 5 bits and correlate by at least 0.900; of all others within 10 bits, none exceeds 0.734.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = [
    "GLANCE",
    "MAX_BITS",
    "MIN_CORRELATION",
    "Likeness",
    "Print",
    "alike",
    "difference_hash",
    "fingerprint_of",
    "resemblance",
]

GLANCE = 64  # px that each side must keep where a picture is decoded at a fraction of its size
MAX_BITS = 10
MIN_CORRELATION = 0.85
_MAX_STRETCH = 1.1  # of the aspect ratio: a crop that removes a caption stays within
_MIN_CONTRAST = 2.0  # grey levels; a flatter picture has no structure that could be compared
_SIDE = 32
_GRID = 72
_BLOCK = 512  # hashes on either side that are compared at a time: they stay in a core's cache
_THUMBS = 128  # thumbnails that are held at a time, 4 KiB each


@dataclass(frozen=True)
class Print:
    """What is kept of an image to compare it by.

    Attributes:
        grid: uint8 ``[8, 9]``, mean grey of the cells.
        thumb: uint8 ``[32, 32]``, mean grey of the cells.
        aspect: width / height of the image.
    """

    grid: bytes
    thumb: bytes
    aspect: float

    def to_text(self) -> str:
        """Grid and thumb in base64; the aspect is known from the image's size."""
        return base64.b64encode(self.grid + self.thumb).decode()

    @staticmethod
    def from_text(text: str, aspect: float) -> "Print":
        """The inverse of :meth:`to_text`.

        Raises:
            ValueError: no such text.
        """
        held = base64.b64decode(text, validate=True)
        if len(held) != _GRID + _SIDE**2:
            raise ValueError(f"{len(held)} bytes")
        return Print(held[:_GRID], held[_GRID:], aspect)


@dataclass(frozen=True)
class Likeness:
    """Two images that are alike.

    Attributes:
        left: position of one in the sequence given.
        right: position of the other, which is larger.
        bits: in which the difference hashes differ, 0 to 64.
        correlation: of the thumbnails, -1 to 1.
        mirrored: whether one is the other's mirror image.
    """

    left: int
    right: int
    bits: int
    correlation: float
    mirrored: bool


def fingerprint_of(pixels: NDArray[np.uint8]) -> Print:
    """The fingerprint of an RGB image, uint8 ``[H, W, 3]``, as displayed.

    A JPEG is best decoded with ``read_image(path, at_least=GLANCE)``, wherever it is to be compared
    with others: the same fraction of its size makes the same fingerprint.
    """
    grey = Image.fromarray(pixels).convert("L")
    height, width = pixels.shape[:2]
    box = Image.Resampling.BOX
    return Print(
        grey.resize((9, 8), box).tobytes(),
        grey.resize((_SIDE, _SIDE), box).tobytes(),
        width / height,
    )


def alike(prints: Sequence[Print]) -> list[Likeness]:
    """Every pair within ``MAX_BITS`` and above ``MIN_CORRELATION``, in order.

    Exhaustive, in blocks: 100 000 images are 5 billion pairs, of which bits are counted twice. Of
    an image 16 bytes are held; its thumbnail is asked for where the bits are near.
    """
    if len(prints) < 2:
        return []
    hashes, mirrors = np.empty((2, len(prints)), np.uint64)
    for place, one in enumerate(prints):
        hashes[place], mirrors[place] = _hash(one), _hash(one, mirrored=True)
    known = lru_cache(maxsize=_THUMBS)(lambda place: _contrasts(prints[place]))
    best: dict[tuple[int, int], Likeness] = {}
    for mirrored in (False, True):
        for left, right, bits in _close(hashes, mirrors if mirrored else hashes):
            (one_thumb, one_aspect), (thumb, aspect) = known(left), known(right)
            stretch = one_aspect / aspect
            if not 1 / _MAX_STRETCH <= stretch <= _MAX_STRETCH:
                continue
            other = thumb[:, :: -1 if mirrored else 1]
            correlation = min(float(one_thumb.ravel() @ other.ravel()), 1.0)
            if correlation < MIN_CORRELATION:
                continue
            # a symmetric picture is its own mirror image: the closer reading counts
            rival = best.get((left, right))
            if rival is None or correlation > rival.correlation:
                best[left, right] = Likeness(left, right, bits, correlation, mirrored)
    return [best[key] for key in sorted(best)]


def _contrasts(found: Print) -> tuple[NDArray[np.float32], float]:
    """A thumbnail whose products are correlations, ``[32, 32]``, and the aspect of its image."""
    thumb = np.frombuffer(found.thumb, np.uint8).astype(np.float32)[None]
    thumb -= thumb.mean(axis=1, keepdims=True)
    contrast = np.sqrt((thumb**2).mean(axis=1))
    thumb /= np.maximum(contrast, 1e-6)[:, None] * _SIDE
    if contrast[0] < _MIN_CONTRAST:
        thumb[:] = 0  # correlates with nothing
    return thumb.reshape(_SIDE, _SIDE), found.aspect


def resemblance(prints: Sequence[Print]) -> NDArray[np.float32]:
    """Correlation of each thumbnail with the next one's, -1 to 1; ``[N - 1]``.

    One without structure correlates with nothing, so by 0.
    """
    thumbs = np.stack([np.frombuffer(p.thumb, np.uint8) for p in prints]).astype(np.float32)
    thumbs -= thumbs.mean(axis=1, keepdims=True)
    contrast = np.sqrt((thumbs**2).mean(axis=1))
    thumbs /= np.maximum(contrast, _MIN_CONTRAST)[:, None] * _SIDE
    return np.asarray((thumbs[:-1] * thumbs[1:]).sum(axis=1))


def difference_hash(found: Print) -> str:
    """The 64 bits that :func:`alike` compares first, as 16 hex digits."""
    return f"{_hash(found):016x}"


def _hash(found: Print, *, mirrored: bool = False) -> int:
    """64 bits: is each cell brighter than its left neighbour?"""
    grid = np.frombuffer(found.grid, np.uint8).reshape(8, 9)[:, :: -1 if mirrored else 1]
    return int.from_bytes(np.packbits(grid[:, 1:] > grid[:, :-1]).tobytes(), "big")


def _close(ones: NDArray[np.uint64], others: NDArray[np.uint64]) -> Iterator[tuple[int, int, int]]:
    """Places of a left one and of a later right one whose bits are near, and how many differ."""
    for start in range(0, len(ones), _BLOCK):
        for first in range(start, len(others), _BLOCK):
            some = ones[start : start + _BLOCK, None] ^ others[None, first : first + _BLOCK]
            bits = np.bitwise_count(some)
            for row, column in np.argwhere(bits <= MAX_BITS).tolist():
                if first + column > start + row:
                    yield start + row, first + column, int(bits[row, column])
