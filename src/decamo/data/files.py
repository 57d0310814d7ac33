"""Which files of a folder are images or masks, by their names alone."""

import os
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path

from decamo.errors import DataError

__all__ = [
    "ARRAY_SUFFIXES",
    "IMAGE_SUFFIXES",
    "files_by_stem",
    "holds_images",
    "image_files",
    "is_new",
    "loose_files",
    "others_in",
]

_USUAL = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"))
# Read as well, but where a usual file has the same name it counts alone.
_BESIDE = frozenset((".gif", ".jfif", ".jpe", ".mpo", ".dib", ".pgm", ".ppm", ".pbm", ".pnm"))
IMAGE_SUFFIXES = _USUAL | _BESIDE
ARRAY_SUFFIXES = frozenset((".npy",))
"""Of masks alone, and likewise where no usual file has the same name."""

_DEPTH = 3  # of folders within a folder of images


def files_by_stem(
    folder: Path, more: Collection[str] = (), *, deep: bool = False, without: Path | None = None
) -> dict[str, Path]:
    """The image files of a folder by their name without extension (NFC), hidden ones left out.

    Where none lies in the folder itself, those in folders within it, up to 3 deep, by their
    relative path: ``frog/frog_0``.

    Args:
        folder: where to look.
        more: extensions, in lower case with their dot, of other files that count.
        deep: take those in folders within it also where some lie in the folder itself.
        without: a folder within that is left out.

    Raises:
        DataError: two files have the same stem.
    """
    found: dict[str, Path] = {}
    for path in image_files(folder, more, deep=deep, without=without):
        relative = path.relative_to(folder).with_suffix("").as_posix()
        stem = unicodedata.normalize("NFC", relative)  # macOS archives decompose accents
        rival = found.get(stem)
        if rival is not None and _is_usual(rival) == _is_usual(path):
            raise DataError(
                rival.parent,
                f"{rival.name} and {path.name} have the same name but for the extension",
                "keep one of them: files are matched by that name",
            )
        if rival is None or _is_usual(path):
            found[stem] = path
    return found


def loose_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files of a folder that have one of some extensions, in order; hidden ones left out."""
    return [path for path in _files(folder) if path.suffix.lower() in suffixes]


def image_files(
    folder: Path, more: Collection[str] = (), *, deep: bool = False, without: Path | None = None
) -> Iterator[Path]:
    """The image files that :func:`files_by_stem` names, in order of folders and names."""
    suffixes = IMAGE_SUFFIXES.union(more)
    level = [folder]
    seen = {folder.resolve()}
    for _ in range(_DEPTH + 1):
        found = [p for place in level for p in _files(place) if p.suffix.lower() in suffixes]
        if found:
            # at the first level that has any, and below it; never those beside folders
            yield from found
            if level == [folder] and not deep:
                return
        level = [
            inner for place in level for inner in _folders(place)
            if inner != without and is_new(inner, seen)
        ]  # fmt: skip


def holds_images(folder: Path) -> bool:
    """Whether any image or array lies in a folder or within it."""
    return next(image_files(folder, ARRAY_SUFFIXES), None) is not None


def others_in(folder: Path) -> dict[str, int]:
    """Extension -> how many files that are no images have it; hidden files are left out."""
    counts: dict[str, int] = {}
    for path in _files(folder):
        suffix = path.suffix.lower()
        if suffix not in IMAGE_SUFFIXES | ARRAY_SUFFIXES:
            counts[suffix or path.name] = counts.get(suffix or path.name, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _files(folder: Path) -> list[Path]:
    # "._photo.jpg" is a resource fork that macOS leaves on foreign disks
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if _is_file(e) and not e.name.startswith("."))
    return [folder / name for name in names]


def _folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if _is_folder(e) and not e.name.startswith("."))
    return [folder / name for name in names]


def is_new(folder: Path, seen: set[Path]) -> bool:
    """Whether a folder was not reached before by another way: links may lead in circles."""
    place = folder.resolve()
    if place in seen or any(place in other.parents for other in seen):
        return False
    seen.add(place)
    return True


def _is_usual(path: Path) -> bool:
    return path.suffix.lower() in _USUAL


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
