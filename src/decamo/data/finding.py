"""Which folders below a root hold images and masks, and which half of a data set they are."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from decamo.data.folder_pairs import (
    MASK_FOLDER_WORDS,
    folder_pairs_among,
    plain_name,
    side_by_side,
    words_besides,
)
from decamo.data.halves import Half, half_of, is_only_half, is_unmistakable, numbered, words_of
from decamo.data.inside import FolderEntry, Notation, entries_of, title_of
from decamo.data.pairs import IMAGE_SUFFIXES, holds_images, image_files, loose_files
from decamo.errors import DataError

__all__ = [
    "LOOKED_FOR",
    "PairSource",
    "glimpse",
    "lone_images",
    "sources_under",
    "with_half",
]

LOOKED_FOR = (
    "an Image, Imgs, Images or im folder beside a GT_Object, GT, masks or labels folder, or images"
    " and masks side by side (a.jpg with a_mask.png or a.png), up to 3 folders deep"
)
_TEST_ONLY = ("chameleon", "nc4k")  # 76 and 4121 images, published to test on
_HALVED = ("camo", "cod10k")  # published with a half to train on and a half to test on
_DEPTH = 3
_MOST_FOLDERS = 5000


@dataclass(frozen=True)
class PairSource:
    """An image folder and the mask folder beside it.

    Attributes:
        name: of the data set.
        home: the data set's own folder, absolute.
        images: folder of the images.
        masks: folder of the masks.
        split: ``train``, ``test``, ``val`` (neither), ``unclear``, or empty (either).
        test_only: whether the set was published to test on, whatever its folders say.
        sharing: other image folders whose masks lie in the same mask folder.
        rivals: other mask folders that belong to the same image folder.
        sequence: of a set with a folder for each video, the name of this one; else empty.
        why: where the split is unclear, what makes it so.
        below: names of the folders from the root given down to the images.
        beside: whether images and masks lie side by side in one folder, which both then are.
        notation: of masks that are no files, how they are written down.
        shards: the tables of a set that is kept in several.
    """

    name: str
    home: Path
    images: Path
    masks: Path
    split: str
    test_only: bool
    sharing: tuple[Path, ...] = ()
    rivals: tuple[Path, ...] = ()
    sequence: str = ""
    why: str = ""
    below: tuple[str, ...] = ()
    beside: bool = False
    notation: Notation | None = None
    shards: tuple[Path, ...] = ()

    def serves(self, split: str) -> bool:
        """Whether the images may belong to ``split``; of an unclear set they may."""
        if self.test_only:
            return split == "test"
        return self.split in (Half.ANY, Half.UNCLEAR, split)

    @property
    def place(self) -> str:
        """Both folders, seen from the data set's: ``Train/Image + Train/GT_Object``."""
        if self.beside:
            where = self.images.relative_to(self.home).as_posix()
            return f"{self.images.name if where == '.' else where}, side by side"
        if self.notation in (Notation.LABELME, Notation.PARQUET):
            many = f" and {len(self.shards) - 1} more" if len(self.shards) > 1 else ""
            first = self.shards[0] if self.shards else self.images
            return f"{first.name}{many}, {self.notation.label}"
        return " + ".join(
            folder.name if folder == self.home else folder.relative_to(self.home).as_posix()
            for folder in (self.images, self.masks)
        )

    @property
    def role(self) -> str:
        """What it may be used for, in words."""
        if self.test_only:
            return "published to test on"
        words = {"": "any split", "val": "validation only", "unclear": f"unclear: {self.why}"}
        if self.why and self.split != Half.UNCLEAR:
            return self.why
        return words.get(self.split, f"{self.split} only")


def sources_under(root: Path, mask_suffix: str = "") -> list[PairSource]:
    """Every image folder with masks in ``root`` and up to 3 folders below, in order of path.

    A folder that names nothing but a half, such as ``TrainDataset``, does not count as a level.
    Where no two folders belong together, folders count in which images and masks lie side by side,
    or images beside the folder of their masks.

    Args:
        root: where to look.
        mask_suffix: what the names of masks have behind those of their images, where it is known.

    Raises:
        DataError: more than 5000 folders lie there.
    """
    # not resolve(): a link's own name names the data set
    root = type(root)(os.path.abspath(root))  # noqa: PTH100
    found: list[PairSource] = []
    others: list[Path] = []
    seen = {root.resolve()}
    queue = deque([(root, 0)])
    while queue:
        folder, depth = queue.popleft()
        children = _subfolders(folder)
        together = folder_pairs_among(children)
        for images, masks in together:
            found.extend(_sources_of(folder, root, images, masks))
        if not together:
            others.append(folder)
        taken = {path for pair in together for path in pair}
        for child in children:
            below = depth if is_only_half(child.name) else depth + 1
            if below <= _DEPTH and child not in taken and child.resolve() not in seen:
                seen.add(child.resolve())
                queue.append((child, below))
        if len(seen) > _MOST_FOLDERS:
            raise DataError(
                "--dataset-path",
                f"{root} holds more than {_MOST_FOLDERS} folders",
                "name the data set's own folder",
            )
    if not found:
        found = [s for folder in others for s in _without_folder(folder, root, mask_suffix)]
        found = _cases_of_sets(found)
    return sorted(_doubted(found), key=lambda source: (source.images, source.masks))


def _without_folder(folder: Path, root: Path, mask_suffix: str) -> Iterator[PairSource]:
    """A folder whose own files are images, its masks among them or in a folder within."""
    if not loose_files(folder, IMAGE_SUFFIXES):
        return
    children = _subfolders(folder)
    within = [f for f in children if words_besides(f, MASK_FOLDER_WORDS) == () and holds_images(f)]
    if len(within) == 1:
        yield from _sources_of(folder, root, folder, within[0])
    elif side_by_side(folder, mask_suffix):
        yield from _sources_of(folder, root, folder, folder)


def _cases_of_sets(found: list[PairSource]) -> list[PairSource]:
    """Folders that hold one image and its mask each are no data sets but cases of one."""
    alone: dict[Path, list[PairSource]] = {}
    for source in found:
        if source.beside and (files := side_by_side(source.images)) and files.single:
            alone.setdefault(source.images.parent, []).append(source)
    changed: dict[PairSource, PairSource] = {}
    for parent, group in alone.items():
        home = next((f for f in (parent, *parent.parents) if not is_only_half(f.name)), parent)
        for source in group if len(group) > 1 else ():
            name = home.name or parent.name
            changed[source] = replace(source, name=name, home=home, sequence=source.images.name)
    return [changed.get(source, source) for source in found]


def glimpse(folder: Path, count: int = 6) -> str:
    """The first few entries of a folder, for an error message."""
    try:
        names = sorted(entry.name for entry in entries_of(folder))
    except OSError as error:
        return f"something that cannot be listed ({error.strerror})"
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return (", ".join(names[:count]) or "nothing") + more


def lone_images(root: Path) -> Path | None:
    """The first folder from a root on down in which images lie; None where none do."""
    first = next(image_files(root), None)
    return None if first is None else first.parent


def _sources_of(folder: Path, root: Path, images: Path, masks: Path) -> Iterator[PairSource]:
    home = next((f for f in (folder, *folder.parents) if not is_only_half(title_of(f))), folder)
    inside = [folder, *(f for f in folder.parents if f == root or root in f.parents)]
    test_only = any(plain_name(f).startswith(_TEST_ONLY) for f in (*inside, home))
    whole = PairSource(
        title_of(home) or title_of(folder) or "root", home, images, masks, Half.ANY, test_only,
        below=_below(root, images), beside=images == masks,
    )  # fmt: skip
    if folder == images:
        yield with_half(whole, folder, root, ())
        return
    parts, own = _parts(images), _parts(masks)
    for part in parts:
        mine = next((f for f in own if half_of(f.name) == half_of(part.name)), None)
        sharing = () if mine else tuple(other for other in parts if other != part)
        source = replace(
            whole, images=part, masks=mine or masks, sharing=sharing, below=_below(root, part)
        )
        yield with_half(source, folder, root, (part.name,))
    for part in () if parts else own:
        rivals = tuple(other for other in own if other != part)
        yield with_half(replace(whole, masks=part, rivals=rivals), folder, root, (part.name,))
    if not parts and not own:
        source = _as_sequence(whole, folder, root)
        names = (images.name, masks.name)
        yield with_half(source, folder, root, tuple(n for n in names if half_of(n)))


def _parts(folder: Path) -> list[Path]:
    return [f for f in _subfolders(folder) if half_of(f.name) is not Half.ANY]


def _as_sequence(source: PairSource, folder: Path, root: Path) -> PairSource:
    """A video of a set that has a folder for each: ``TrainDataset_per_sq/fox`` (MoCA-Mask)."""
    above = folder.parent
    if folder == root and not is_unmistakable(above.name):
        return source
    if "sq" not in words_of(above.name) or source.home != folder:
        return source
    home = next((f for f in (above, *above.parents) if not is_only_half(f.name)), above)
    return replace(source, name=home.name or above.name, home=home, sequence=folder.name)


def with_half(source: PairSource, folder: Path, root: Path, inner: Sequence[str]) -> PairSource:
    """The source with its half: the innermost name that says one, unless one farther out objects.

    What lies above the root counts only where it cannot be misunderstood: a data set under some
    ``/mnt/test`` is not for that reason a test set.
    """
    between = [f.name for f in (folder, *folder.parents) if root in f.parents]
    said = [(name, half) for name in (*inner, *between) if (half := half_of(name)) is not Half.ANY]
    if len(inner) == 2 and half_of(inner[0]) != half_of(inner[1]):
        return replace(source, split=Half.UNCLEAR, why=f"{inner[0]} lies beside {inner[1]}")
    outermost = _half_of_root(root, direct=folder == root and not inner)
    if outermost is not Half.ANY:
        said.append((root.name, outermost))
    if not said:
        return source
    name, half = said[0]
    if half is Half.UNCLEAR:
        doubt = "says both" if half_of(name) is Half.UNCLEAR else "may be no more than a name"
        return replace(source, split=half, why=f"{name} {doubt}")
    against = [(n, h) for n, h in said[1:] if h in (Half.TEST, Half.VAL)]
    if half is Half.TRAIN and against:
        why = f"{name} lies in {against[0][0]}"
        return replace(source, split=Half.UNCLEAR, why=why)
    return replace(source, split=half)


def _half_of_root(root: Path, *, direct: bool) -> Half:
    """What the root's own name and the folder above it say of everything inside.

    Args:
        root: the folder given.
        direct: whether images and masks lie in it at once.
    """
    half = half_of(title_of(root))
    if half is Half.ANY:
        return half_of(root.parent.name) if is_unmistakable(root.parent.name) else Half.ANY
    if is_unmistakable(title_of(root)) or _has_counterpart(root, half):
        return half
    if direct:
        return half if half is Half.TRAIN else Half.UNCLEAR
    return Half.ANY


def _has_counterpart(root: Path, half: Half) -> bool:
    """Whether the other half lies beside a folder: then its name is meant as a half's."""
    others = {half_of(f.name) for f in _subfolders(root.parent) if f != root}
    return bool(others & ({Half.TEST, Half.VAL} if half is Half.TRAIN else {Half.TRAIN}))


def _doubted(sources: Sequence[PairSource]) -> Iterator[PairSource]:
    """Some sets that say nothing of a half lie where that cannot mean that they may be trained."""
    trains = any(s.split == Half.TRAIN for s in sources)
    folds: dict[tuple[Path, str], set[str]] = {}
    for source in sources:
        for folder in _numbered_above(source):
            folds.setdefault((folder.parent, numbered(folder.name)), set()).add(folder.name)
    for source in sources:
        if source.split != Half.ANY or source.test_only:
            yield source
            continue
        beside = next(
            (names for f in _numbered_above(source)
             if len(names := folds[f.parent, numbered(f.name)]) > 1), None
        )  # fmt: skip
        if beside:
            why = f"{', '.join(sorted(beside)[:3])} lie side by side"
            yield replace(source, split=Half.UNCLEAR, why=why)
        elif trains and plain_name(source.home).startswith(_HALVED):
            why = f"{source.name} is published in two halves, and lies beside a training half"
            yield replace(source, split=Half.UNCLEAR, why=why)
        else:
            yield source


def _numbered_above(source: PairSource) -> list[Path]:
    up = (source.images, *source.images.parents)[: len(source.below) - 1]
    return [folder for folder in up if numbered(folder.name)]


def _below(root: Path, images: Path) -> tuple[str, ...]:
    return (root.name, *images.relative_to(root).parts)


def _subfolders(folder: Path) -> list[Path]:
    try:
        entries = entries_of(folder)
        names = [e.name for e in entries if _is_folder(e) and not e.name.startswith(".")]
    except PermissionError:  # such as lost+found, where the root is a whole disk
        return []
    return [folder / name for name in sorted(names)]


def _is_folder(entry: FolderEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
