"""Folders -> what lies there: sets, pairs, and everything that belongs to no pair.

Unlike :func:`decamo.data.layouts.find_pairs` this raises at nothing and leaves nothing out.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from decamo.data.annotations import is_annotation, sources_at
from decamo.data.audit.findings import Finding
from decamo.data.finding import PairSource
from decamo.data.halves import Half
from decamo.data.inside import entries_of, located
from decamo.data.layouts import no_data_set
from decamo.data.matching import mask_affix, matched_files
from decamo.data.name_rules import Pairing, pair_up
from decamo.data.pairs import ARRAY_SUFFIXES, IMAGE_SUFFIXES, Pair, is_new
from decamo.data.wanted import ANYTHING, Wanted, as_said, halves_said
from decamo.errors import DataError

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
    pairs: tuple[Pair, ...]
    images: tuple[Path, ...]
    masks: tuple[Path, ...]


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
    every = [f for files in listed.values() for f in files]
    every += [f for held in holdings for f in held.images]
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

    def files(self, folder: Path, more: frozenset[str]) -> list[Path]:
        """The files of one folder that are named like images.

        Where there is none, those in the folders within, as
        :func:`decamo.data.pairs.files_by_stem`.
        """
        return self._within(folder, more, 3, folder in self.deep, {folder.resolve()})

    def _within(
        self, folder: Path, more: frozenset[str], depth: int, deep: bool, seen: set[Path]
    ) -> list[Path]:
        files: list[Path] = []
        within: list[Path] = []
        for entry in sorted(entries_of(folder), key=lambda entry: entry.name):
            path = folder / entry.name
            like_image = path.suffix.lower() in IMAGE_SUFFIXES | more
            if path.is_dir() and not like_image:  # Path's: DirEntry's raises on a circular link
                within += [path] if path not in self.known else []
            elif path.is_file() and like_image and not entry.name.startswith("."):
                files.append(path)
            else:
                self.findings.append(_odd(path, like_image=like_image))
        if folder not in self.beside:
            _collisions(files, self.findings)
        closed = (bool(files) and not deep) or not depth
        opened = [p for p in within if not closed and p.name[0] != "." and is_new(p, seen)]
        self.findings += [
            Finding("other-file", path, "a folder within; not looked into")
            for path in within
            if path not in opened
        ]
        lower = [f for p in opened for f in self._within(p, more, depth - 1, deep, seen)]
        return files + lower


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


def _collisions(files: list[Path], findings: list[Finding]) -> None:
    exact: dict[str, Path] = {}
    folded: dict[str, Path] = {}
    for path in files:
        stem = _stem(path, path.parent)
        if stem in exact:
            first = exact[stem].name
            detail = f"{first} has the same name but for the extension: training refuses both"
            findings.append(Finding("same-name", path, detail))
        elif stem.casefold() in folded:
            detail = f"{folded[stem.casefold()].name} differs in case alone: Windows and macOS"
            findings.append(Finding("same-name-but-case", path, f"{detail} keep one of them"))
        exact.setdefault(stem, path)
        folded.setdefault(stem.casefold(), path)


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
    source: PairSource, listed: dict[Path, list[Path]], wanted: Wanted
) -> tuple[dict[str, Path], dict[str, Path], Pairing]:
    """Images and masks of a source by their stems, and which belong together."""
    affix = mask_affix(wanted.mask_suffix)
    if source.beside or source.notation is not None:
        images, masks, found = matched_files(source, affix)
        return dict(images), dict(masks), found
    images = _by_stem(listed[source.images], source.images)
    masks = _by_stem(listed[source.masks], source.masks)
    return images, masks, pair_up(images, masks, affix)


def _hold(
    source: PairSource,
    name: str,
    listed: dict[Path, list[Path]],
    findings: list[Finding],
    wanted: Wanted,
) -> Holding:
    images, masks, found = _sorted_out(source, listed, wanted)
    split = "test" if source.test_only else source.split or "any"
    if source.split == Half.UNCLEAR:
        detail = f"it is unclear whether it is to train on or to test on: {source.why}"
        findings.append(Finding("unclear-half", source.images, detail))
    inside = f"{source.sequence}/" if source.sequence else ""
    pairs = tuple(
        Pair(images[s], masks[m], inside + s, name, split) for s, m in sorted(found.masks.items())
    )
    if found.note:
        findings.append(Finding("other-names", source.masks, found.note))
    # the halves of CAMO as published share one mask folder
    elsewhere = {stem for f in source.sharing for stem in _by_stem(listed.get(f, []), f)}
    opposite = {stem for f in source.rivals for stem in _by_stem(listed.get(f, []), f)}
    for stem in sorted(images.keys() - found.masks.keys() - opposite):
        detail = f"no mask {stem}.* in {source.masks}{_hint(stem, masks)}"
        findings.append(Finding("image-without-mask", images[stem], detail))
    for stem in sorted(masks.keys() - set(found.masks.values()) - elsewhere):
        detail = f"no image {stem}.* in {source.images}{_hint(stem, images)}"
        findings.append(Finding("mask-without-image", masks[stem], detail))
    if source.beside or source.notation is not None:
        every = tuple(images.values()), tuple(masks.values())
        return Holding(name, split, source.place, pairs, *every)
    own = tuple(p for p in listed[source.masks] if _stem(p, source.masks) not in elsewhere)
    return Holding(name, split, source.place, pairs, tuple(listed[source.images]), own)


def _hint(stem: str, others: dict[str, Path]) -> str:
    near = [path.name for other, path in others.items() if other.casefold() == stem.casefold()]
    return f"; {near[0]} differs in case" if near else ""


def _by_stem(files: list[Path], folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        found.setdefault(_stem(path, folder), path)
    return found


def _stem(path: Path, folder: Path) -> str:
    relative = path.relative_to(folder).with_suffix("").as_posix()
    return unicodedata.normalize("NFC", relative)  # as `files_by_stem` does


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
