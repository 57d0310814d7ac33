"""Which annotations lie below a root, and the folders of the images that they belong to.

They are looked for where no folder of masks is found, so that what was found by its folders stays.
Naming COCO's json itself always finds it.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from decamo.data.finding import PairSource, sources_under, with_half
from decamo.data.halves import half_of, is_only_half
from decamo.data.inside import InnerPath, Notation, entries_of, located, title_of
from decamo.data.inside.coco import LONGEST, CocoFile, is_coco, open_coco
from decamo.data.inside.labelme import seems_labelme
from decamo.data.inside.notation import TABLE
from decamo.data.inside.yolo import LABELS, seems_yolo
from decamo.data.inside.zipped import bytes_at, stat_at
from decamo.data.pairs import holds_images, loose_files
from decamo.data.suffixes import IMAGE_SUFFIXES
from decamo.errors import DataError

__all__ = ["is_annotation", "sources_at"]

_DEPTH = 3
_ANNOTATIONS = ("annotations", "annotation", "labels", "images", "coco", "data")  # name no data set
_MOST_FOLDERS = 5000
_SHARD = re.compile(r"-\d+-of-\d+$")  # as Hugging Face numbers its files
_SAMPLE = 20  # images of a COCO file by which the folder of its images is found


def sources_at(root: Path, mask_suffix: str = "") -> list[PairSource]:
    """Every data set in a folder, a zip or a file of annotations.

    Args:
        root: where to look.
        mask_suffix: what the names of masks have behind those of their images, where it is known.

    Raises:
        DataError: too many folders, an archive or an annotation that cannot be read.
    """
    place = located(root)
    place = type(place)(os.path.abspath(place))  # noqa: PTH100 -- a link's own name counts
    if is_annotation(place):
        if place.suffix.lower() == TABLE:
            return [_tables([place], place.parent)]
        return [_coco(place, place.parent)]
    return sources_under(place, mask_suffix) or _annotated_below(place)


def is_annotation(place: Path) -> bool:
    """Whether a path is a file that may hold the annotations of a data set."""
    return place.suffix.lower() in (".json", TABLE) and place.is_file()


def _annotated_below(root: Path) -> list[PairSource]:
    """Data sets with annotations; of several notations of the same images the first one's."""
    folders = list(_folders(root, _DEPTH))
    found = [_coco(p, root) for f in folders for p in loose_files(f, (".json",)) if _seems_coco(p)]
    for folder in folders:
        halves: dict[str, list[Path]] = defaultdict(list)
        for path in loose_files(folder, (TABLE,)):
            halves[_SHARD.sub("", path.stem)].append(path)
        found += [_tables(shards, root) for shards in halves.values()]
    for ways in (_labelme, _yolo):
        taken = {source.images for source in found}
        found += [s for f in folders for s in ways(f, root) if s.images not in taken]
    return found


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """A folder and those below it, itself first; hidden ones left out."""
    yield folder
    if not depth:
        return
    try:
        names = sorted(e.name for e in entries_of(folder) if e.is_dir() and e.name[0] != ".")
    except OSError:
        return
    for name in names:
        yield from _folders(folder / name, depth - 1)


def _labelme(folder: Path, root: Path) -> Iterator[PairSource]:
    if any(seems_labelme(path) for path in loose_files(folder, (".json",))[:1]):
        yield _source(folder, folder, root, Notation.LABELME, (folder.name,))


def _yolo(folder: Path, root: Path) -> Iterator[PairSource]:
    """``images/train`` and ``labels/train``, ``train/images`` and ``labels``, or one folder."""
    images, labels = folder / "images", folder / "labels"
    if images.is_dir() and labels.is_dir():
        inner = [f for f in _folders(labels, 2) if _has_labels(f)]
        for own in inner:
            part = images / own.relative_to(labels)
            if part.is_dir() and holds_images(part):
                yield _source(part, own, root, Notation.YOLO, (part.name,))
    elif folder.name not in ("images", "labels") and loose_files(folder, IMAGE_SUFFIXES):
        stems = {path.stem for path in loose_files(folder, IMAGE_SUFFIXES)}
        if any(p.stem in stems and seems_yolo(p) for p in loose_files(folder, (LABELS,))[:3]):
            yield _source(folder, folder, root, Notation.YOLO, (folder.name,))


def _has_labels(folder: Path) -> bool:
    """Whether one of the first labels that are not empty is of YOLO's kind."""
    return any(seems_yolo(path) for path in loose_files(folder, (LABELS,))[:20])


def _seems_coco(path: Path) -> bool:
    try:
        held = json.loads(bytes_at(path))
    except (OSError, ValueError, RecursionError):
        return False
    if not is_coco(held) or not held["annotations"]:
        return False
    first = held["annotations"][0]  # captions and boxes are no masks
    return isinstance(first, dict) and bool({"segmentation", "segments_info"} & first.keys())


def _coco(path: Path, root: Path) -> PairSource:
    if stat_at(path).st_size > LONGEST:
        raise DataError(path, f"a json of over {LONGEST / 1e9:.0f} GB", "split it")
    images = _folder_of_images(path, open_coco(path))
    said = path.stem if half_of(path.stem) else images.name
    return _source(images, InnerPath(path), root, Notation.COCO, (said,))


def _source(
    images: Path, masks: Path, root: Path, notation: Notation, inner: tuple[str, ...]
) -> PairSource:
    """A source, its half by ``inner`` and by the folders between it and the root."""
    common = next(f for f in (masks.parent, *masks.parents) if f in (images, *images.parents))
    common = masks if masks == images else common
    home = next((f for f in (common, *common.parents) if not _names_no_set(f)), common)
    # the images may lie beside the folder that was named
    top = next(f for f in (root, *root.parents) if f in (images, *images.parents))
    below = (title_of(top), *images.relative_to(top).parts)
    source = PairSource(
        title_of(home) or "root", home, images, masks, "", test_only=False, below=below,
        notation=notation,
    )  # fmt: skip
    folder = masks.parent if notation is Notation.COCO else common
    return with_half(source, folder, root, tuple(name for name in inner if half_of(name)))


def _tables(shards: list[Path], root: Path) -> PairSource:
    """The tables of one half, which are several files or one.

    Raises:
        DataError: pyarrow is not installed, or they lie in a zip.
    """
    first = shards[0]
    if find_spec("pyarrow") is None:
        raise DataError(first, "parquet needs pyarrow", "pip install 'decamo[annotations]'")
    if isinstance(first, InnerPath):
        raise DataError(first, "a table within a zip is not read", "unpack the zip")
    home = next((f for f in first.parents if not _names_no_set(f)), first.parent)
    top = next(f for f in (root, *root.parents) if f in first.parents)
    source = PairSource(
        title_of(home) or "root", home, InnerPath(first, "images"), InnerPath(first, "masks"), "",
        test_only=False, below=(title_of(top), *first.relative_to(top).parts),
        notation=Notation.PARQUET, shards=tuple(shards),
    )  # fmt: skip
    said = _SHARD.sub("", first.stem)
    return with_half(source, first.parent, root, (said,) if half_of(said) else ())


def _names_no_set(folder: Path) -> bool:
    return is_only_half(title_of(folder)) or folder.name.casefold() in _ANNOTATIONS


def _folder_of_images(path: Path, held: CocoFile) -> Path:
    """The folder that the names of images start from.

    Raises:
        DataError: none of the images is anywhere near.
    """
    names = [image.file_name for image in held.images.values()]
    names = names[:: max(1, len(names) // _SAMPLE)][:_SAMPLE]
    best: tuple[int, Path] | None = None
    for folder in _near(path):
        hits = sum((folder / name).is_file() for name in names)
        if hits == len(names):
            return folder
        if hits and (best is None or hits > best[0]):
            best = hits, folder
    if best is None:
        got = f"none of its images is near it, such as {names[0]}"
        remedy = "put the json beside the images, or into a folder beside that of the images"
        raise DataError(path, got, remedy)
    return best[1]


def _near(path: Path) -> Iterator[Path]:
    """Where images of a COCO file may lie, the nearest first."""
    half = half_of(path.stem)
    for above in (path.parent, path.parent.parent):
        yield above
        near = islice(_folders(above, 2), _MOST_FOLDERS)
        inner = sorted(near, key=lambda f: (len(f.parts), f))
        # of instances_train2017.json the folder of that half first
        yield from sorted(inner, key=lambda f: not half or half_of(f.name) != half)
