"""What an annotation says, as the bytes of a mask file: polygons, run lengths, bits.

The bytes are a binary PGM, 0 and 255, which needs no codec: everything that reads, counts or names
the bytes of a mask file does so here too.

Polygons are filled by pycocotools, whatever the format, so that a mask is the same on every
machine. It draws at five times the size and takes a pixel for inside where its centre is (its
``rleFrPoly``); Pillow and OpenCV add the pixels of the outline.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decamo.data.decoding import TURNS, as_unreadable, header_of
from decamo.data.inside.zipped import open_at
from decamo.data.rules import MAX_PIXELS
from decamo.errors import DataError, UnreadableImage

__all__ = [
    "EXTENSION",
    "Turned",
    "check_size",
    "counts_from_text",
    "decode_counts",
    "fill_polygons",
    "insist_on_pycocotools",
    "pgm_of",
    "stored_as",
]

EXTENSION = ".pgm"
_REMEDY = "mend the annotation, or remove the image"
_BEYOND = 4  # times the image's longer side that a corner may lie outside: pycocotools walks there


def pgm_of(mask: NDArray[np.bool_]) -> bytes:
    """A bool mask ``[H, W]`` as a binary PGM of 0 and 255."""
    height, width = mask.shape
    return b"P5\n%d %d\n255\n" % (width, height) + (mask.astype(np.uint8) * 255).tobytes()


@dataclass(frozen=True)
class Turned:
    """How an image is stored: the value of its orientation tag (EXIF 2.3, 4.6.4 A), 1 to 8."""

    orientation: int

    @property
    def sideways(self) -> bool:
        """Whether height and width change places when it is displayed."""
        return self.orientation >= 5

    def back(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask that was drawn on the displayed image as it would lie on the stored one.

        Whoever reads an image with its mask turns both.
        """
        undone = {6: 8, 8: 6}.get(self.orientation, self.orientation)
        if undone == 1:
            return mask
        picture = Image.fromarray(mask.astype(np.uint8)).transpose(TURNS[undone])
        return np.asarray(picture).astype(np.bool_)


def stored_as(image: Path, data: bytes | None = None) -> tuple[tuple[int, int], Turned]:
    """Height and width of an image as stored, and its orientation; its pixels are not decoded.

    Args:
        image: its file, which may be a member of a zip.
        data: its bytes, where it is no file.

    Raises:
        UnreadableImage: there is no such image.
    """
    with as_unreadable(image), io.BytesIO(data) if data else open_at(image) as file:
        size, orientation = header_of(file)
    return size, Turned(orientation)


def check_size(place: Path, height: object, width: object) -> tuple[int, int]:
    """Height and width that an annotation declares.

    Raises:
        UnreadableImage: none, or more pixels than any image may have.
    """
    numbers = [n for n in (height, width) if isinstance(n, int) and not isinstance(n, bool)]
    if len(numbers) < 2 or min(numbers) < 1:
        got = f"its annotation says {height} x {width} px (height x width)"
        raise UnreadableImage(place, got, _REMEDY)
    if numbers[0] * numbers[1] > MAX_PIXELS:
        got = f"its annotation says {height} x {width} px, over {MAX_PIXELS} in all"
        raise UnreadableImage(place, got, _REMEDY)
    return numbers[0], numbers[1]


def fill_polygons(
    polygons: Sequence[Sequence[float]], size: tuple[int, int], place: Path
) -> NDArray[np.bool_]:
    """The union of some polygons.

    Args:
        polygons: of each the corners, x and y in turn, in px: 0 is the left or upper edge.
        size: height and width.
        place: the mask, for the error.

    Returns:
        bool ``[H, W]``.

    Raises:
        UnreadableImage: fewer than three corners, no numbers, or corners far outside.
        DataError: pycocotools is not installed.
    """
    far = _BEYOND * max(size)
    for corners in polygons:
        plain = all(type(n) in (int, float) and math.isfinite(n) for n in corners)
        if not plain or len(corners) < 6 or len(corners) % 2:
            got = f"a polygon of {len(corners)} numbers, not x and y of three corners or more"
            raise UnreadableImage(place, got, _REMEDY)
        if max(map(abs, corners)) > far:
            got = f"a corner at {max(corners, key=abs):g}, far outside of {size[0]} x {size[1]} px"
            raise UnreadableImage(place, got, _REMEDY)
    if not polygons:
        return np.zeros(size, dtype=np.bool_)
    insist_on_pycocotools(place)
    from decamo.data.inside.polygons import runs_of_polygons

    # pycocotools' own `decode` warns under NumPy 2, and checks nothing
    return decode_counts(counts_from_text(runs_of_polygons(polygons, size), place), size, place)


def insist_on_pycocotools(place: Path) -> None:
    """Polygons need it.

    Raises:
        DataError: it is not installed.
    """
    if find_spec("pycocotools") is None:
        raise DataError(place, "polygons need pycocotools", "pip install 'decamo[annotations]'")


def decode_counts(
    counts: Sequence[int] | NDArray[np.int64], size: tuple[int, int], place: Path
) -> NDArray[np.bool_]:
    """Run lengths, column by column, background first, as COCO has them; bool ``[H, W]``.

    Raises:
        UnreadableImage: they do not add up to the image.
    """
    runs = np.asarray(counts, dtype=np.int64)
    total = size[0] * size[1]
    if runs.ndim != 1 or (runs < 0).any() or (runs > total).any() or int(runs.sum()) != total:
        got = f"its run lengths add up to {runs.sum()} px, not to {size[0]} x {size[1]}"
        raise UnreadableImage(place, got, _REMEDY)
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.ascontiguousarray(flat.reshape(size[1], size[0]).T)


def counts_from_text(text: str | bytes, place: Path) -> list[int]:
    """COCO's compressed run lengths: 5 bits a character, each from the third on a difference.

    pycocotools' ``rleFrString`` trusts its input; this does not.

    Raises:
        UnreadableImage: no such text.
    """
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    counts: list[int] = []
    number = shift = 0
    for byte in data:
        code = byte - 48
        if not 0 <= code < 64 or shift > 60:
            raise UnreadableImage(place, "its compressed run lengths cannot be read", _REMEDY)
        number |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            number -= 1 << shift
        counts.append(number + counts[-2] if len(counts) > 2 else number)
        number = shift = 0
    if shift:
        raise UnreadableImage(place, "its compressed run lengths end within a number", _REMEDY)
    return counts
