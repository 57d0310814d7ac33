"""Folders -> what lies there: sets, pairs, and everything that belongs to no pair.

Unlike :func:`decamo.data.layouts.find_pairs` this raises at nothing and leaves nothing out.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from decamo.data.audit.findings import Finding
from decamo.data.files import ARRAY_SUFFIXES, IMAGE_SUFFIXES
from decamo.data.finding import LOOKED_FOR, Source, glimpse, sources_under
from decamo.data.halves import Half
from decamo.data.matching import pair_up
from decamo.data.pairs import Pair
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


def take_inventory(roots: Sequence[Path]) -> Inventory:
    """List every data set of every split below some folders.

    Raises:
        DataError: a root is no folder, or no data set lies below it.
    """
    sources: dict[tuple[Path, Path], Source] = {}
    for root in roots:
        if not root.is_dir():
            raise DataError(root, "is not a folder", "name the folder of one or more data sets")
        found = sources_under(root.expanduser())
        if not found:
            got = f"no data set in it; it holds {glimpse(root)}; looked for {LOOKED_FOR}"
            raise DataError(root, got, "name the folder of one or more data sets")
        for source in found:
            sources.setdefault((source.images.resolve(), source.masks.resolve()), source)
    names = _own_names(sources.values())
    findings: list[Finding] = []
    masks = {s.masks for s in sources.values()}
    folders = masks | {s.images for s in sources.values()}
    listed = {
        folder: _list(folder, folders, findings, ARRAY_SUFFIXES if folder in masks else frozenset())
        for folder in sorted(folders)
    }
    holdings = [_hold(s, names[s], listed, findings) for s in sources.values()]
    findings += _outside(roots, folders, (f for files in listed.values() for f in files))
    return Inventory(tuple(holdings), tuple(findings))


def _own_names(sources: Iterable[Source]) -> dict[Source, str]:
    homes: dict[str, set[Path]] = defaultdict(set)
    for source in sources:
        homes[source.name].add(source.home)
    return {
        s: s.name if len(homes[s.name]) == 1 else f"{s.name}@{s.home.parent.name}" for s in sources
    }


def _list(
    folder: Path, known: set[Path], findings: list[Finding], more: frozenset[str], depth: int = 3
) -> list[Path]:
    """The files of one folder that are named like images; whatever else is there is a finding.

    Where there is none, those in the folders within, as :func:`decamo.data.files.files_by_stem`.
    """
    files: list[Path] = []
    within: list[Path] = []
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = Path(entry.path)
        like_image = path.suffix.lower() in IMAGE_SUFFIXES | more
        if path.is_dir():  # Path's, because DirEntry's raises on a link that leads to itself
            if like_image:
                findings.append(Finding("folder-like-image", path, "a folder, not a file"))
            elif path not in known:
                within.append(path)
        elif entry.is_symlink() and not path.exists():
            target = Path(os.readlink(path))  # noqa: PTH115 -- Path.readlink differs by version
            findings.append(Finding("dead-link", path, f"a link to {target}, which is not there"))
        elif not path.is_file():
            findings.append(Finding("other-file", path, "neither a file nor a folder"))
        elif not like_image:
            findings.append(Finding("other-file", path, "its extension is no image's: ignored"))
        elif entry.name.startswith("."):
            findings.append(Finding("other-file", path, "hidden: ignored"))
        else:
            files.append(path)
    _collisions(files, findings)
    closed = bool(files) or not depth
    opened = [] if closed else [p for p in within if not (p.is_symlink() or p.name[0] == ".")]
    findings += [
        Finding("other-file", path, "a folder within; not looked into")
        for path in within
        if path not in opened
    ]
    if closed:
        return files
    return [file for p in opened for file in _list(p, known, findings, more, depth - 1)]


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


def _hold(
    source: Source, name: str, listed: dict[Path, list[Path]], findings: list[Finding]
) -> Holding:
    images = _by_stem(listed[source.images], source.images)
    masks = _by_stem(listed[source.masks], source.masks)
    split = "test" if source.test_only else source.split or "any"
    if source.split == Half.UNCLEAR:
        detail = f"it is unclear whether it is to train on or to test on: {source.why}"
        findings.append(Finding("unclear-half", source.images, detail))
    inside = f"{source.sequence}/" if source.sequence else ""
    found = pair_up(images, masks)
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
