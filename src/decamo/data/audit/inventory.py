"""Folders -> what lies there: sets, pairs, and everything that belongs to no pair.

Unlike :func:`decamo.data.layouts.find_pairs` this raises at nothing and leaves nothing out.
"""

import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from pathlib import Path

from decamo.data.annotations import is_annotation, sources_at
from decamo.data.audit.findings import Finding
from decamo.data.finding import PairSource
from decamo.data.halves import Half
from decamo.data.inside import entries_of, located
from decamo.data.layouts import no_data_set
from decamo.data.matching import mask_affix, matched_files
from decamo.data.name_rules import Pairing, pair_up
from decamo.data.packed_names import PackedNames
from decamo.data.pair_lists import SourcePairs
from decamo.data.pairs import ARRAY_SUFFIXES, IMAGE_SUFFIXES, Pair, is_new
from decamo.data.stem_files import StemFiles, stem_of
from decamo.data.wanted import ANYTHING, Wanted, as_said, halves_said
from decamo.errors import DataError
from decamo.storage.spilled import LookedUp, Picked

__all__ = ["Holding", "Inventory", "take_inventory"]


@dataclass(frozen=True)
class Holding:
    """One image folder with its masks.

    Attributes:
        name: of the data set.
        split: ``train``, ``test``, ``val``, ``unclear`` or ``any``.
        place: both folders, as ``Train/Image + Train/GT_Object``.
        pairs: in the order of their stems.
        images: every file with an image's extension among the images.
        masks: every such file among the masks.
    """

    name: str
    split: str
    place: str
    pairs: Sequence[Pair]
    images: Sequence[Path]
    masks: Sequence[Path]


@dataclass(frozen=True)
class Inventory:
    """Everything found, and what is odd about it by name alone."""

    holdings: tuple[Holding, ...]
    findings: tuple[Finding, ...]


def take_inventory(roots: Sequence[Path], wanted: Wanted = ANYTHING) -> Inventory:
    """List every data set of every split below some folders.

    Args:
        roots: folders of one or more data sets.
        wanted: what the user says of them.

    Raises:
        DataError: a root is no folder, or no data set lies below it.
    """
    sources: dict[tuple[Path, Path], PairSource] = {}
    for given in roots:
        root = located(given.expanduser())
        if not root.is_dir() and not is_annotation(root):
            raise DataError(root, "is not a folder", "name the folder of one or more data sets")
        found = sources_at(root, mask_affix(wanted.mask_suffix))
        if not found:
            raise DataError(root, *no_data_set(root))
        for source in found:
            key = source.images.resolve(), source.masks.resolve()
            sources.setdefault(key, as_said(source, wanted))
    names = _own_names(sources.values())
    findings: list[Finding] = []
    plain = [s for s in sources.values() if s.notation is None]
    masks = {s.masks for s in plain}
    folders = masks | {s.images for s in plain}
    deep = {f for s in sources.values() if _is_deep(s, wanted) for f in (s.images, s.masks)}
    beside = {s.images for s in sources.values() if s.beside}
    lister = _Lister(frozenset(folders), deep, beside, findings)
    listed = {
        folder: lister.files(folder, ARRAY_SUFFIXES if folder in masks else frozenset())
        for folder in sorted(folders)
    }
    holdings: list[Holding] = []
    cases: dict[tuple[str, str], list[Holding]] = defaultdict(list)
    for source in sources.values():
        whole = _hold(source, names[source], listed, findings, wanted)
        for part in _by_half(source, whole, wanted):
            if source.sequence:
                cases[part.name, part.split].append(part)
            else:
                holdings.append(part)
    holdings += [_joined(group) for group in cases.values()]
    inside = folders | {s.images for s in sources.values()}
    every = chain(*listed.values(), *(held.images for held in holdings))
    findings += _outside(roots, inside, every)
    return Inventory(tuple(holdings), tuple(findings))


def _own_names(sources: Iterable[PairSource]) -> dict[PairSource, str]:
    homes: dict[str, set[Path]] = defaultdict(set)
    for source in sources:
        homes[source.name].add(source.home)
    return {
        s: s.name if len(homes[s.name]) == 1 else f"{s.name}@{s.home.parent.name}" for s in sources
    }


def _is_deep(source: PairSource, wanted: Wanted) -> bool:
    """Whether images count that lie in folders beside other images."""
    if source.beside or source.notation is not None:
        return False
    try:
        images, _, _ = matched_files(source, mask_affix(wanted.mask_suffix))
    except DataError:  # two files of one name: a finding
        return False
    return len({"/" in stem for stem in images}) == 2


@dataclass
class _Lister:
    """Lists folders; whatever is no image there is a finding.

    Attributes:
        known: folders of images or masks.
        deep: those of which the folders within count though images lie beside them.
        beside: those in which images and masks lie side by side.
        findings: are added to.
    """

    known: frozenset[Path]
    deep: Collection[Path]
    beside: Collection[Path]
    findings: list[Finding]

    def files(self, folder: Path, more: frozenset[str]) -> "_Listed":
        """The files of one folder that are named like images.

        Where there is none, those in the folders within, as
        :func:`decamo.data.pairs.files_by_stem`.
        """
        found = self._within(folder, more, 3, folder in self.deep, {folder.resolve()})
        return _Listed(folder, found)

    def _within(
        self, folder: Path, more: frozenset[str], depth: int, deep: bool, seen: set[Path]
    ) -> Iterator[tuple[Path, list[str]]]:
        files: list[str] = []
        within: list[Path] = []
        for entry in sorted(entries_of(folder), key=lambda entry: entry.name):
            path = folder / entry.name
            like_image = path.suffix.lower() in IMAGE_SUFFIXES | more
            if path.is_dir() and not like_image:  # Path's: DirEntry's raises on a circular link
                within += [path] if path not in self.known else []
            elif path.is_file() and like_image and not entry.name.startswith("."):
                files.append(entry.name)
            else:
                self.findings.append(_odd(path, like_image=like_image))
        if folder not in self.beside:
            _collisions(folder, files, self.findings)
        closed = (bool(files) and not deep) or not depth
        opened = [p for p in within if not closed and p.name[0] != "." and is_new(p, seen)]
        self.findings += [
            Finding("other-file", path, "a folder within; not looked into")
            for path in within
            if path not in opened
        ]
        yield folder, files
        for path in opened:
            yield from self._within(path, more, depth - 1, deep, seen)


class _Listed(LookedUp[Path]):
    """The files of a folder and of those within, in order, and by their stems.

    Args:
        folder: the outermost one.
        places: folders, each with names of files.
    """

    def __init__(self, folder: Path, places: Iterable[tuple[Path, list[str]]]) -> None:
        self._places = [(place, PackedNames(names)) for place, names in places if names]
        self._ends = list(accumulate(len(names) for _, names in self._places))
        # as `files_by_stem`, but of two files of one stem the first counts
        self.by_stem = StemFiles.gathered(folder, self._places, lambda kept, _: kept)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def at(self, place: int) -> Path:
        """The file of a place."""
        number = bisect_right(self._ends, place)
        folder, names = self._places[number]
        return folder / names[place - (self._ends[number - 1] if number else 0)]


def _odd(path: Path, *, like_image: bool) -> Finding:
    """What is no image of a set, and why."""
    if path.is_dir():
        return Finding("folder-like-image", path, "a folder, not a file")
    if path.is_symlink() and not path.exists():
        target = Path(os.readlink(path))  # noqa: PTH115 -- Path.readlink differs by version
        return Finding("dead-link", path, f"a link to {target}, which is not there")
    if not path.is_file():
        return Finding("other-file", path, "neither a file nor a folder")
    if not like_image:
        return Finding("other-file", path, "its extension is no image's: ignored")
    return Finding("other-file", path, "hidden: ignored")


def _collisions(folder: Path, files: list[str], findings: list[Finding]) -> None:
    exact: dict[str, str] = {}
    folded: dict[str, str] = {}
    for name in files:
        stem, path = stem_of(name), folder / name
        if stem in exact:
            first = exact[stem]
            detail = f"{first} has the same name but for the extension: training refuses both"
            findings.append(Finding("same-name", path, detail))
        elif stem.casefold() in folded:
            detail = f"{folded[stem.casefold()]} differs in case alone: Windows and macOS"
            findings.append(Finding("same-name-but-case", path, f"{detail} keep one of them"))
        exact.setdefault(stem, name)
        folded.setdefault(stem.casefold(), name)


def _joined(group: Sequence[Holding]) -> Holding:
    """One holding of a set that has a folder for each video or image."""
    if len(group) == 1:
        return group[0]
    return replace(
        group[0],
        place=f"{group[0].place} and {len(group) - 1} more like it",
        pairs=tuple(pair for held in group for pair in held.pairs),
        images=tuple(path for held in group for path in held.images),
        masks=tuple(path for held in group for path in held.masks),
    )


def _by_half(source: PairSource, whole: Holding, wanted: Wanted) -> Iterator[Holding]:
    """A holding for each half, where lists or names of files say which is which."""
    halves: Mapping[str, Half] = {}
    if source.split in (Half.ANY, Half.UNCLEAR) and not source.test_only:
        halves, _ = halves_said(source, whole.pairs, wanted)
    if not halves:
        yield whole
        return
    stems = {pair.image: pair.stem for pair in whole.pairs}
    masks = {pair.mask: pair.stem for pair in whole.pairs}
    sides = {stem: str(halves.get(stem, "")) or whole.split for stem in stems.values()}
    kinds = sorted(set(sides.values())) or [whole.split]
    for kind in kinds:  # what belongs to no pair comes with the first
        lone = kind == kinds[0]
        yield replace(
            whole,
            split=kind,
            pairs=tuple(replace(p, split=kind) for p in whole.pairs if sides[p.stem] == kind),
            images=tuple(
                p for p in whole.images if (sides[stems[p]] == kind if p in stems else lone)
            ),
            masks=tuple(
                p for p in whole.masks if (sides[masks[p]] == kind if p in masks else lone)
            ),
        )


def _sorted_out(
    source: PairSource, listed: Mapping[Path, _Listed], wanted: Wanted
) -> tuple[Mapping[str, Path], Mapping[str, Path], Pairing]:
    """Images and masks of a source by their stems, and which belong together."""
    affix = mask_affix(wanted.mask_suffix)
    if source.beside or source.notation is not None:
        return matched_files(source, affix)
    images, masks = listed[source.images].by_stem, listed[source.masks].by_stem
    return images, masks, pair_up(images, masks, affix)


def _hold(
    source: PairSource,
    name: str,
    listed: Mapping[Path, _Listed],
    findings: list[Finding],
    wanted: Wanted,
) -> Holding:
    images, masks, found = _sorted_out(source, listed, wanted)
    split = "test" if source.test_only else source.split or "any"
    if source.split == Half.UNCLEAR:
        detail = f"it is unclear whether it is to train on or to test on: {source.why}"
        findings.append(Finding("unclear-half", source.images, detail))
    inside = f"{source.sequence}/" if source.sequence else ""
    every_pair = range(len(found.masks))
    pairs = SourcePairs(images, masks, found.masks, inside, name, split, every_pair)
    if found.note:
        findings.append(Finding("other-names", source.masks, found.note))
    # the halves of CAMO as published share one mask folder
    elsewhere = {s for f in source.sharing if f in listed for s in listed[f].by_stem}
    opposite = {s for f in source.rivals if f in listed for s in listed[f].by_stem}
    for stem in sorted(s for s in images if s not in found.masks and s not in opposite):
        detail = f"no mask {stem}.* in {source.masks}{_hint(stem, masks)}"
        findings.append(Finding("image-without-mask", images[stem], detail))
    taken = found.masks.taken()
    for stem in sorted(s for s in masks if s not in taken and s not in elsewhere):
        detail = f"no image {stem}.* in {source.images}{_hint(stem, images)}"
        findings.append(Finding("mask-without-image", masks[stem], detail))
    if source.beside or source.notation is not None:
        every = tuple(images.values()), tuple(masks.values())
        return Holding(name, split, source.place, pairs, *every)
    own: Sequence[Path] = listed[source.masks]
    if elsewhere:
        own = Picked.where(own, lambda path: _stem(path, source.masks) not in elsewhere)
    return Holding(name, split, source.place, pairs, listed[source.images], own)


def _hint(stem: str, others: Mapping[str, Path]) -> str:
    near = [path.name for other, path in others.items() if other.casefold() == stem.casefold()]
    return f"; {near[0]} differs in case" if near else ""


def _stem(path: Path, folder: Path) -> str:
    return stem_of(path.relative_to(folder).as_posix())


def _outside(roots: Sequence[Path], known: set[Path], files: Iterable[Path]) -> list[Finding]:
    """Folders below the roots that hold images but belong to no data set."""
    seen = {folder.resolve() for folder in known}
    seen |= {path.resolve().parent for path in files}
    findings = []
    for root in roots:
        for place, _, names in os.walk(root):
            folder = Path(place)
            count = sum(Path(n).suffix.lower() in IMAGE_SUFFIXES for n in names)
            if count and folder.resolve() not in seen:
                seen.add(folder.resolve())
                what = "image" if count == 1 else "images"
                detail = f"{count} {what} that belong to no data set: no mask folder beside them"
                findings.append(Finding("outside", folder, detail))
    return findings
