"""Folders -> pairs: the layouts in which camouflage data sets are published, found by themselves.

========================  ====================================================================
COD10K-v3                 ``Train|Test/Image + GT_Object`` (Fan et al., 2020)
SINet's and later ones    ``TrainDataset|TestDataset/Imgs + GT``, ``TestDataset/CAMO/Imgs + GT``
CAMO, as published        ``Images/Train|Test + GT``: the masks of both lie together (Le, 2019)
CHAMELEON, NC4K, others   ``Image|Imgs|im + GT``, with no split in the path
========================  ====================================================================
"""

import filecmp
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from decamo.data.finding import LOOKED_FOR, Source, glimpse, sources_under
from decamo.data.matching import match_stems
from decamo.data.pairs import Pair
from decamo.errors import DataError

__all__ = ["Listing", "find_pairs"]


@dataclass(frozen=True)
class Listing:
    """What was found.

    Attributes:
        pairs: every image with its mask, in the order of their keys; no key occurs twice.
        orphans: images without a mask and masks without an image.
        sources: readable lines, such as
            ``COD10K-v3: 290 pairs in Train/Image + Train/GT_Object``.
    """

    pairs: tuple[Pair, ...]
    orphans: tuple[Path, ...]
    sources: tuple[str, ...]


def find_pairs(roots: Sequence[Path], split: Literal["train", "test"]) -> Listing:
    """The pairs of one split under some folders.

    A root is a data set or a folder that holds several. A set that names no split in its path
    belongs to either, but CHAMELEON and NC4K are never training data. Folder names are compared
    without their case, files by their name without extension. A set reached twice counts once, and
    so does an image of which another set holds a copy, byte for byte, under the same name. Of
    several sets of one name, each takes the folder above into its name: ``CAMO@old``.

    Args:
        roots: the folders given.
        split: which half of the sets.

    Raises:
        DataError: a root is missing or holds no data set, the split is empty, or two different
            files claim one name.
    """
    if not roots:
        raise DataError("--dataset-path", "not given", "name the folder of a data set")
    unique: dict[tuple[Path, Path], Source] = {}
    for root in roots:
        for source in _sources_of(root):
            unique.setdefault((source.images.resolve(), source.masks.resolve()), source)
    chosen = [source for source in unique.values() if source.serves(split)]
    matched = {source: match_stems(source, split) for source in chosen}
    kept = _without_copies({source: pairs for source, (pairs, _) in matched.items()})
    named = _with_own_names(kept)
    pairs = sorted((pair for group in named.values() for pair in group), key=lambda p: p.key)
    _refuse_equal_keys(pairs)
    if not pairs:
        raise _empty(roots, split, list(unique.values()))
    return Listing(
        pairs=tuple(pairs),
        orphans=tuple(sorted(path for _, orphans in matched.values() for path in orphans)),
        sources=tuple(
            _describe(source, named[source], found, len(orphans))
            for source, (found, orphans) in matched.items()
        ),
    )


def _sources_of(root: Path) -> list[Source]:
    root = root.expanduser()
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        there = next(folder for folder in root.absolute().parents if folder.is_dir())
        raise DataError(
            "--dataset-path",
            f"{root} {what}; {there} holds {glimpse(there)}",
            "name the folder of a data set",
        )
    sources = sources_under(root)
    if not sources:
        raise DataError(
            "--dataset-path",
            f"no data set in {root}, which holds {glimpse(root)}; looked for {LOOKED_FOR}",
            "name the folder that holds the image folder and the mask folder, or one above it",
        )
    return sources


def _without_copies(groups: dict[Source, list[Pair]]) -> dict[Source, list[Pair]]:
    """Leave out images that an earlier set holds too: they would leak across a hold-out."""
    by_stem: dict[str, list[tuple[Source, Pair]]] = defaultdict(list)
    for source, pairs in groups.items():
        for pair in pairs:
            by_stem[pair.stem].append((source, pair))
    kept: dict[Source, list[Pair]] = {source: [] for source in groups}
    for rivals in by_stem.values():
        first: list[tuple[Source, Pair]] = []
        for source, pair in sorted(rivals, key=lambda rival: (rival[1].dataset, rival[1].image)):
            if not any(filecmp.cmp(pair.image, other.image, shallow=False) for _, other in first):
                first.append((source, pair))
        for source, pair in first:
            kept[source].append(pair)
    return kept


def _with_own_names(groups: dict[Source, list[Pair]]) -> dict[Source, list[Pair]]:
    homes: dict[str, set[Path]] = defaultdict(set)
    for source, pairs in groups.items():
        if pairs:
            homes[source.name].add(source.home)
    return {
        source: [replace(pair, dataset=_own_name(source, homes[source.name])) for pair in pairs]
        for source, pairs in groups.items()
    }


def _own_name(source: Source, homes: Iterable[Path]) -> str:
    """The set's name, with as many folders above it as tell it from the others of that name."""
    rivals = [home for home in homes if home != source.home]
    if not rivals:
        return source.name
    above = source.home.parts[::-1][1:]
    for depth in range(1, len(above) + 1):
        if all(rival.parts[::-1][1 : depth + 1] != above[:depth] for rival in rivals):
            return f"{source.name}@{'@'.join(above[:depth])}"
    raise AssertionError("two different paths differ somewhere")


def _refuse_equal_keys(pairs: list[Pair]) -> None:
    for left, right in pairwise(pairs):
        if left.key == right.key:
            raise DataError(
                "--dataset-path",
                f"two different images are called {left.key}: {left.image} and {right.image}",
                "name only one of their folders, or rename one image and its mask",
            )


def _describe(source: Source, kept: list[Pair], found: list[Pair], orphans: int) -> str:
    name = kept[0].dataset if kept else source.name
    line = f"{name}: {len(kept)} pairs in {source.place}"
    if len(kept) < len(found):
        line += f", {len(found) - len(kept)} more are copies of another set's"
    return line + (f", {orphans} files without a partner" if orphans else "")


def _empty(roots: Sequence[Path], split: str, sources: list[Source]) -> DataError:
    found = "; ".join(f"{source.name}: {source.place} ({source.role})" for source in sources[:5])
    word = {"train": "training", "test": "test"}[split]
    return DataError(
        "--dataset-path",
        f"no {word} pairs in {', '.join(map(str, roots))}; found {found}",
        f"name a data set with {word} images whose masks have the same file names",
    )
