"""Masks -> annotations that annotation tools take: COCO's json, YOLO's labels, LabelMe's jsons."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decamo.data.inside import Notation
from decamo.data.inside.mask_bytes import fill_polygons, insist_on_pycocotools
from decamo.data.regions import Ring, components_of, inset, joined_rings, rings_of, thinned
from decamo.storage.outputs import write_output

__all__ = ["CATEGORY", "AnnotationFiles", "Drawing", "loss_line"]

CATEGORY = "camouflaged object"
_VERSION = "5.5.0"  # of LabelMe: the first whose jsons know the shapes that are written


@dataclass(frozen=True)
class Drawing:
    """An image and the mask that is to be written down.

    Attributes:
        name: of the image, with slashes, as the annotation is to name it.
        mask: bool ``[H, W]``.
        certainty: expected IoU of the mask, in [0, 1]; None where it is the truth.
    """

    name: str
    mask: NDArray[np.bool_] = field(repr=False)
    certainty: float | None = None


@dataclass
class AnnotationFiles:
    """Writes annotations, one image after the other; COCO's come when all is known.

    Attributes:
        notation: COCO, YOLO or LabelMe.
        instances: whether each 8-connected region is an instance; else all of them are one.
        tolerance: px by which corners of polygons may be thinned out; 0 keeps the pixels.
    """

    notation: Notation
    instances: bool = False
    tolerance: float = 0.0
    kept: list[tuple[str, float]] = field(default_factory=list, init=False)
    _records: list[tuple[Drawing, list[dict[str, Any]]]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        insist_on_pycocotools(Path(f"--write {self.notation}"))

    def add(self, drawing: Drawing, path: Path, image: str = "") -> None:
        """Write the annotation of an image.

        Args:
            drawing: what to write.
            path: where; of COCO nothing is written yet.
            image: what LabelMe's json calls the image, seen from its folder.

        Raises:
            StorageError: the file cannot be written.
        """
        regions = components_of(drawing.mask) if self.instances else [drawing.mask]
        regions = [region for region in regions if region.any()]
        if self.notation is Notation.COCO:
            self._records.append((drawing, [_coco_part(region) for region in regions]))
            return
        parts = [self._polygons(region) for region in regions]
        filled = np.zeros_like(drawing.mask)
        for outer, holes in (part for region in parts for part in region):
            area = _fill([outer], drawing.mask.shape)
            filled |= area & ~_fill(holes, drawing.mask.shape)
        union = int((filled | drawing.mask).sum())
        self.kept.append((drawing.name, (filled & drawing.mask).sum() / union if union else 1.0))
        if self.notation is Notation.YOLO:
            write_output(path, _yolo_text(parts, drawing.mask.shape).encode())
        else:
            write_output(path, _labelme_text(parts, drawing, image).encode())

    def finish(self, path: Path) -> None:
        """Write COCO's json, what is least certain first; nothing for other notations.

        Raises:
            StorageError: the file cannot be written.
        """
        if self.notation is not Notation.COCO:
            return
        self._records.sort(key=lambda r: 1.0 if r[0].certainty is None else r[0].certainty)
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, (drawing, parts) in enumerate(self._records, start=1):
            height, width = drawing.mask.shape
            sure = {} if drawing.certainty is None else {"expected_iou": drawing.certainty}
            size = {"height": height, "width": width}
            images.append({"id": number, "file_name": drawing.name} | size | sure)
            score = {} if drawing.certainty is None else {"score": drawing.certainty}
            for part in parts:
                own = {"id": len(annotations) + 1, "image_id": number, "category_id": 1}
                annotations.append(own | part | {"iscrowd": 0} | score)
        held = {
            "info": {"description": "written by decamo", "version": "1.0"},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": CATEGORY, "supercategory": ""}],
        }
        write_output(path, json.dumps(held).encode())

    def _polygons(self, region: NDArray[np.bool_]) -> list[tuple[Ring, list[Ring]]]:
        """The outlines of a region's connected parts, each with its holes."""
        found = []
        for part in [region] if self.instances else components_of(region):
            (outer, *_), holes = rings_of(part)
            own = self.notation is Notation.LABELME  # its holes are shapes of their own
            within = [inset(outer), *(inset(hole, outwards=own) for hole in holes)]
            outer, *holes = (thinned(ring, self.tolerance) for ring in within)
            found.append((outer, holes))
        return found


def loss_line(files: AnnotationFiles) -> str:
    """What the polygons lost, in a line."""
    if files.notation is Notation.COCO:
        return "COCO run lengths keep every pixel"
    if not files.kept:
        return f"{files.notation.label}: nothing was written"
    name, worst = min(files.kept, key=lambda kept: kept[1])
    mean = sum(iou for _, iou in files.kept) / len(files.kept)
    return (
        f"{files.notation.label} polygons, filled again, have IoU {mean:.4f} with the masks on"
        f" average, {worst:.4f} at worst ({name})"
    )


def _fill(rings: Sequence[Ring], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    flat = [[float(n) for corner in ring for n in corner] for ring in rings]
    return fill_polygons(flat, (shape[0], shape[1]), Path("polygons"))


def _coco_part(region: NDArray[np.bool_]) -> dict[str, Any]:
    from decamo.data.inside.polygons import runs_of_mask

    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return {
        "segmentation": runs_of_mask(region),
        "area": int(region.sum()),
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
    }


def _yolo_text(parts: Sequence[Sequence[tuple[Ring, list[Ring]]]], shape: tuple[int, ...]) -> str:
    height, width = shape
    lines = [
        " ".join(["0", *(f"{x / width:.8g} {y / height:.8g}" for x, y in joined_rings(*part))])
        for region in parts
        for part in region
    ]
    return "".join(f"{line}\n" for line in lines)


def _labelme_text(
    parts: Sequence[Sequence[tuple[Ring, list[Ring]]]], drawing: Drawing, image: str
) -> str:
    """Holes are shapes of the background, which LabelMe's own export draws over the object."""
    shapes: list[dict[str, Any]] = []
    for number, region in enumerate(parts):
        group = number if len(parts) > 1 or len(region) > 1 else None
        for outer, holes in region:
            shapes.append(_shape(CATEGORY, outer, group))
            shapes += [_shape("_background_", hole, None) for hole in holes]
    height, width = drawing.mask.shape
    held = {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image or PurePosixPath(drawing.name).name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    return json.dumps(held, indent=1)


def _shape(label: str, ring: Ring, group: int | None) -> dict[str, Any]:
    return {
        "label": label,
        "points": [list(corner) for corner in ring],
        "group_id": group,
        "description": "",
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
    }
