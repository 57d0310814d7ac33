"""LabelMe's annotations: a json for each image, with shapes drawn on the image as displayed.

Polygons are filled by pycocotools as everywhere; rectangles and circles as LabelMe's own export
draws them, by Pillow, their outline being part of them. Shapes count in their order: a later one
that is labelled ``_background_`` takes away. The image may lie in the json itself.
"""

import base64
import binascii
import io
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from decamo.data.inside.mask_bytes import (
    EXTENSION,
    check_size,
    fill_polygons,
    insist_on_pycocotools,
    pgm_of,
    stored_as,
)
from decamo.data.inside.zipped import archive_of, bytes_at, is_file_at
from decamo.errors import DataError, UnreadableImage

__all__ = ["INNER", "LabelMeFile", "open_labelme", "read_labelme", "seems_labelme"]

INNER = "labelme"  # the folder of a json within that holds its mask, and its image where it has it
_NEWEST = 6  # major version; AnyLabeling and others count lower
_GROUND, _VOID = "_background_", "__ignore__"
_AREAS = ("polygon", "rotation", "rectangle", "circle", "mask")
_REMEDY = "mend the annotation in LabelMe, or remove it"


@dataclass(frozen=True)
class LabelMeFile:
    """A json of LabelMe, checked as far as it says which image it belongs to.

    Attributes:
        path: the json.
        image: the image's file, or its place within the json.
        held: the json's content.
    """

    path: Path
    image: Path
    held: dict[str, Any]

    @property
    def mask(self) -> Path:
        """The place of the mask within the json."""
        return self.path / INNER / (self.path.stem + EXTENSION)


def seems_labelme(path: Path) -> bool:
    """Whether a json is one of LabelMe."""
    try:
        held = json.loads(bytes_at(path))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(held, dict) and isinstance(held.get("shapes"), list)


def open_labelme(path: Path) -> LabelMeFile:
    """A json, and where its image is.

    Raises:
        DataError: it is none of LabelMe's, of an unknown version, or its image is not there.
    """
    try:
        held = json.loads(bytes_at(path))
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"no json ({error})", _REMEDY) from error
    if not isinstance(held, dict) or not isinstance(held.get("shapes"), list):
        raise DataError(path, "no LabelMe file: it lacks the list shapes", _REMEDY)
    version = str(held.get("version", ""))
    major = version.partition(".")[0]
    if not major.isdecimal() or int(major) > _NEWEST:
        got = f"version {version or 'unknown'}, known are those up to {_NEWEST}"
        raise DataError(path, got, "save it by LabelMe 3 to 6")
    if any(isinstance(s, dict) and _kind(s) == "polygon" for s in held["shapes"]):
        insist_on_pycocotools(path)
    return LabelMeFile(path, _image_of(path, held), held)


def read_labelme(path: Path, name: str) -> bytes:
    """The mask of a json, or the image that it holds.

    Raises:
        DataError: as :func:`open_labelme`.
        UnreadableImage: a shape has no area, or the image within is damaged.
    """
    found = open_labelme(path)
    if found.mask == path / name:
        return _mask_of(found)
    try:
        return base64.b64decode(found.held["imageData"], validate=True)
    except (KeyError, TypeError, binascii.Error) as error:
        raise UnreadableImage(path / name, "no image in the json", _REMEDY) from error


def _image_of(path: Path, held: dict[str, Any]) -> Path:
    named = held.get("imagePath")
    if isinstance(named, str) and named:
        plain = named.replace("\\", "/")
        place = type(path)(os.path.normpath(path.parent / plain))
        # LabelMe names an image in a folder beside by ../images/frog.jpg; farther is too far
        top = path.parent.parent
        leaves = archive_of(path) and not archive_of(place)
        if plain.startswith("/") or plain[1:2] == ":" or top not in place.parents or leaves:
            place = path.parent / plain.rpartition("/")[2]  # the image may have come along
            if not is_file_at(place) and not held.get("imageData"):
                got = f"its image is {named!r}, which leads out of the data set"
                raise DataError(path, got, "put the image beside the json")
        if is_file_at(place):
            return place
    if isinstance(held.get("imageData"), str) and held["imageData"]:
        png = held["imageData"].startswith("iVBORw")  # the eight bytes that begin a PNG
        return path / INNER / f"{path.stem}{'.png' if png else '.jpg'}"
    raise DataError(path, f"its image {named!r} is not there", "put the image beside the json")


def _mask_of(found: LabelMeFile) -> bytes:
    height, width = found.held.get("imageHeight"), found.held.get("imageWidth")
    inside = INNER in found.image.parts and found.path in found.image.parents
    data = read_labelme(found.path, f"{INNER}/{found.image.name}") if inside else None
    (own_height, own_width), turned = stored_as(found.image, data)
    upright = (own_width, own_height) if turned.sideways else (own_height, own_width)
    size = check_size(found.mask, *((height, width) if height and width else upright))
    mask = np.zeros(size, dtype=np.bool_)
    for shape in found.held["shapes"]:
        if not isinstance(shape, dict):
            raise UnreadableImage(found.mask, "a shape that is none", _REMEDY)
        if shape.get("label") == _VOID:
            got = f"a shape is labelled {_VOID}, which a mask of object and ground cannot keep"
            raise UnreadableImage(found.mask, got, "make palettes by labelme2voc, which keep it")
        area = _area(shape, size, found.mask)
        mask = mask & ~area if shape.get("label") == _GROUND else mask | area
    return pgm_of(turned.back(mask) if size == upright else mask)


def _kind(shape: dict[str, Any]) -> str:
    return str(shape.get("shape_type") or "polygon")  # version 3 has no other at first


def _area(shape: dict[str, Any], size: tuple[int, int], place: Path) -> NDArray[np.bool_]:
    """One shape; bool ``[H, W]``."""
    kind = _kind(shape)
    if kind not in _AREAS:
        got = f"a shape is a {kind}, not one of {', '.join(_AREAS)}"
        raise UnreadableImage(place, got, _REMEDY)
    points = _points(shape, place)
    if kind in ("polygon", "rotation"):
        return fill_polygons([[n for point in points for n in point]], size, place)
    if len(points) != 2:
        raise UnreadableImage(place, f"a {kind} of {len(points)} points, not 2", _REMEDY)
    if kind == "mask":
        return _bits(shape, points, size, place)
    picture = Image.new("L", size[::-1])
    draw = ImageDraw.Draw(picture)
    (x, y), (u, v) = points
    if kind == "circle":
        r = math.hypot(u - x, v - y)
        draw.ellipse((x - r, y - r, x + r, y + r), outline=1, fill=1)
    else:
        draw.rectangle((min(x, u), min(y, v), max(x, u), max(y, v)), outline=1, fill=1)
    return np.asarray(picture) > 0


def _points(shape: dict[str, Any], place: Path) -> list[tuple[float, float]]:
    points = shape.get("points")
    sound = isinstance(points, list) and all(
        isinstance(p, list) and len(p) == 2 and all(_is_near(n) for n in p) for p in points
    )
    if not sound:
        raise UnreadableImage(place, "a shape's points are no pairs of numbers", _REMEDY)
    return [(float(x), float(y)) for x, y in points or ()]


def _is_near(number: object) -> bool:
    return type(number) in (int, float) and abs(number) < 1e6  # type: ignore[arg-type]


def _bits(
    shape: dict[str, Any],
    points: list[tuple[float, float]],
    size: tuple[int, int],
    place: Path,
) -> NDArray[np.bool_]:
    """A shape that is a small picture in a box, both corners within."""
    try:
        data = base64.b64decode(shape["mask"], validate=True)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            box = np.asarray(picture.convert("L")) > 0
    except Exception as error:  # decoders raise anything at all
        raise UnreadableImage(place, "a shape's mask cannot be decoded", _REMEDY) from error
    (x, y), (u, v) = ((int(p), int(q)) for p, q in points)
    mask = np.zeros(size, dtype=np.bool_)
    part = mask[max(y, 0) : v + 1, max(x, 0) : u + 1]
    if min(x, y) < 0 or part.shape != box.shape:
        got = f"a shape's mask is {box.shape[0]} x {box.shape[1]} px, its box another size"
        raise UnreadableImage(place, got, _REMEDY)
    part |= box
    return mask
