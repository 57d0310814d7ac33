"""The images of a prediction, and where each one's pictures go: folders below folders, mirrored."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from decamo.data.inside import InnerPath, entries_of, located
from decamo.data.packed_names import PackedNames
from decamo.data.pairs import IMAGE_SUFFIXES
from decamo.errors import DataError
from decamo.inference.items import KINDS, Item, ItemFolder, PackedItems
from decamo.storage.outputs import PREDICTION_MARK, mark_of

__all__ = ["Found", "Item", "VideoItem", "camera_found", "find_images", "images_under", "is_video"]

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".mts")
)

_MOST_NAMED = 4


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

    items: Sequence[Item]
    others: Counter[str]
    renamed: Sequence[Item] = ()
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
    """What was seen so far, by folder; an image that is given twice is seen once."""

    out: Path
    images: dict[Path, PackedNames] = field(default_factory=dict)
    videos: dict[Path, None] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    _single: dict[Path, dict[str, None]] = field(default_factory=dict)

    def folder(self, folder: Path) -> None:
        for parent, paths in groupby(_files_under(folder), attrgetter("parent")):
            self._add(parent, (path.name for path in paths if self._is_image(path)))

    def file(self, path: Path) -> None:
        if is_video(path):
            self.videos[path] = None
        else:
            self._single.setdefault(path.parent, {})[path.name] = None

    def finish(self) -> None:
        """Take in the files that were given one by one."""
        while self._single:
            self._add(*self._single.popitem())

    def _add(self, folder: Path, names: Iterable[str]) -> None:
        known = self.images.get(folder)
        packed = PackedNames(names if known is None else dict.fromkeys((*known, *names)))
        if packed:
            self.images[folder] = packed

    def _is_image(self, path: Path) -> bool:
        if path.name.startswith(".") or path.suffix.lower() not in IMAGE_SUFFIXES:
            self.others[path.suffix.lower()] += 1
            return False
        return not self._is_own(path)

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
    anchors: dict[Path, None] = {}
    for one in map(located, given):
        if not one.exists():
            raise DataError(one, "no such file", "name images, or folders of images")
        path = _absolute(one)
        is_folder = path.is_dir()
        anchors[path if is_folder else path.parent] = None
        (look.folder if is_folder else look.file)(path)
    look.finish()
    if not look.images and not look.videos:
        nothing = Found((), look.others).left_out() or "it is empty"
        raise DataError(given[0], f"no image in it; {nothing}", "name images, or folders of images")
    here = _Here.of(given)
    items = PackedItems(_item_folders(look.images, [*anchors], out, here))
    clips: dict[Path, list[str]] = {}
    for video in look.videos:
        clips.setdefault(video.parent, []).append(video.name)
    videos = [
        VideoItem(here.named(parent) / video, out / folder / f"{name}.mp4")
        for folder, group in _by_place(clips, [*anchors])
        for parent, video, name in _named(group, ("",))
    ]
    return Found(items, look.others, items.renamed, tuple(videos))


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


@dataclass(frozen=True)
class _Here:
    """How the user names folders: from where they are, where they named any path like that."""

    relative: bool
    folder: Path

    @staticmethod
    def of(given: Iterable[Path]) -> "_Here":
        return _Here(any(not path.is_absolute() for path in given), Path.cwd())

    def named(self, folder: Path) -> Path:
        inside = self.relative and folder.is_relative_to(self.folder)
        return folder.relative_to(self.folder) if inside else folder


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


_Group = Sequence[tuple[Path, Sequence[str]]]  # folders, and names of files in each


def _by_place(
    folders: Mapping[Path, Sequence[str]], anchors: Sequence[Path]
) -> Iterator[tuple[Path, _Group]]:
    """Where pictures go, seen from the folder of all of them, and what goes there, in order."""
    groups: dict[Path, list[Path]] = {}
    for folder in folders:
        groups.setdefault(_mirrored(folder, anchors), []).append(folder)
    for place in sorted(groups):
        yield place, [(folder, folders[folder]) for folder in sorted(groups[place])]


def _item_folders(
    images: Mapping[Path, Sequence[str]], anchors: Sequence[Path], out: Path, here: _Here
) -> Iterator[ItemFolder]:
    for place, group in _by_place(images, anchors):
        named = groupby(_named(group, KINDS), lambda each: each[0])
        for folder, files in named:
            renamed: dict[int, str] = {}
            names = PackedNames(_noted(files, renamed))
            yield ItemFolder(here.named(folder), out / place, names, renamed)


def _noted(files: Iterable[tuple[Path, str, str]], renamed: dict[int, str]) -> Iterator[str]:
    for number, (_, file, name) in enumerate(files):
        if name != Path(file).stem:
            renamed[number] = name
        yield file


def _named(group: _Group, kinds: Sequence[str]) -> Iterator[tuple[Path, str, str]]:
    """Each file in order: its folder, its name, and what its pictures are called."""
    stems = {_folded(Path(file).stem) for _, files in group for file in files}
    count = sum(len(files) for _, files in group)
    alone = len(stems) == count and not any(
        kind and stem.endswith(kind) and stem.removesuffix(kind) in stems
        for stem in stems
        for kind in kinds
    )
    if alone:  # nearly always; a set of short texts is all that it takes
        del stems
        for folder, files in group:
            yield from ((folder, file, Path(file).stem) for file in sorted(files))
        return
    paths = [folder / file for folder, files in group for file in files]
    yield from ((path.parent, path.name, name) for path, name in _names(paths, kinds))


def _names(images: Sequence[Path], kinds: Sequence[str]) -> list[tuple[Path, str]]:
    """A name for the pictures of each image that goes into one folder, in order."""
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
