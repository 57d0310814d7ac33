"""Which files of a folder are images or masks, by their names alone; an image and its mask."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from decamo.data.inside import FolderEntry, entries_of
from decamo.data.rules import BY_ITSELF, ReadingRule
from decamo.data.stem_files import StemFiles
from decamo.data.suffixes import ARRAY_SUFFIXES, IMAGE_SUFFIXES, USUAL_SUFFIXES
from decamo.errors import DataError

__all__ = [
    "ARRAY_SUFFIXES",
    "IMAGE_SUFFIXES",
    "Pair",
    "classes_of",
    "files_by_stem",
    "holds_images",
    "image_files",
    "is_new",
    "loose_files",
    "named_files",
    "others_in",
]

_DEPTH = 3  # of folders within a folder of images


def files_by_stem(
    folder: Path, more: Collection[str] = (), *, deep: bool = False, without: Path | None = None
) -> StemFiles:
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

    def choose(kept: str, other: str) -> str:
        rival, path = folder / kept, folder / other
        if _is_usual(rival) == _is_usual(path):
            raise DataError(
                rival.parent,
                f"{rival.name} and {path.name} have the same name but for the extension",
                "keep one of them: files are matched by that name",
            )
        return other if _is_usual(path) else kept

    suffixes = IMAGE_SUFFIXES.union(more)
    return StemFiles.gathered(folder, named_files(folder, suffixes, deep, without), choose)


def loose_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files of a folder that have one of some extensions, in order; hidden ones left out."""
    return [folder / name for name in _names_in(folder) if _suffix_of(name) in suffixes]


def image_files(
    folder: Path, more: Collection[str] = (), *, deep: bool = False, without: Path | None = None
) -> Iterator[Path]:
    """The image files that :func:`files_by_stem` names, in order of folders and names."""
    for place, names in named_files(folder, IMAGE_SUFFIXES.union(more), deep, without):
        yield from (place / name for name in names)


def named_files(
    folder: Path, suffixes: Collection[str], deep: bool, without: Path | None
) -> Iterator[tuple[Path, list[str]]]:
    """Folders and the names of their files of some extensions; each is listed when it is due."""
    level = [folder]
    seen = {folder.resolve()}
    for _ in range(_DEPTH + 1):
        found = False
        for place in level:
            if names := [name for name in _names_in(place) if _suffix_of(name) in suffixes]:
                found = True
                yield place, names
        # at the first level that has any, and below it; never those beside folders
        if found and level == [folder] and not deep:
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
    for name in _names_in(folder):
        suffix = _suffix_of(name)
        if suffix not in IMAGE_SUFFIXES | ARRAY_SUFFIXES:
            counts[suffix or name] = counts.get(suffix or name, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _names_in(folder: Path) -> list[str]:
    # "._photo.jpg" is a resource fork that macOS leaves on foreign disks
    entries = entries_of(folder)
    return sorted(e.name for e in entries if _is_file(e) and not e.name.startswith("."))


def _suffix_of(name: str) -> str:
    dot = name.rfind(".")  # pathlib would keep each name in a table of its own
    return name[dot:].lower() if 0 < dot < len(name) - 1 else ""


def _folders(folder: Path) -> list[Path]:
    entries = entries_of(folder)
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
    return path.suffix.lower() in USUAL_SUFFIXES


def _is_file(entry: FolderEntry) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _is_folder(entry: FolderEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


# COD10K-CAM-<super class number>-<super class>-<sub class number>-<sub class>-<image number>
_COD10K = re.compile(r"COD10K-(?:CAM|NonCAM)-\d+-([A-Za-z]+)-(?:\d+-([^-]+)-)?", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """One image file and the mask file that belongs to it; nothing is read yet.

    Attributes:
        image: path of the photograph.
        mask: path of the binary mask.
        stem: the image's file name without its extension; behind the folders that it lies in,
            where a set keeps its images in several: ``frog/frog_0``.
        dataset: name of the data set's folder, such as ``COD10K-v3``.
        split: ``train`` or ``test``.
        rule: how the two files are read, decided for the whole data set; the default reads each
            by itself.
    """

    image: Path
    mask: Path
    stem: str
    dataset: str
    split: str
    rule: ReadingRule = field(default=BY_ITSELF, repr=False)

    @property
    def key(self) -> str:
        """``dataset/stem``: names the pair wherever its files may lie."""
        return f"{self.dataset}/{self.stem}"

    @property
    def noncam_by_name(self) -> bool:
        """Whether COD10K's own naming says that nothing camouflaged is in the image."""
        return self.stem.rpartition("/")[2].casefold().startswith("cod10k-noncam-")

    @property
    def super_class(self) -> str:
        """COD10K's super class (Fan et al., 2020), such as ``Aquatic``; empty for other names."""
        return classes_of(self.stem)[0]


def classes_of(stem: str) -> tuple[str, str]:
    """COD10K's super class and sub class of a file name (Fan et al., 2020).

    ``COD10K-CAM-1-Aquatic-3-Crab-12`` gives ``("Aquatic", "Crab")``; both are empty for names of
    other data sets.
    """
    match = _COD10K.match(stem.rpartition("/")[2])
    return (match.group(1), match.group(2) or "") if match else ("", "")
