"""Which folders below a root hold images and masks, and of which split."""

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from decamo.errors import DataError

__all__ = ["LOOKED_FOR", "Source", "glimpse", "sources_under"]

LOOKED_FOR = (
    "an Image, Imgs, Images or im folder beside a GT_Object or GT folder, up to 3 folders deep"
)

_IMAGES = ("image", "imgs", "images", "im", "img")  # in order of preference
_MASKS = ("gtobject", "gt", "masks", "mask")
_SPLITS = {
    "train": "train",
    "training": "train",
    "trainval": "train",
    "traindataset": "train",
    "trainingdataset": "train",
    "trainvaldataset": "train",
    "test": "test",
    "testing": "test",
    "testdataset": "test",
    "testingdataset": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "valdataset": "val",
}
_TEST_ONLY = ("chameleon", "nc4k")  # 76 and 4121 images, published to test on
_DEPTH = 3
_MOST_FOLDERS = 5000


@dataclass(frozen=True)
class Source:
    """An image folder and the mask folder beside it.

    Attributes:
        name: of the data set.
        home: the data set's own folder, absolute.
        images: folder of the images.
        masks: folder of the masks.
        split: ``train``, ``test``, ``val`` (neither) or empty (either).
        test_only: whether the set was published to test on, whatever its folders say.
        sharing: other image folders whose masks lie in the same mask folder.
    """

    name: str
    home: Path
    images: Path
    masks: Path
    split: str
    test_only: bool
    sharing: tuple[Path, ...] = ()

    def serves(self, split: str) -> bool:
        """Whether the images belong to ``split``."""
        return split == "test" if self.test_only else self.split in ("", split)

    @property
    def place(self) -> str:
        """Both folders, seen from the data set's: ``Train/Image + Train/GT_Object``."""
        return " + ".join(
            folder.relative_to(self.home).as_posix() for folder in (self.images, self.masks)
        )

    @property
    def role(self) -> str:
        """What it may be used for, in words."""
        if self.test_only:
            return "published to test on"
        return {"": "any split", "val": "validation only"}.get(self.split, f"{self.split} only")


def sources_under(root: Path) -> list[Source]:
    """Every image folder with masks in ``root`` and up to 3 folders below, in order of path.

    Raises:
        DataError: more than 5000 folders lie there.
    """
    # not resolve(): a link's own name names the data set
    root = Path(os.path.abspath(root))  # noqa: PTH100
    found: list[Source] = []
    seen = {root.resolve()}
    queue = deque([(root, 0)])
    while queue:
        folder, depth = queue.popleft()
        children = _subfolders(folder)
        images, masks = _first(children, _IMAGES), _first(children, _MASKS)
        if images and masks:
            found.extend(_sources_of(folder, root, images, masks))
        if depth == _DEPTH:
            continue
        for child in children:
            if child not in (images, masks) and child.resolve() not in seen:
                seen.add(child.resolve())
                queue.append((child, depth + 1))
        if len(seen) > _MOST_FOLDERS:
            raise DataError(
                "--dataset-path",
                f"{root} holds more than {_MOST_FOLDERS} folders",
                "name the data set's own folder",
            )
    return sorted(found, key=lambda source: source.images)


def glimpse(folder: Path, count: int = 6) -> str:
    """The first few entries of a folder, for an error message."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError as error:
        return f"something that cannot be listed ({error.strerror})"
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return (", ".join(names[:count]) or "nothing") + more


def _sources_of(folder: Path, root: Path, images: Path, masks: Path) -> list[Source]:
    home = next((f for f in (folder, *folder.parents) if _word(f) not in _SPLITS), folder)
    name = home.name or folder.name or "root"
    inside = [folder, *(f for f in folder.parents if f == root or root in f.parents)]
    test_only = any(_word(f).startswith(_TEST_ONLY) for f in (*inside, home))
    parts = [f for f in _subfolders(images) if _word(f) in _SPLITS]
    if not parts:
        split = _split_of(inside, root)
        return [Source(name, home, images, masks, split, test_only)]
    made = []
    for part in parts:
        split = _SPLITS[_word(part)]
        own = next((f for f in _subfolders(masks) if _SPLITS.get(_word(f)) == split), None)
        sharing = () if own else tuple(other for other in parts if other != part)
        made.append(Source(name, home, part, own or masks, split, test_only, sharing))
    return made


def _split_of(inside: list[Path], root: Path) -> str:
    """The innermost folder that names a split, from the root on.

    Above the root only the unmistakable ``TestDataset`` kind counts: a data set under some
    ``/mnt/test`` is not for that reason a test set.
    """
    for folder in inside:
        if _word(folder) in _SPLITS:
            return _SPLITS[_word(folder)]
    above = _word(root.parent)
    return _SPLITS.get(above, "") if above.endswith("dataset") else ""


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if _is_folder(e) and not e.name.startswith(".")]
    except PermissionError:  # such as lost+found, where the root is a whole disk
        return []
    return [folder / name for name in sorted(names)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _first(folders: list[Path], words: tuple[str, ...]) -> Path | None:
    ranked = [folder for word in words for folder in folders if _word(folder) == word]
    return ranked[0] if ranked else None


def _word(folder: Path) -> str:
    return folder.name.casefold().translate({ord(mark): None for mark in "-_ "})
