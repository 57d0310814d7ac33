"""YOLO's segmentation labels: a text file for each image, a polygon in each line.

``class x1 y1 x2 y2 ...`` in shares of the width and height of the image as displayed. The labels of
``images/train/frog.jpg`` are ``labels/train/frog.txt``, or ``frog.txt`` beside it; an image without
labels holds no object, as Ultralytics has it. Classes are not told apart.
"""

import math
import os
from pathlib import Path

from decamo.data.inside.mask_bytes import EXTENSION, fill_polygons, pgm_of, stored_as
from decamo.data.inside.zipped import bytes_at, is_file_at, stat_at
from decamo.data.suffixes import IMAGE_SUFFIXES
from decamo.errors import UnreadableImage

__all__ = ["LABELS", "image_of_labels", "mask_name", "read_yolo", "seems_yolo", "stat_of_labels"]

LABELS = ".txt"
_BEYOND = 0.01  # shares by which rounding may lead outside
_REMEDY = "export the labels anew as YOLO segmentation, or remove the image"


def read_yolo(labels: Path, name: str) -> bytes:
    """The mask file of an image's labels, which need not exist.

    Raises:
        UnreadableImage: a line is no polygon.
        FileNotFoundError: the image is not there.
    """
    image = image_of_labels(labels)
    if image is None:
        raise FileNotFoundError(2, "no image of these labels", str(labels))
    place = labels / name
    (height, width), turned = stored_as(image)
    size = (width, height) if turned.sideways else (height, width)
    polygons = []
    if is_file_at(labels):
        text = bytes_at(labels).decode("utf-8", "replace")
        lines = [line.split() for line in text.splitlines() if line.strip()]
        polygons = [_polygon(line, size, place, at) for at, line in enumerate(lines, start=1)]
    return pgm_of(turned.back(fill_polygons(polygons, size, place)))


def stat_of_labels(labels: Path) -> os.stat_result:
    """Of the labels, or of their image where there are none.

    Raises:
        OSError: there is neither.
    """
    if is_file_at(labels):
        return stat_at(labels)
    return stat_at(image_of_labels(labels) or labels)


def image_of_labels(labels: Path) -> Path | None:
    """The image that a file of labels belongs to."""
    parts = labels.parts
    at = next((i for i in range(len(parts) - 2, 0, -1) if parts[i] == "labels"), None)
    places = [labels.parent]
    if at is not None:
        places.insert(0, type(labels)(*parts[:at], "images", *parts[at + 1 : -1]))
    for place in places:
        for suffix in sorted(IMAGE_SUFFIXES):
            for name in (labels.stem + suffix, labels.stem + suffix.upper()):
                if is_file_at(place / name):
                    return place / name
    return None


def seems_yolo(labels: Path) -> bool:
    """Whether a text file has lines of numbers, a class before them."""
    lines = bytes_at(labels)[:4096].decode("utf-8", "replace").splitlines()
    first = next((line.split() for line in lines if line.strip()), [])
    try:
        numbers = [float(word) for word in first[:5]]
    except ValueError:
        return False
    return len(numbers) == 5 and numbers[0].is_integer()


def _polygon(line: list[str], size: tuple[int, int], place: Path, at: int) -> list[float]:
    """Corners in px."""
    try:
        shares = [float(word) for word in line[1:]]
    except ValueError as error:
        raise UnreadableImage(place, f"line {at} holds more than numbers", _REMEDY) from error
    if len(shares) == 4:
        raise UnreadableImage(place, f"line {at} is a box, not a polygon", _REMEDY)
    if not all(math.isfinite(n) and -_BEYOND <= n <= 1 + _BEYOND for n in shares):
        raise UnreadableImage(place, f"line {at} has corners outside of [0, 1]", _REMEDY)
    return [n * size[1 - i % 2] for i, n in enumerate(shares)]


def mask_name(stem: str) -> str:
    """What the mask within a file of labels is called."""
    return stem.rpartition("/")[2] + EXTENSION
