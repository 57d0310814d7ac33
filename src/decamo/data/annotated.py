"""Images and masks of a data set whose masks are no files, by their common stems."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path

from decamo.data.finding import PairSource
from decamo.data.inside import InnerPath, Notation, entries_of
from decamo.data.inside.coco import open_coco
from decamo.data.inside.labelme import open_labelme, seems_labelme
from decamo.data.inside.yolo import LABELS, mask_name
from decamo.data.pairs import files_by_stem, loose_files
from decamo.errors import DataError

__all__ = ["annotated_files"]

Files = Mapping[str, Path]
_LISTS = ("classes", "readme", "train", "val", "test")  # text files that are no labels


def annotated_files(source: PairSource) -> tuple[Files, Files]:
    """Images and masks of a source with annotations.

    An image that is not there is left out, so that its mask has no partner.

    Raises:
        DataError: the annotations contradict themselves.
    """
    if source.notation is Notation.COCO:
        return _of_coco(source)
    if source.notation is Notation.PARQUET:
        return _of_tables(source)
    return _of_yolo(source) if source.notation is Notation.YOLO else _of_labelme(source)


def _of_tables(source: PairSource) -> tuple[Files, Files]:
    """By the names that the images had, or else by their number."""
    from decamo.data.inside.tables import IMAGE, MASK, extension_of, open_shard

    shards = [open_shard(path) for path in source.shards]
    names = [name for shard in shards for name in shard.names]
    stems = [unicodedata.normalize("NFC", Path(name).stem) for name in names]
    if len(set(stems)) < len(stems) or not all(stems):
        stems = [f"{number:06d}" for number in range(len(names))]
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    at = 0
    for shard in shards:
        kinds = {
            role: extension_of(InnerPath(shard.path, "0", role, "first").read_bytes())
            for role in (IMAGE, MASK)
            if shard.names
        }
        for row, name in enumerate(shard.names):
            stem = stems[at]
            kind = Path(name).suffix or kinds[IMAGE]
            images[stem] = InnerPath(shard.path, str(row), IMAGE, stem + kind)
            masks[stem] = InnerPath(shard.path, str(row), MASK, stem + kinds[MASK])
            at += 1
    return images, masks


def _of_coco(source: PairSource) -> tuple[Files, Files]:
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for mask, image in open_coco(source.masks).images.items():
        stem = mask.rpartition(".")[0]
        masks[stem] = InnerPath(source.masks, mask)
        if (path := source.images / image.file_name).is_file():
            images[stem] = path
    return images, masks


def _of_yolo(source: PairSource) -> tuple[Files, Files]:
    """Every image has a mask, an empty one where it has no labels."""
    images = files_by_stem(source.images)
    masks = {s: InnerPath(source.masks, s + LABELS, mask_name(s)) for s in images}
    for labels in loose_files(source.masks, (LABELS,)):
        if labels.stem.casefold() not in _LISTS:
            stem = unicodedata.normalize("NFC", labels.stem)
            masks.setdefault(stem, InnerPath(labels, mask_name(stem)))
    return images, masks


def _of_labelme(source: PairSource) -> tuple[Files, Files]:
    """An image without a json is one that nobody has looked at yet."""
    loose = files_by_stem(source.images) if _holds_images(source) else {}
    images = dict(loose)
    masks: dict[str, Path] = {}
    for path in loose_files(source.masks, (".json",)):
        if not seems_labelme(path):
            continue
        found = open_labelme(path)
        stem = unicodedata.normalize("NFC", found.image.stem)
        if stem in masks:
            raise DataError(
                path,
                f"it and {masks[stem].parents[1].name} both are of {found.image.name}",
                "keep one of them",
            )
        embedded = path in found.image.parents
        images[stem] = InnerPath(found.image) if embedded else found.image
        masks[stem] = InnerPath(found.mask)
    return images, masks


def _holds_images(source: PairSource) -> bool:
    return any(entry.is_file() for entry in entries_of(source.images))
