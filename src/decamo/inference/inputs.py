"""The images of a prediction, and where each one's pictures go: folders below folders, mirrored."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from decamo.data.inside import InnerPath, entries_of, located
from decamo.data.pairs import IMAGE_SUFFIXES
from decamo.errors import DataError
from decamo.storage.outputs import PREDICTION_MARK, mark_of

__all__ = ["Found", "Item", "VideoItem", "camera_found", "find_images", "images_under", "is_video"]

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".mts")
)

_KINDS = ("", "_overlay", "_experts")
_MOST_NAMED = 4


@dataclass(frozen=True)
class Item:
    """An image, and its pictures.

    Attributes:
        image: its file.
        map: where its probability map goes.
        overlay: where the image with the object goes.
        sheet: where the sheet of its experts goes.
    """

    image: Path
    map: Path
    overlay: Path
    sheet: Path


@dataclass(frozen=True)
class VideoItem:
    """A video, and where the one that is made of it goes.

    Attributes:
        source: its file, or a camera's name.
        output: an mp4.
        camera: index of the camera; None for a file.
    """

    source: Path
    output: Path
    camera: int | None = None


@dataclass(frozen=True)
class Found:
    """What is to be predicted.

    Attributes:
        items: in the order of their places; no two pictures of them have one name, on disks that
            ignore case neither.
        others: files of the folders that are no images, by extension.
        renamed: items whose pictures have the image's whole name, since another's has its stem.
        videos: in the order of their places; those in folders are not looked for.
    """

    items: tuple[Item, ...]
    others: Counter[str]
    renamed: tuple[Item, ...] = ()
    videos: tuple[VideoItem, ...] = ()

    def left_out(self) -> str:
        """The files that are no images, in words; empty where there are none."""
        if not self.others:
            return ""
        kinds = [
            f"{count} {kind or 'without extension'}" for kind, count in self.others.most_common()
        ]
        more = ["..."] if len(kinds) > _MOST_NAMED else []
        total = self.others.total()
        names = ", ".join([*kinds[:_MOST_NAMED], *more])
        return f"{total} other {'file' if total == 1 else 'files'} left out: no images ({names})"


@dataclass
class _Look:
    """What was seen so far; an image that is given twice is seen once."""

    out: Path
    images: dict[Path, None] = field(default_factory=dict)
    videos: dict[Path, None] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)

    def folder(self, folder: Path) -> None:
        for path in _files_under(folder):
            if path.name.startswith(".") or path.suffix.lower() not in IMAGE_SUFFIXES:
                self.others[path.suffix.lower()] += 1
            elif not self._is_own(path):
                self.images[path] = None

    def _is_own(self, path: Path) -> bool:
        """Whether an earlier prediction wrote it: --out may lie in the folder of the images."""
        inside = path.is_relative_to(self.out) or path.resolve().is_relative_to(self.out.resolve())
        return inside and mark_of(path) == PREDICTION_MARK


def find_images(given: Sequence[Path], out: Path) -> Found:
    """Find every image of files and folders, folders below folders included.

    An image of ``a/b`` below the innermost folder that holds all that is given goes to ``out/a/b``.
    Its pictures have its stem. Where two images of a folder have one stem (``x.jpg`` and ``x.png``)
    both go by their whole names (``x.jpg.png``), as does one whose map would have the name of
    another one's overlay.

    Args:
        given: images of any extension, and folders, a zip among them. Hidden files and folders in
            these are left out.
        out: where pictures go; what an earlier prediction left there is not read.

    Raises:
        DataError: one is missing, or there is no image in all of them.
    """
    look = _Look(_absolute(out))
    anchors = []
    for one in map(located, given):
        if not one.exists():
            raise DataError(one, "no such file", "name images, or folders of images")
        path = _absolute(one)
        anchors.append(path if path.is_dir() else path.parent)
        if path.is_dir():
            look.folder(path)
        else:
            (look.videos if is_video(path) else look.images)[path] = None
    if not look.images and not look.videos:
        nothing = Found((), look.others).left_out() or "it is empty"
        raise DataError(given[0], f"no image in it; {nothing}", "name images, or folders of images")
    items, renamed = [], []
    for image, name in _named(look.images, anchors, _KINDS):
        pictures = (out / name.with_name(f"{name.name}{kind}.png") for kind in _KINDS)
        items.append(Item(_as_given(image, given), *pictures))
        if name.name != image.stem:
            renamed.append(items[-1])
    videos = [
        VideoItem(_as_given(video, given), out / name.with_name(f"{name.name}.mp4"))
        for video, name in _named(look.videos, anchors, ("",))
    ]
    return Found(tuple(items), look.others, tuple(renamed), tuple(videos))


def camera_found(index: int, out: Path) -> Found:
    """A camera in the place of all files; its mp4 goes to ``out/camera-INDEX.mp4``."""
    camera = VideoItem(Path(f"camera:{index}"), out / f"camera-{index}.mp4", index)
    return Found((), Counter(), videos=(camera,))


def is_video(path: Path) -> bool:
    """Whether a file is a video, by its extension alone."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def images_under(folder: Path) -> list[Path]:
    """The images of a folder and of those below it, in order; maps of a prediction are none.

    Raises:
        DataError: there is no image.
    """
    images = [
        path
        for path in _files_under(folder)
        if not path.name.startswith(".")
        and path.suffix.lower() in IMAGE_SUFFIXES
        and (isinstance(path, InnerPath) or mark_of(path) != PREDICTION_MARK)
    ]
    if not images:
        raise DataError(folder, "holds no image", "name a folder of images")
    return images


def _absolute(path: Path) -> Path:
    return located(os.path.abspath(path))  # noqa: PTH100 - a link keeps its name


def _as_given(image: Path, given: Iterable[Path]) -> Path:
    """The image as the user would name it: relative where the user was."""
    relative = any(not path.is_absolute() for path in given)
    here = Path.cwd()
    return image.relative_to(here) if relative and image.is_relative_to(here) else image


def _mirrored(folder: Path, anchors: Sequence[Path]) -> Path:
    """The folder seen from the innermost one that holds all anchors."""
    try:
        return folder.relative_to(os.path.commonpath(anchors))
    except ValueError:  # on several drives of Windows
        return Path(folder.drive.strip(":\\/") or "root", *folder.parts[1:])


def _files_under(folder: Path) -> Iterator[Path]:
    """Files in order, through links to folders, no folder twice; hidden folders are passed over."""
    if isinstance(folder, InnerPath):
        entries = sorted(entries_of(folder), key=lambda entry: entry.name)
        yield from (folder / entry.name for entry in entries if entry.is_file())
        for entry in entries:
            if entry.is_dir() and not entry.name.startswith("."):
                yield from _files_under(folder / entry.name)
        return
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        here = os.path.realpath(root)
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(names))


def _named(
    files: Iterable[Path], anchors: Sequence[Path], kinds: Sequence[str]
) -> Iterator[tuple[Path, Path]]:
    """Each file, and what is made of it, seen from the folder of all that is made."""
    groups: dict[Path, list[Path]] = {}
    for file in files:
        groups.setdefault(_mirrored(file.parent, anchors), []).append(file)
    for folder in sorted(groups):
        yield from ((file, folder / name) for file, name in _names(groups[folder], kinds))


def _names(images: Sequence[Path], kinds: Sequence[str]) -> list[tuple[Path, str]]:
    """A name for the pictures of each image of one folder, in order."""
    stems = Counter(_folded(image.stem) for image in images)
    taken: set[str] = set()
    names: dict[Path, str] = {}
    # The shorter stem first: x keeps x_overlay.png, and the map of x_overlay.jpg gives way.
    for image in sorted(images, key=lambda i: (len(i.stem), i.name)):
        first = [image.stem] if stems[_folded(image.stem)] == 1 else []
        numbered = (f"{image.name}-{number}" for number in range(2, len(images) + 2))
        for name in (*first, image.name, *numbered):
            pictures = {_folded(f"{name}{kind}") for kind in kinds}
            if not pictures & taken:
                break
        taken |= pictures
        names[image] = name
    return [(image, names[image]) for image in sorted(images)]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
