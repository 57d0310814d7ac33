"""Which files of a folder are images or masks, by their names alone; an image and its mask."""

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from decamo.data.inside import FolderEntry, entries_of
from decamo.data.rules import BY_ITSELF, ReadingRule
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
    "others_in",
]

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
    entries = entries_of(folder)
    names = sorted(e.name for e in entries if _is_file(e) and not e.name.startswith("."))
    return [folder / name for name in names]


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
