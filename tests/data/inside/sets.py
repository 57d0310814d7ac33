"""Data sets in other formats, made by the formats' own libraries."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_masks

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
