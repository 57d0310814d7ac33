"""Data sets whose masks are no files: which annotations lie below a root, and what they belong to.

They are looked for where no folder of masks is found, so that what was found by its folders stays.
Naming the file of annotations itself always finds it.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from decamo.data.finding import PairSource, sources_under, with_half
from decamo.data.halves import half_of, is_only_half
from decamo.data.inside import InnerPath, Notation, entries_of, located, title_of
from decamo.data.inside.coco import LONGEST, CocoFile, is_coco, open_coco
from decamo.data.inside.zipped import bytes_at, stat_at
from decamo.data.pairs import IMAGE_SUFFIXES
from decamo.errors import DataError

__all__ = ["annotated_files", "is_annotation", "sources_at"]

_DEPTH = 3
_ANNOTATIONS = ("annotations", "annotation", "labels", "coco")  # folders that name no data set
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
    if is_annotation(place):
        return list(_of_file(place, place.parent))
    return sources_under(place, mask_suffix) or list(_below(place))


def is_annotation(place: Path) -> bool:
    """Whether a path is a file that may hold the annotations of a data set."""
    return place.suffix.lower() == ".json" and place.is_file()


def annotated_files(source: PairSource) -> tuple[Mapping[str, Path], Mapping[str, Path]]:
    """Images and masks of a source with annotations, by their common stems.

    An image that is not there is left out, so that its mask has no partner.
    """
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for mask, image in open_coco(source.masks).images.items():
        stem = mask.rpartition(".")[0]
        masks[stem] = InnerPath(source.masks, mask)
        if (path := source.images / image.file_name).is_file():
            images[stem] = path
    return images, masks


def _below(root: Path) -> Iterator[PairSource]:
    for folder in _folders(root, _DEPTH):
        for entry in sorted(entries_of(folder), key=lambda e: e.name):
            if entry.is_file() and entry.name.lower().endswith(".json"):
                yield from _of_file(folder / entry.name, root, sure=False)


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


def _of_file(path: Path, root: Path, *, sure: bool = True) -> Iterator[PairSource]:
    """The data set of a file of annotations; nothing where it is none and need not be."""
    if stat_at(path).st_size > LONGEST:
        raise DataError(path, f"a json of over {LONGEST / 1e9:.0f} GB", "split it")
    if not sure and not _seems_coco(path):
        return
    yield _coco(path, root)


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
    images = _folder_of_images(path, open_coco(path))
    common = next(f for f in (path.parent, *path.parents) if f in (images, *images.parents))
    plain = (f for f in (common, *common.parents) if not _names_no_set(f))
    home = next(plain, common)
    # the images may lie beside the folder that was named
    top = next(f for f in (root, *root.parents) if f in (images, *images.parents))
    below = (title_of(top), *images.relative_to(top).parts)
    source = PairSource(
        title_of(home) or "root", home, images, InnerPath(path), "", test_only=False, below=below,
        notation=Notation.COCO,
    )  # fmt: skip
    inner = [images.name] if images != home and half_of(images.name) else []
    return with_half(source, path.parent, root, [path.stem] if half_of(path.stem) else inner)


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
        kinds = {Path(name).suffix.lower() for name in names}
        odd = kinds - IMAGE_SUFFIXES
        got = f"none of its images is near it, such as {names[0]}"
        raise DataError(
            path,
            got + (f" (no image can end in {min(odd)})" if odd else ""),
            "put the json beside the images, or into a folder beside that of the images",
        )
    return best[1]


def _near(path: Path) -> Iterator[Path]:
    """Where images of a COCO file may lie, the nearest first."""
    for above in (path.parent, path.parent.parent):
        yield above
        inner = sorted(_folders(above, 2), key=lambda f: (len(f.parts), f))
        # of instances_train2017.json the folder of that half first
        half = half_of(path.stem)
        yield from sorted(inner, key=lambda f: not half or half_of(f.name) != half)
