"""Folders -> pairs: the layouts in which camouflage data sets are published, found by themselves.

========================  ====================================================================
COD10K-v3                 ``Train|Test/Image + GT_Object`` (Fan et al., 2020)
SINet's and later ones    ``TrainDataset|TestDataset/Imgs + GT``, ``TestDataset/CAMO/Imgs + GT``
CAMO, as published        ``Images/Train|Test + GT``: the masks of both lie together (Le, 2019)
BiRefNet's, DIS5K, DUTS   ``TR-COD10K|TE-CAMO/im + gt``, ``DUTS-TR/DUTS-TR-Image + DUTS-TR-Mask``
MoCA-Mask                 ``TrainDataset_per_sq/<sequence>/Imgs + GT`` (Cheng et al., 2022)
CHAMELEON, NC4K, others   ``Image|Imgs|im + GT``, with no split in the path
========================  ====================================================================

Which words say which half is told by :mod:`decamo.data.halves`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Literal

from decamo.data.annotations import is_annotation, sources_at
from decamo.data.finding import LOOKED_FOR, PairSource, glimpse, lone_images
from decamo.data.halves import Half
from decamo.data.inside import located, same_content
from decamo.data.matching import Matched, mask_affix, match_stems, why_unmatched
from decamo.data.pair_lists import JoinedPairs, SourcePairs
from decamo.data.pairs import ARRAY_SUFFIXES, Pair, files_by_stem
from decamo.data.wanted import (
    ANYTHING,
    NOT_NAMED,
    Wanted,
    as_said,
    by_files,
    names_file,
    names_folder,
    refuse_idle,
)
from decamo.errors import DataError
from decamo.settings.words import counted, verb

__all__ = [
    "Listing",
    "find_pairs",
    "no_data_set",
]

_SEVERAL = 3  # folders; fewer may be data sets of one image each


@dataclass(frozen=True)
class Listing:
    """What was found.

    Attributes:
        pairs: every image with its mask, in the order of their keys; no key occurs twice.
        orphans: images without a mask and masks without an image.
        sources: readable lines, such as
            ``COD10K-v3: 290 pairs in Train/Image + Train/GT_Object``.
    """

    pairs: Sequence[Pair]
    orphans: tuple[Path, ...]
    sources: tuple[str, ...]


def find_pairs(
    roots: Sequence[Path], split: Literal["train", "test"], wanted: Wanted = ANYTHING
) -> Listing:
    """The pairs of one split under some folders.

    A root is a data set or a folder that holds several. A set that names no split in its path
    belongs to either, but CHAMELEON and NC4K are never training data. A set of which it is not
    clear which half it is does not train until ``wanted`` says so. Folder names are compared
    without their case, files by their name without extension. A set reached twice counts once, and
    so does an image of which another set holds a copy, byte for byte, under the same name. Of
    several sets of one name, each takes the folder above into its name: ``CAMO@old``.

    Args:
        roots: the folders given.
        split: which half of the sets.
        wanted: what the user says of them.

    Raises:
        DataError: a root is missing or holds no data set, the split is empty, it is unclear which
            half a set is, a pattern finds nothing, or two different files claim one name.
    """
    if not roots:
        raise DataError("--dataset-path", "not given", "name the folder of a data set")
    unique: dict[tuple[Path, Path], PairSource] = {}
    for root in roots:
        for source in _sources_of(root, wanted):
            unique.setdefault((source.images.resolve(), source.masks.resolve()), source)
    everything = [as_said(source, wanted) for source in unique.values()]
    found = {s: match_stems(s, split, wanted.mask_suffix) for s in everything if s.serves(split)}
    refuse_idle(everything, found, wanted)
    looked = [by_files(source, held, split, wanted) for source, held in found.items()]
    matched = {source: held for source, held in looked if source.serves(split)}
    if split == "test" and wanted.test_on:
        matched = {
            source: held
            for source, held in matched.items()
            if names_folder(wanted.test_on, source)
            or any(names_file(wanted.test_on, pair) for pair in held.pairs)
        }
    if split == "train":
        matched = {source: matched[source] for source in _sure(list(matched), wanted)}
    kept = _without_copies({source: held.pairs for source, held in matched.items()})
    named = _with_own_names(kept)
    pairs = JoinedPairs(named.values())
    _refuse_equal_keys(pairs)
    if not pairs:
        raise _empty(roots, split, everything, looked, wanted)
    return Listing(
        pairs=pairs,
        orphans=tuple(sorted(path for held in matched.values() for path in held.orphans)),
        sources=_lines(matched, named, wanted),
    )


def _sources_of(root: Path, wanted: Wanted) -> list[PairSource]:
    root = located(root.expanduser())
    if not root.is_dir() and not is_annotation(root):
        what = "is not a folder" if root.exists() else "does not exist"
        there = next(folder for folder in root.absolute().parents if folder.is_dir())
        raise DataError(
            "--dataset-path",
            f"{root} {what}; {there} holds {glimpse(there)}",
            "name the folder of a data set",
        )
    sources = sources_at(root, mask_affix(wanted.mask_suffix))
    if not sources:
        raise DataError("--dataset-path", *no_data_set(root))
    _refuse_pieces(sources)
    return sources


def _refuse_pieces(sources: Sequence[PairSource]) -> None:
    """A folder for each image, whose objects lie in a mask each (Data Science Bowl 2018).

    Raises:
        DataError: the sources are such folders.
    """
    homes: dict[Path, list[PairSource]] = defaultdict(list)
    for source in sources:
        if not source.beside and source.home == source.images.parent == source.masks.parent:
            homes[source.home.parent].append(source)
    for above, group in homes.items():
        if len(group) < _SEVERAL:
            continue
        images = {len(files_by_stem(source.images)) for source in group}
        masks = [len(files_by_stem(source.masks, ARRAY_SUFFIXES)) for source in group]
        if images == {1} and max(masks) > 1:
            at = masks.index(max(masks))
            raise DataError(
                "--dataset-path",
                f"{above} holds a folder for each of {len(group)} images, and several masks of one"
                f" image, such as the {masks[at]} in {group[at].masks}",
                "join the masks of each image into one, with the name of the image",
            )


def no_data_set(root: Path) -> tuple[str, str]:
    """Why a folder holds no data set, and what to do: two parts of a line for people."""
    lone = lone_images(root)
    if lone is None:
        got = f"no data set in {root}, which holds {glimpse(root)}; looked for {LOOKED_FOR}"
        remedy = "name the folder that holds the image folder and the mask folder, or one above it"
        return got, remedy
    got = f"no data set in {root}: {lone} holds {glimpse(lone, 3)}, but no mask among them or in a"
    return (
        f"{got} folder beside {lone.name}; looked for {LOOKED_FOR}",
        "name a folder that holds images and masks, call their folders images and masks, or say"
        " with --mask-suffix what the names of masks beside the images end in",
    )


def _sure(sources: Sequence[PairSource], wanted: Wanted) -> list[PairSource]:
    """The sources that train.

    Raises:
        DataError: it is unclear of one, and the user says nothing of it.
    """
    unclear = [source for source in sources if source.split == Half.UNCLEAR]
    if wanted.train_on:
        return [source for source in sources if source not in unclear]
    if unclear and not wanted.test_on:
        first = unclear[0]
        place = first.images.relative_to(first.images.parents[len(first.below) - 1]).as_posix()
        more = f", and {len(unclear) - 1} more like it" if len(unclear) > 1 else ""
        name = next((p for p in reversed(first.below[:-1])), first.below[-1])
        raise DataError(
            "--dataset-path",
            f"it is unclear whether {place} is to train on or to test on: {first.why}{more}",
            f"say so with --train-on or --test-on and a pattern, such as --test-on {name}",
        )
    return list(sources)


def _without_copies(groups: dict[PairSource, SourcePairs]) -> dict[PairSource, SourcePairs]:
    """Leave out images that an earlier set holds too: they would leak across a hold-out."""
    if len(groups) < 2:  # of one source no two images have one stem
        return groups
    copies: dict[PairSource, set[int]] = {source: set() for source in groups}
    every = merge(*(_by_stem(n, pairs) for n, pairs in enumerate(groups.values())))
    sources = list(groups)
    for _, same in groupby(every, key=itemgetter(0)):
        rivals = [(sources[n], place, groups[sources[n]][place]) for _, n, place in same]
        first: list[Pair] = []
        for source, place, pair in sorted(rivals, key=lambda r: (r[2].dataset, r[2].image)):
            if any(same_content(pair.image, other.image) for other in first):
                copies[source].add(place)
            else:
                first.append(pair)
    return {
        source: pairs.among(n for n in range(len(pairs)) if n not in copies[source])
        for source, pairs in groups.items()
    }


def _by_stem(number: int, pairs: SourcePairs) -> Iterator[tuple[str, int, int]]:
    return ((pair.stem, number, place) for place, pair in enumerate(pairs))


def _with_own_names(groups: dict[PairSource, SourcePairs]) -> dict[PairSource, SourcePairs]:
    homes: dict[str, set[Path]] = defaultdict(set)
    for source, pairs in groups.items():
        if pairs:
            homes[source.name].add(source.home)
    return {
        source: replace(pairs, dataset=_own_name(source, homes[source.name] or {source.home}))
        for source, pairs in groups.items()
    }


def _own_name(source: PairSource, homes: Iterable[Path]) -> str:
    """The set's name, with as many folders above it as tell it from the others of that name."""
    rivals = [home for home in homes if home != source.home]
    if not rivals:
        return source.name
    above = source.home.parts[::-1][1:]
    for depth in range(1, len(above) + 1):
        if all(rival.parts[::-1][1 : depth + 1] != above[:depth] for rival in rivals):
            return f"{source.name}@{'@'.join(above[:depth])}"
    raise AssertionError("two different paths differ somewhere")


def _refuse_equal_keys(pairs: Iterable[Pair]) -> None:
    for left, right in pairwise(pairs):
        if left.key == right.key:
            raise DataError(
                "--dataset-path",
                f"two different images are called {left.key}: {left.image} and {right.image}",
                "name only one of their folders, or rename one image and its mask",
            )


def _lines(
    matched: dict[PairSource, Matched], named: dict[PairSource, SourcePairs], wanted: Wanted
) -> tuple[str, ...]:
    """A line for each source; one for all videos of a set that has a folder for each."""
    lines = []
    videos: dict[tuple[str, Path], list[PairSource]] = defaultdict(list)
    for source in matched:
        if source.sequence:
            own = source.images if source.beside else source.images.parent
            videos[source.name, own.parent].append(source)
        else:
            lines.append(_describe(source, named[source], matched[source], wanted))
    for (name, above), group in videos.items():
        pairs = sum(len(named[source]) for source in group)
        orphans = sum(len(matched[source].orphans) for source in group)
        place = (above / "*").relative_to(group[0].home).as_posix()
        what = f"{'folder' if group[0].beside else 'sequence'}{'s' * (len(group) != 1)}"
        line = f"{name}: {counted(pairs, 'pair')} of {len(group)} {what} in {place}"
        lines.append(line + (f", {_alone(orphans)}" if orphans else ""))
    return tuple(lines)


def _describe(source: PairSource, kept: SourcePairs, found: Matched, wanted: Wanted) -> str:
    name = kept.dataset if kept else source.name
    line = f"{name}: {counted(len(kept), 'pair')} in {source.place}"
    if copies := len(found.pairs) - len(kept):
        line += f", {copies} more {verb(copies, 'is a copy', 'are copies')} of another set's"
    if found.orphans:
        line += f", {_alone(len(found.orphans))}"
    if not found.pairs:
        found = replace(found, note=why_unmatched(source, wanted.mask_suffix)[0])
    return line + (f" ({found.note})" if found.note else "")


def _alone(count: int) -> str:
    return counted(count, "file without a partner", "files without a partner")


def _empty(
    roots: Sequence[Path],
    split: str,
    sources: list[PairSource],
    looked: Sequence[tuple[PairSource, Matched]],
    wanted: Wanted,
) -> DataError:
    word = {"train": "training", "test": "test"}[split]
    got = f"no {word} pairs in {', '.join(map(str, roots))}"
    lacking = [source for source, found in looked if not found.pairs and source.why != NOT_NAMED]
    if lacking:
        why, remedy = why_unmatched(lacking[0], wanted.mask_suffix)
        return DataError("--dataset-path", f"{got}: {why}", remedy)
    known = {(s.images, s.masks): s for s, _ in looked}
    shown = [known.get((s.images, s.masks), s) for s in sources[:5]]
    found = "; ".join(f"{source.name}: {source.place} ({source.role})" for source in shown)
    return DataError(
        "--dataset-path",
        f"{got}; found {found}",
        f"name a data set with {word} images, or say which of these they are with --{split}-on",
    )
