"""COCO's instance annotations: one json, all masks of a data set.

The mask of an image is the union of its instances, crowds among them. An image without annotation
has an empty mask. Categories are not told apart.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decamo.data.inside.mask_bytes import (
    EXTENSION,
    check_size,
    counts_from_text,
    decode_counts,
    fill_polygons,
    insist_on_pycocotools,
    pgm_of,
)
from decamo.data.inside.zipped import bytes_at, stat_at
from decamo.errors import DataError, UnreadableImage

__all__ = ["LONGEST", "CocoFile", "CocoImage", "is_coco", "open_coco"]

_EXPORT = "export it anew as COCO instances"
_KEPT = 4
LONGEST = 2**31  # bytes of a json that is read


@dataclass(frozen=True)
class CocoImage:
    """One image of a COCO file.

    Attributes:
        file_name: with slashes, relative to the folder of the images.
        height: as declared.
        width: as declared.
        parts: the segmentation of each of its instances.
    """

    file_name: str
    height: object
    width: object
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class CocoFile:
    """A COCO json, checked.

    Attributes:
        path: the json.
        images: name of the mask within -> image, in order of names.
    """

    path: Path
    images: Mapping[str, CocoImage]

    def read(self, name: str) -> bytes:
        """The mask file of a name.

        Raises:
            UnreadableImage: its annotation contradicts itself.
            FileNotFoundError: there is no such mask.
        """
        place = self.path / name
        if name not in self.images:
            raise FileNotFoundError(2, "no such image in the annotations", str(place))
        image = self.images[name]
        size = check_size(place, image.height, image.width)
        mask = np.zeros(size, dtype=np.bool_)
        for part in image.parts:
            mask |= _mask_of(part, size, place)
        return pgm_of(mask)


def is_coco(held: object) -> bool:
    """Whether a json's content has the lists of COCO."""
    return isinstance(held, dict) and all(
        isinstance(held.get(name), list) for name in ("images", "annotations")
    )


def open_coco(path: Path) -> CocoFile:
    """The annotations of a json, parsed once a process.

    Raises:
        DataError: it is no COCO file of instances, or it contradicts itself.
    """
    found = stat_at(path)
    return _opened(str(path), found.st_mtime_ns, found.st_size, os.getpid())


@lru_cache(maxsize=_KEPT)
def _opened(text: str, changed: int, size: int, process: int) -> CocoFile:
    path = Path(text)
    try:
        held = json.loads(bytes_at(path))
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"no json ({error})", _EXPORT) from error
    if not is_coco(held):
        raise DataError(path, "no COCO file: it lacks the lists images and annotations", _EXPORT)
    parts = _parts_by_image(path, held)
    if any(isinstance(part, list) for own in parts.values() for part in own):
        insist_on_pycocotools(path)
    images: dict[str, CocoImage] = {}
    for record in held["images"]:
        name = _file_name(path, record)
        mask = str(PurePosixPath(name).with_suffix(EXTENSION))
        if mask in images:
            other = images[mask].file_name
            got = f"two images are called {name}" if other == name else f"{other} and {name}"
            same = "" if other == name else " have the same name but for the extension"
            raise DataError(path, got + same, "rename one of them")
        own = tuple(parts[record["id"]])
        images[mask] = CocoImage(name, record.get("height"), record.get("width"), own)
    if not images:
        raise DataError(path, "it lists no image", _EXPORT)
    return CocoFile(path, dict(sorted(images.items())))


def _parts_by_image(path: Path, held: dict[str, Any]) -> dict[Any, list[Any]]:
    """Image id -> the segmentations of its instances."""
    parts: dict[Any, list[Any]] = {}
    for record in held["images"]:
        number = record.get("id") if isinstance(record, dict) else None
        if type(number) not in (int, str):
            raise DataError(path, f"an image without an id: {str(record)[:80]}", _EXPORT)
        if number in parts:
            raise DataError(path, f"two images have the id {number}", _EXPORT)
        parts[number] = []
    seen: set[Any] = set()
    for one in held["annotations"]:
        if not isinstance(one, dict) or "segments_info" in one:
            raise DataError(path, "its annotations are no instances (panoptic?)", _EXPORT)
        name = f"annotation {one.get('id')}"
        if one.get("id") is not None and one["id"] in seen:
            raise DataError(path, f"two annotations have the id {one['id']}", _EXPORT)
        seen.add(one.get("id"))
        if type(one.get("image_id")) not in (int, str) or one["image_id"] not in parts:
            got = f"{name} belongs to image {one.get('image_id')}, which is not listed"
            raise DataError(path, got, _EXPORT)
        if not one.get("segmentation"):
            got = f"{name} has no segmentation, only a box or a caption"
            raise DataError(path, got, "export masks or polygons, not boxes")
        parts[one["image_id"]].append(one["segmentation"])
    return parts


def _file_name(path: Path, record: dict[str, Any]) -> str:
    name = record.get("file_name")
    if not isinstance(name, str) or not name:
        raise DataError(path, f"image {record['id']} has no file_name", _EXPORT)
    plain = name.replace("\\", "/").removeprefix("./")
    parts = PurePosixPath(plain).parts
    if plain.startswith("/") or ".." in parts or parts[0][1:2] == ":":
        got = f"image {record['id']} is {name!r}, which leads out of its folder"
        raise DataError(path, got, "give file names relative to the folder of the images")
    return "/".join(parts)


def _mask_of(part: Any, size: tuple[int, int], place: Path) -> NDArray[np.bool_]:
    """One instance; bool ``[H, W]``."""
    if isinstance(part, list) and all(isinstance(p, list) for p in part):
        return fill_polygons(part, size, place)
    counts = part.get("counts") if isinstance(part, dict) else None
    if not isinstance(counts, str | list):
        got = "its segmentation is neither polygons nor run lengths"
        raise UnreadableImage(place, got, "mend the annotation, or remove the image")
    if list(part.get("size", ())) != list(size):
        said = " x ".join(map(str, part.get("size", ())))
        got = f"run lengths of {said or 'no'} px in an image of {size[0]} x {size[1]}"
        raise UnreadableImage(place, got, "mend the annotation, or remove the image")
    runs = counts_from_text(counts, place) if isinstance(counts, str) else counts
    if not all(type(run) is int for run in runs):
        raise UnreadableImage(place, "run lengths that are no whole numbers", _EXPORT)
    return decode_counts(runs, size, place)
