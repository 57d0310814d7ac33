"""Data sets in other formats, made by the formats' own libraries."""

import base64
import json
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_masks
from scipy import ndimage

from decamo.data.layouts import find_pairs

Mask = NDArray[np.bool_]


def masks_of(scenes: Path, split: str) -> dict[str, Mask]:
    """Stem -> mask of a split of a set in folders, read by Pillow alone."""
    folder = scenes / split / "GT_Object"
    return {p.stem: np.asarray(Image.open(p)) > 127 for p in sorted(folder.glob("*.png"))}


def compressed(mask: Mask) -> Any:
    found = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": found["size"], "counts": found["counts"].decode()}


def uncompressed(mask: Mask) -> Any:
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    counts = np.diff([0, *edges, flat.size])
    return {"size": list(mask.shape), "counts": counts.tolist()}


def to_coco(
    scenes: Path, out: Path, segment: Callable[[Mask], Any] = compressed, halves: int = 2
) -> Path:
    """Images of both splits beside a folder of annotations, each mask in some instances."""
    (out / "annotations").mkdir(parents=True)
    for split, half in (("Train", "train2017"), ("Test", "test2017")):
        shutil.copytree(scenes / split / "Image", out / half)
        images: list[Any] = []
        annotations: list[Any] = []
        for number, (stem, mask) in enumerate(masks_of(scenes, split).items(), start=100):
            height, width = mask.shape
            name = f"{stem}.jpg"
            images.append({"id": number, "file_name": name, "height": height, "width": width})
            for part in range(halves):  # overlapping: their union counts
                cut = mask.copy()
                cut[:, : part * width // 4] = False
                if cut.any():
                    annotations.append({
                        "id": len(annotations) + 1, "image_id": number, "category_id": 1 + part,
                        "iscrowd": part, "segmentation": segment(cut),
                    })  # fmt: skip
        held = {"images": images, "annotations": annotations, "categories": []}
        (out / "annotations" / f"instances_{half}.json").write_text(json.dumps(held))
    return out


def to_zip(folder: Path, out: Path, *, inside: bool = True) -> Path:
    """The folder packed, itself within or only what it holds."""
    base = folder.parent if inside else folder
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(base))
    return out


def read_all(root: Path) -> dict[str, tuple[bytes, Mask]]:
    """Key -> bytes of the image and the mask as training reads it, of both splits."""
    from decamo.data.reading import read_pair

    splits: tuple[Literal["train"], Literal["test"]] = ("train", "test")
    pairs = [p for split in splits for p in find_pairs([root], split).pairs]
    return {f"{p.split}/{p.key}": (p.image.read_bytes(), read_pair(p)[1]) for p in pairs}


def assert_same(one: Path, other: Path) -> None:
    """Both hold the same images, with equal masks, under the same names."""
    ours, theirs = read_all(one), read_all(other)
    assert ours.keys() == theirs.keys()
    for key, (image, mask) in theirs.items():
        assert ours[key][0] == image
        np.testing.assert_array_equal(ours[key][1], mask)


def corners_of(mask: Mask) -> list[tuple[float, float]]:
    """A polygon near the mask: its box, one corner cut."""
    rows, columns = np.nonzero(mask)
    left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    corners = [(left + 2, top), (right, top), (right, bottom), (left, bottom), (left, top + 2)]
    return [(float(x), float(y)) for x, y in corners]


def near_corners(mask: Mask) -> Mask:
    """Where pixels touch by a corner alone, which a filled line makes two or three of."""
    crossed = (mask[1:, 1:] == mask[:-1, :-1]) & (mask[1:, :-1] == mask[:-1, 1:])
    crossed &= mask[1:, 1:] != mask[1:, :-1]
    return ndimage.binary_dilation(np.pad(crossed, ((0, 1), (0, 1))), np.ones((3, 3)))


def filled(polygon: list[tuple[float, float]], shape: tuple[int, ...]) -> Mask:
    """As pycocotools fills it."""
    height, width = shape
    runs = coco_masks.frPyObjects([[n for corner in polygon for n in corner]], height, width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its `decode` under NumPy 2
        mask: Mask = coco_masks.decode(coco_masks.merge(runs)).astype(bool)
    return mask


def to_yolo(scenes: Path, out: Path) -> dict[str, Mask]:
    """Stem -> mask that the labels mean; images without object have no labels."""
    want = {}
    for split, half in (("Train", "train"), ("Test", "test")):
        shutil.copytree(scenes / split / "Image", out / "images" / half)
        (out / "labels" / half).mkdir(parents=True)
        for stem, mask in masks_of(scenes, split).items():
            want[stem] = np.zeros_like(mask)
            if mask.any():
                corners = corners_of(mask)
                want[stem] = filled(corners, mask.shape)
                height, width = mask.shape
                numbers = " ".join(f"{x / width:.6f} {y / height:.6f}" for x, y in corners)
                (out / "labels" / half / f"{stem}.txt").write_text(f"0 {numbers}\n")
    return want


def to_labelme(scenes: Path, out: Path, *, embedded: bool = False) -> dict[str, Mask]:
    """Stem -> mask that the jsons mean, of the training half."""
    want = {}
    shutil.copytree(scenes / "Train" / "Image", out)
    for stem, mask in masks_of(scenes, "Train").items():
        want[stem] = np.zeros_like(mask)
        shapes = []
        if mask.any():
            corners = corners_of(mask)
            want[stem] = filled(corners, mask.shape)
            points = [list(corner) for corner in corners]
            shapes.append({"label": "frog", "points": points, "shape_type": "polygon"})
        image = out / f"{stem}.jpg"
        data = base64.b64encode(image.read_bytes()).decode() if embedded else None
        held = {
            "version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": image.name,
            "imageData": data, "imageHeight": mask.shape[0], "imageWidth": mask.shape[1],
        }  # fmt: skip
        (out / f"{stem}.json").write_text(json.dumps(held))
        if embedded:
            image.unlink()
    return want
